"""`myphone export`, `import` and `ext` as they are typed: what they print, change and refuse; exit codes."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from myphone_api.cli import main
from pbx.store.pins import check_pin
from pbx.store.store import Store
from sipcore.registrar.digest import Credentials

FILE = """
[[extensions]]
number = "100"
password = "correct horse"
first_name = "Lee"
last_name = "Parker"

[[extensions]]
number = "101"
password = "battery staple"
pin = "4711"
forward = { busy = "100" }

[[groups]]
name = "Management"
extensions = ["100", "101"]
heads = ["100"]

[dialing]
country = "FR"

[[trunks]]
name = "provider"
type = "provider"
registrar = "voip.example"
user = "us"
password = "trunk-secret"
"""

SECRETS = ("correct horse", "battery staple", "4711", "trunk-secret")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "myphone.toml"
    path.write_text(FILE)
    return path


class Cli:
    """Runs commands on one configuration."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = config
        self._capsys = capsys

    def run(self, *arguments: object, code: int = 0) -> tuple[str, str]:
        """Standard output and error output of a command that ends with `code`."""
        assert main([*map(str, arguments), "--config", str(self.config)]) == code
        captured = self._capsys.readouterr()
        return captured.out, captured.err

    def json(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments, "--json")[0])

    def extensions(self) -> dict[str, dict[str, Any]]:
        return {each["number"]: each for each in self.json("ext", "list")}

    def ha1(self, number: str) -> dict[str, str]:
        [found] = [each for each in self.json("export")["extensions"] if each["number"] == number]
        kept: dict[str, str] = found["ha1"]
        return kept


@pytest.fixture
def cli(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.delenv("MYPHONE_PASSWORD", raising=False)
    return Cli(config, capsys)


def test_the_first_command_takes_the_file_over(cli: Cli) -> None:
    counts = {"groups": ["Management"], "version": 1, "phones": 0}
    assert cli.extensions() == {
        "100": {"number": "100", "first_name": "Lee", "last_name": "Parker", "heads": ["Management"]} | counts,
        "101": {"number": "101", "forward": {"busy": "100"}} | counts,
    }
    assert "100" in cli.run("ext", "list")[0]
    assert "Lee Parker" in cli.run("ext", "list")[0]


def test_an_export_holds_no_secret_and_everything_else(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "export.toml"
    cli.run("export", "--output", target)
    text = target.read_text()
    assert not any(secret in text for secret in SECRETS)
    assert target.stat().st_mode & 0o077 == 0
    assert cli.run("export")[0] == text
    data = tomllib.loads(text)
    assert data == cli.json("export")
    assert [each["name"] for each in data["trunks"]] == ["provider"]
    assert data["groups"] == [{"name": "Management", "extensions": ["100", "101"], "heads": ["100"]}]


def test_an_export_is_imported_without_a_change(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "export.toml"
    cli.run("export", "--output", target)
    assert cli.run("import", target, "--replace")[0] == "nothing to change\n"
    assert not any(cli.json("import", target).values())


def test_an_export_is_imported_elsewhere_but_for_what_is_secret(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "export.toml"
    cli.run("export", "--output", target)
    before = cli.json("export")
    other = tmp_path / "elsewhere.toml"
    other.write_text('[store]\ndata_dir = "elsewhere"\n[dialing]\ncountry = "FR"\n')
    cli.config = other
    _, errors = cli.run("import", target, code=2)
    assert "trunks[0]: a provider needs registrar, user and password" in errors
    assert cli.extensions() == {}  # and nothing was changed
    data = tomllib.loads(target.read_text())
    data["trunks"][0]["password"] = "trunk-secret"
    target.write_text(tomli_w.dumps(data))
    assert cli.json("import", target)["added"] == ["100", "101"]
    assert cli.json("export") == before


def test_the_configuration_file_is_imported_again_but_for_pins(cli: Cli, config: Path) -> None:
    cli.run("ext", "list")
    store = Store.open(config.parent / "data" / "myphone.db")
    try:
        assert store.read(lambda connection: check_pin("101", "4711", connection))
    finally:
        store.abandon()
    config.write_text(
        FILE.replace('"Lee"', '"Leigh"') + '[[extensions]]\nnumber = "102"\npassword = "third one"\n'
    )
    assert cli.json("import", config, "--dry-run") == {
        "added": ["102"],
        "changed": ["100"],
        "removed": [],
        "tables": [],
        "rules": [],
    }
    assert "102" not in cli.extensions()
    assert cli.run("import", config)[0] == "added 102; changed 100\n"
    assert cli.run("import", config)[0] == "nothing to change\n"
    assert cli.extensions()["100"]["first_name"] == "Leigh"
    assert cli.extensions()["101"]["version"] == 1  # its PIN is the same, though it is hashed anew each time


def test_what_the_file_does_not_have_stays_unless_it_is_to_replace(cli: Cli, tmp_path: Path) -> None:
    few = tmp_path / "few.toml"
    few.write_text('[[extensions]]\nnumber = "105"\npassword = "third one"\n')
    assert cli.run("import", few)[0] == "added 105\n"
    assert list(cli.extensions()) == ["100", "101", "105"]
    _, errors = cli.run("import", few, "--replace", code=2)
    assert "groups[0].extensions" in errors  # the management would be nobody
    few.write_text(few.read_text() + "[[groups]]\nname = 'All'\nextensions = ['105']\n")
    assert cli.run("import", few, "--replace")[0] == "removed 100, 101; tables groups\n"


def test_an_extension_is_added_with_a_password_that_is_shown_once(cli: Cli) -> None:
    said = cli.json("ext", "add", "102", "--first-name", "Taylor", "--manager")
    assert said["added"] == ["102"]
    assert cli.ha1("102")["sha256"] == Credentials.of("102", "myphone", said["password"]).sha256
    assert cli.extensions()["102"] == {
        "number": "102",
        "first_name": "Taylor",
        "manager": True,
        "version": 1,
        "phones": 0,
    }


def test_a_password_comes_from_a_file_or_the_environment(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\nand no more\n")
    assert cli.run("ext", "add", "102", "--password-file", secret)[0] == "added 102\n"
    assert cli.ha1("102")["md5"] == Credentials.of("102", "myphone", "from the file").md5
    monkeypatch.setenv("MYPHONE_PASSWORD", "from outside")
    cli.run("ext", "add", "103")
    assert cli.ha1("103")["md5"] == Credentials.of("103", "myphone", "from outside").md5
    before = cli.ha1("103")
    cli.run("ext", "set", "103", "--last-name", "Cox")
    assert cli.ha1("103") == before  # nobody asked for another
    said = cli.json("ext", "set", "103", "--new-password")
    assert cli.ha1("103")["md5"] == Credentials.of("103", "myphone", said["password"]).md5


def test_an_extension_is_changed(cli: Cli, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("2580\n")
    cli.run(
        "ext",
        "set",
        "100",
        "--first-name",
        "Leigh",
        "--email",
        "leigh@example.org",
        "--no-answer-seconds",
        20,
        "--barge-in",
        "--language",
        "fr",
        "--pin-file",
        pin,
    )
    assert cli.extensions()["100"]["first_name"] == "Leigh"
    assert cli.extensions()["100"]["email"] == "leigh@example.org"
    assert cli.extensions()["100"]["no_answer_seconds"] == 20.0
    assert cli.extensions()["100"]["barge_in"]
    assert cli.extensions()["100"]["language"] == "fr"
    assert cli.run("ext", "set", "100", "--no-barge-in", "--if-version", 2)[0] == "changed 100\n"
    _, errors = cli.run("ext", "set", "100", "--manager", "--if-version", 2, code=1)
    assert "somebody else has changed extension 100 meanwhile, it is of version 3 now" in errors
    assert "manager" not in cli.extensions()["100"]
    cli.run("ext", "set", "100", "--language", "")
    assert "language" not in cli.extensions()["100"]


def test_an_extension_that_others_forward_to_is_not_removed(cli: Cli) -> None:
    _, errors = cli.run("ext", "remove", "100", code=2)
    assert "extensions[0].forward.busy: (extension 101) 100 is no extension" in errors
    assert cli.run("ext", "remove", "101")[0] == "removed 101; tables groups\n"
    assert cli.run("ext", "remove", "100")[0] == "removed 100; tables groups\n"
    assert cli.extensions() == {}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ext", "add", "100"), 2, "extensions[2].number"),
        (("ext", "add", "1x"), 2, "extensions[2].number"),
        (("ext", "add", "999"), 2, "voicemail number"),
        (("ext", "add", "102", "--sip-id", "ext100"), 2, "means extension 100 already"),
        (("ext", "add", "102", "--first-name", "A\nB"), 2, "no control characters"),
        (("ext", "set", "555", "--first-name", "A"), 2, "no extension 555"),
        (("ext", "remove", "555"), 2, "no extension 555"),
        (("ext", "add", "102", "--password-file", "/nowhere"), 2, "/nowhere"),
        (("import", "/nowhere"), 2, "cannot read /nowhere"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    cli: Cli, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = cli.extensions()
    assert said in cli.run(*arguments, code=code)[1]
    assert cli.extensions() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[extensions]\n", "is not TOML"),
        ("[tables]\nx = 1\n", "tables: unknown table"),
        ("extensions = 1\n", "extensions: should be a list of tables"),
        ("trunks = [1]\n", "trunks: should be a list of tables"),
        ("[sip]\nlisten = '127.0.0.1'\n", "none of the tables that can be imported"),
        ("[[extensions]]\nnumber = '102'\n", "password: (extension 102) is missing"),
        ("[[extensions]]\nnumber = '102'\npassword = 'x'\npasword = 'y'\n", "did you mean password?"),
        ("[[extensions]]\nnumber = '102'\nha1 = { realm = 'a', md5 = 'b', sha256 = 'c' }\n", "ha1.md5"),
        ("[[extensions]]\nnumber = 102\npassword = 'x'\n", "extensions[2].number"),
    ],
)
def test_files_that_are_none_are_refused(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "import.toml"
    file.write_text(text)
    _, errors = cli.run("import", file, code=2)
    assert said in errors
    assert list(cli.extensions()) == ["100", "101"]


def test_a_store_that_is_locked_or_not_ours_is_named(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.store.database.LOCK_SECONDS", 0.05)
    cli.run("ext", "list")
    other = sqlite3.connect(config.parent / "data" / "myphone.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert "the database does not answer" in cli.run("ext", "add", "102", code=1)[1]
        other.execute("ROLLBACK")
        other.execute("UPDATE alembic_version SET version_num = '0001'")
        for looks in (["ext", "list"], ["calls"], ["explain", "--from", "100", "--to", "101"]):
            assert "start `myphone serve`, which upgrades it" in cli.run(*looks, code=1)[1]
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        assert "of a newer version" in cli.run("ext", "list", code=1)[1]
    finally:
        other.close()


def test_a_table_that_was_empty_when_the_file_was_taken_over_is_the_stores_too(cli: Cli, config: Path) -> None:
    cli.run("ext", "list")
    config.write_text(FILE + '[[ring_groups]]\nnumber = "810"\n\n[office_hours]\nmonday = ["08:00-12:00"]\n')
    assert "ring_group" not in cli.run("explain", "--from", "100", "--to", "810", code=0)[0]
    assert cli.run("ext", "set", "100", "--first-name", "Leigh")[0] == "changed 100\n"
    assert cli.run("import", config)[0] == "changed 100; tables office_hours, ring_groups\n"
    assert "ring_group 810" in cli.run("explain", "--from", "100", "--to", "810")[0]
