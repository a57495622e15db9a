"""The options of `myphone phone`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from myphone_api.cli import main, make_parser
from myphone_api.errors import CommandError, ExitCode
from myphone_api.softphone import PASSWORD_VARIABLE, check_files, password, server
from sipcore.transport.flow import Transport


def options(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(["phone", "100", "--server", "pbx", *arguments])


@pytest.mark.row("ADM-20")
@pytest.mark.parametrize(
    ("text", "transport", "expected"),
    [
        ("pbx.example", "udp", ("pbx.example", 5060, Transport.UDP)),
        ("192.0.2.1:5070", "tcp", ("192.0.2.1", 5070, Transport.TCP)),
        ("pbx", "tls", ("pbx", 5061, Transport.TLS)),
        ("2001:db8::1", "udp", ("2001:db8::1", 5060, Transport.UDP)),
        ("[2001:db8::1]", "udp", ("2001:db8::1", 5060, Transport.UDP)),
        ("[2001:db8::1]:5070", "udp", ("2001:db8::1", 5070, Transport.UDP)),
    ],
)
def test_server(text: str, transport: str, expected: tuple[str, int, Transport]) -> None:
    assert server(text, transport) == expected


@pytest.mark.parametrize("text", ["", ":5060", "pbx:", "pbx:sip", "pbx:0", "pbx:65536", "[::1]5060x"])
def test_no_server(text: str) -> None:
    with pytest.raises(CommandError, match="give one such as") as raised:
        server(text, "udp")
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_password_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "not this")
    assert password(options("--password", "secret")) == "secret"


def test_a_password_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"two words \r\nmore\n")
    assert password(options("--password-file", str(tmp_path / "password"))) == "two words "


def test_a_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    assert password(options()) == "secret"


def test_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(CommandError, match="use --password-file or set MYPHONE_PASSWORD"):
        password(options())


def test_an_unreadable_password_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*absent"):
        password(options("--password-file", str(tmp_path / "absent")))


@pytest.mark.parametrize(
    ("option", "file", "problem"),
    [
        ("--play", "absent.wav", "--play: cannot read absent.wav: No such file or directory"),
        ("--play", "text.wav", "--play: text.wav is no WAV file"),
        ("--play", "empty.wav", "--play: empty.wav is cut short"),
        ("--record", "absent/new.wav", "--record: cannot write absent/new.wav: No such file or directory"),
        ("--record", ".", "--record: cannot write .: Is a directory"),
    ],
)
def test_files_are_looked_at_before_a_call_begins(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    file: str,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("these are words, and no sound at all")
    (tmp_path / "empty.wav").touch()
    assert main(["phone", "100", "--server", "pbx", "--password", "x", "--call", "1", option, file]) == 2
    assert capsys.readouterr().err == f"myphone: {problem}\n"


def test_a_recording_of_before_is_kept_until_there_is_another(tmp_path: Path) -> None:
    (tmp_path / "old.wav").write_text("sound")
    check_files(options("--record", str(tmp_path / "old.wav")))
    assert (tmp_path / "old.wav").read_text() == "sound"
    check_files(options("--record", str(tmp_path / "new.wav")))
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
