"""`myphone ext rules` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

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
