"""`myphone ext rules` as it is typed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from myphone_api import supposed
from myphone_api.cli import main
from pbx.config import Config
from pbx.plugin import Feature
from pbx.switch import Switch
from tests.unit.myphone_api.test_live_commands import FILE, Cli
from tests.unit.myphone_api.test_queue_commands import QUEUES


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    (tmp_path / "welcome.wav").touch()
    (tmp_path / "waltz").mkdir()
    path = tmp_path / "myphone.toml"
    path.write_text(FILE + QUEUES)
    return Cli(path, capsys)


def listed(cli: Cli, *language: str) -> list[str]:
    return [" ".join(line.split()) for line in cli.run("ext", "rules", "list", "100", *language)[0].splitlines()]


@pytest.mark.row("FWD-30", "FWD-59", "FWD-61")
def test_rules_are_listed_added_changed_moved_and_deleted(cli: Cli) -> None:
    assert listed(cli) == [
        "ID Rule Type Hours Call Type Caller ID/DID Action",
        "1 No Answer All Hours All Calls Forward to Voice mail 100 Lee Parker",
        "2 Phone Busy All Hours All Calls Forward to Voice mail 100 Lee Parker",
        "3 Phone Not Registered All Hours All Calls Forward to Voice mail 100 Lee Parker",
    ]
    _, error = cli.run("ext", "rules", "delete", "100", 1, code=2)
    assert "the simple form is in force" in error
    assert cli.json("ext", "rules", "form", "100", "advanced")["interface"] == "advanced"
    added = cli.json(
        "ext", "rules", "add", "100", "--type", "caller_id", "--callers", "06 12 34 56 78", "--action", "system:804",
        "--hours", "specific", "--week", "monday=08:30-12:00,13:30-18:00", "friday=09:00-12:00", "--place", 1,
    )  # fmt: skip
    assert [rule["id"] for rule in added["rules"]] == [4, 1, 2, 3]
    assert listed(cli)[1] == (
        "4 Based on Caller ID Specific Hours: Mon 08:30-12:00, 13:30-18:00; Fri 09:00-12:00 "
        "All Calls 06 12 34 56 78 Forward to Queue 804"
    )
    cli.run("ext", "rules", "update", "100", 4, "--hours", "office", "--calls", "external")
    cli.run("ext", "rules", "down", "100", 4)
    cli.run("ext", "rules", "up", "100", 3)
    cli.run("ext", "rules", "delete", "100", 1)
    assert listed(cli, "--language", "fr") == [
        "ID Type de règle Heures Type d'appel Appelant / numéro appelé Action",
        "4 Selon l'appelant Heures de bureau Appels externes 06 12 34 56 78 Vers la file d'attente 804",
        "3 Téléphone non enregistré Toutes les heures Tous les appels Vers la messagerie vocale 100 Lee Parker",
        "2 Téléphone occupé Toutes les heures Tous les appels Vers la messagerie vocale 100 Lee Parker",
    ]
    [user] = cli.json("export")["user_rules"]
    assert [rule["id"] for rule in user["advanced"]["rules"]] == [4, 3, 2]


@pytest.mark.row("FWD-31", "FWD-32", "FWD-34")
def test_the_way_back_to_the_simple_form_wants_to_be_confirmed(cli: Cli) -> None:
    cli.run("ext", "rules", "form", "100", "advanced")
    _, error = cli.run("ext", "rules", "form", "100", "simple", code=2)
    assert "3 rules would be deleted" in error
    assert cli.json("ext", "rules", "form", "100", "simple", "--confirm")["interface"] == "simple"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("list", "199"), "there is no extension 199; see `myphone ext list`"),
        (("up", "101", 9), "there is no rule 9"),
        (("update", "101", 9, "--calls", "all"), "there is no rule 9"),
        (("add", "101", "--type", "busy", "--action", "extension:199"), "leads to 199, which is no extension"),
        (("add", "101", "--type", "busy", "--action", "extension:101"), "is the extension itself"),
        (("add", "101", "--type", "busy", "--action", "somewhere"), "action"),
        (("add", "101", "--type", "caller_id", "--action", "end"), "needs callers or dids"),
        (("add", "101", "--type", "busy", "--action", "end", "--week", "funday=1"), "week"),
        (("add", "101", "--type", "busy", "--action", "number:*62"), "is the dial code"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(cli: Cli, typed: tuple[object, ...], told: str) -> None:
    cli.run("ext", "rules", "form", "101", "advanced")
    before = cli.json("ext", "rules", "list", "101")
    assert cli.run("ext", "rules", *typed, code=2)[1].count(told)
    assert cli.json("ext", "rules", "list", "101") == before


def to_102(cli: Cli, code: int = 0) -> tuple[str, str]:
    return cli.run("ext", "rules", "add", "100", "--type", "busy", "--action", "extension:102", code=code)


def while_made(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[str]:
    """Do something each time before a system is made that a command asks; the list grows by an entry for each."""
    made: list[str] = []

    async def made_a_little_later(config: Config, features: tuple[Feature, ...]) -> Switch:
        made.append(str(len(config.extensions)))
        act()
        return await make(config, features)

    make = supposed.supposed
    monkeypatch.setattr(supposed, "supposed", made_a_little_later)
    return made


def test_others_may_write_while_a_command_finds_out_where_calls_would_go(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.run("ext", "rules", "form", "100", "advanced")
    [database] = cli.config.parent.glob("data/*.db")

    def write_something() -> None:
        other = sqlite3.connect(database, isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")  # raises while somebody else writes
            other.execute("ROLLBACK")
        finally:
            other.close()

    made = while_made(monkeypatch, write_something)
    to_101 = ("--type", "busy", "--action", "extension:101")
    cli.run("ext", "rules", "add", "100", *to_101)
    cli.run("ext", "set", "100", "--simple-forward-all", "101", "--replace-rules")
    assert len(made) == 2


def test_a_rule_is_judged_by_the_extensions_that_there_are_when_it_is_kept(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.run("ext", "rules", "form", "100", "advanced")
    cli.run("ext", "add", "102")
    before = listed(cli)

    def change_it() -> None:
        if (command := next(commands, None)) is not None:
            assert main([*command, "--config", str(cli.config)]) == 0

    commands = iter([("ext", "remove", "102")])
    made = while_made(monkeypatch, change_it)
    assert "leads to 102, which is no extension" in to_102(cli, code=2)[1]
    assert listed(cli) == before
    assert made == ["3", "2"]  # the first was made of what there had been
