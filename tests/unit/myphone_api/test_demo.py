"""The demo company: its passwords, and what it tells people to type."""

from __future__ import annotations

import argparse
import json
import stat
from pathlib import Path

import pytest

from myphone_api.cli import main, make_parser
from myphone_api.demo import (
    COMPANY,
    as_json,
    default_folder,
    demo_config,
    instructions,
    kept_passwords,
)
from myphone_api.errors import CommandError
from myphone_api.passwords import new_password
from pbx.config_checks import weaknesses

PASSWORDS = dict.fromkeys(COMPANY, "abcdefghij23")


def options(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(["demo", *arguments])


# -- passwords -------------------------------------------------------------------------------------


def test_passwords_stay_the_same_and_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "passwords.json"
    passwords = kept_passwords(file, ["100", "101"])
    assert sorted(passwords) == ["100", "101"]
    assert passwords["100"] != passwords["101"]
    assert kept_passwords(file, ["100", "101"]) == passwords
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["passwords.json"]


def test_new_people_get_new_passwords(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    before = kept_passwords(file, ["100"])
    after = kept_passwords(file, ["100", "101"])
    assert after["100"] == before["100"]
    assert kept_passwords(file, ["101"]) == after


def test_a_draft_left_by_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "passwords.new").write_text("half a fi")
    assert kept_passwords(tmp_path / "passwords.json", ["100"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"100": 5}', '{"100": ""}'])
def test_a_damaged_file_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "passwords.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="is damaged; delete it"):
        kept_passwords(file, ["100"])
    assert file.read_text() == text


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="choose a folder of yours with --data-dir"):
        kept_passwords(tmp_path / "file" / "passwords.json", ["100"])


def test_passwords_are_strong_and_easy_to_type() -> None:
    several = {new_password() for _ in range(100)}
    assert len(several) == 100
    assert all(len(password) == 12 and password.isalnum() and password.islower() for password in several)
    assert not set("".join(several)) & set("l1o0")


def test_the_default_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/myphone")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/lee")
    assert default_folder() == Path("/home/lee/.local/share/myphone")


# -- configuration ---------------------------------------------------------------------------------


def test_the_company_of_the_manual() -> None:
    config = demo_config(options(), Path("/data"), PASSWORDS)
    assert [(entry.number, entry.full_name) for entry in config.directory()] == [
        ("100", "Lee Parker"),
        ("101", "Richardson Bailey"),
        ("102", "Taylor Smith"),
        ("103", "Miller Cox"),
        ("104", "Bell Shaw"),
        ("105", "Thomas White"),
        ("107", "Adam Simpson"),
    ]
    assert list(weaknesses(config)) == []


@pytest.mark.row("ADM-20")
def test_options_set_the_addresses() -> None:
    asked = options("--listen", "127.0.0.2", "--port", "5070", "--media-ports", "30000-30099")
    config = demo_config(asked, Path("/data"), PASSWORDS)
    assert (config.sip.listen, config.sip.udp_port, config.sip.tcp_port) == ("127.0.0.2", 5070, 5070)
    assert config.media.port_range == (30000, 30099)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--listen", "pbx"], "--listen: should be an IP address"),
        (["--port", "70000"], "--port: should be less than or equal to 65535"),
        (["--media-ports", "5-9"], "--media-ports: should be [first, last]"),
    ],
)
def test_mistakes_are_told_in_terms_of_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert main(["demo", "--data-dir", str(tmp_path), *arguments]) == 2
    assert f"myphone: {problem}" in capsys.readouterr().err


# -- what to type ----------------------------------------------------------------------------------


@pytest.mark.row("ADM-20")
def test_instructions_say_what_to_type() -> None:
    config = demo_config(options("--port", "5070"), Path("/data"), PASSWORDS)
    text = instructions("192.168.1.20", config, PASSWORDS)
    assert "192.168.1.20:5070" in text
    assert "  107         abcdefghij23    Adam Simpson\n" in text
    assert "*777" in text
    assert "/data/demo-passwords.json" in text


def test_the_usual_port_is_not_typed() -> None:
    text = instructions("192.168.1.20", demo_config(options(), Path("/data"), PASSWORDS), PASSWORDS)
    assert "  Server      192.168.1.20\n" in text


def test_instructions_for_programs() -> None:
    config = demo_config(options(), Path("/data"), PASSWORDS)
    told = json.loads(as_json("192.168.1.20", config, PASSWORDS))
    assert (told["server"], told["port"]) == ("192.168.1.20", 5060)
    assert told["extensions"][0] == {"number": "100", "password": "abcdefghij23", "name": "Lee Parker"}
