"""`myphone queue` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.myphone_api.test_live_commands import FILE, Cli

QUEUES = """
[[queues]]
number = "804"
name = "Hunt Queues"
agents = ["100", { extension = "101", level = 2 }]
greeting = "welcome.wav"
music = "waltz"
caller_prefix = "Sales:"

[[queues]]
number = "805"
strategy = "ring_all"
agents = ["101"]

[[ring_groups]]
number = "810"
members = ["100"]

[[receptionists]]
number = "800"
keys = { 1 = "804", 3 = "name" }
"""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    (tmp_path / "welcome.wav").touch()
    (tmp_path / "waltz").mkdir()
    path = tmp_path / "myphone.toml"
    path.write_text(FILE + QUEUES)
    return Cli(path, capsys)


@pytest.mark.row("ADM-11", "QUE-02")
def test_queues_are_listed_and_agents_logged_in_and_out(cli: Cli) -> None:
    assert cli.run("queue", "list")[0].splitlines() == [
        "804              hunt          Hunt Queues: nobody is logged in",
        "805              ring_all      : nobody is logged in",
    ]
    assert cli.run("queue", "login", "101")[0] == "101 is logged in to 804, 805\n"
    assert cli.run("queue", "logout", "101", "805")[0] == "101 is logged out of 805\n"
    assert cli.json("queue", "login", "100", "804") == {
        "extension": "100",
        "queues": ["804"],
        "logged_in": True,
    }
    first, second = cli.json("queue", "list")
    assert first["agents"] == [
        {"extension": "100", "level": 1, "logged_in": True},
        {"extension": "101", "level": 2, "logged_in": True},
    ]
    assert second["agents"] == [{"extension": "101", "level": 1, "logged_in": False}]


def test_one_queue_is_shown(cli: Cli) -> None:
    shown = cli.json("queue", "show", "804")
    assert (shown["name"], shown["strategy"]) == ("Hunt Queues", "hunt")
    assert shown["greeting"].endswith("welcome.wav")
    lines = cli.run("queue", "show", "804")[0].splitlines()
    assert "number: 804" in lines
    assert "  101              level 2  logged out" in lines


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("show", "806"), "there is no queue 806; there are: 804, 805"),
        (("login", "100", "806"), "there is no queue 806; there are: 804, 805"),
        (("login", "100", "805"), "100 is not an agent of queue 805; see `myphone queue show`"),
        (("logout", "102"), "there is no extension 102; see `myphone ext list`"),
    ],
)
def test_what_cannot_be_is_told(cli: Cli, arguments: tuple[str, ...], problem: str) -> None:
    assert cli.run("queue", *arguments, code=2)[1] == f"myphone: {problem}\n"


def test_a_queue_a_group_and_a_receptionist_are_exported_and_come_back(cli: Cli, tmp_path: Path) -> None:
    before = cli.json("export")
    file = tmp_path / "exported.toml"
    cli.run("export", "--output", file)
    cli.config.write_text(FILE)
    assert cli.run("import", file)[0] == "nothing to change\n"
    assert cli.json("export") == before
    assert before["receptionists"] == [{"number": "800", "keys": {"1": "number:804", "3": "name"}}]


def test_what_a_queue_says_and_shows_is_exported_and_imported(cli: Cli, tmp_path: Path) -> None:
    queue = cli.json("queue", "show", "804")
    assert (queue["music"], queue["caller_prefix"]) == (str(tmp_path / "waltz"), "Sales:")
    target = tmp_path / "export.toml"
    cli.run("export", "--output", target)
    assert cli.run("import", target)[0] == "nothing to change\n"
    target.write_text(target.read_text().replace("waltz", "polka"))
    assert "queues[0].music" in cli.run("import", target, code=2)[1]
    (tmp_path / "polka").mkdir()
    cli.run("import", target)
    assert cli.json("queue", "show", "804")["music"] == str(tmp_path / "polka")
