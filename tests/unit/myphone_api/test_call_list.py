"""`myphone calls` as it is typed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from myphone_api.cli import main
from pbx.history.chronicle import SYSTEM_STOPPED
from pbx.store import calls
from pbx.store.store import Store
from tests.unit.pbx.store.test_calls import keep, quality, record

CONFIG = """
[sip]
listen = "127.0.0.1"

[office_hours]
time_zone = "Europe/Paris"

[[extensions]]
number = "100"
password = "correct horse battery"

[[extensions]]
number = "101"
password = "correct horse battery"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration whose store has calls."""
    path = tmp_path / "myphone.toml"
    path.write_text(CONFIG)
    (tmp_path / "data").mkdir()
    store = Store.open(tmp_path / "data" / "myphone.db")
    hostile = replace(record("c", 2, answered=False), caller_name="Lee\x1b[2J\nParker", reason="No Answer")
    keep(store._database, record("a", 0), record("b", 1, "101", "100"), hostile)
    store.begin(partial(calls.add, (), [quality("a")]))
    store.abandon()
    return path


def printed(file: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["calls", "--config", str(file), *arguments]) == 0
    return capsys.readouterr().out


def test_all_calls_newest_first_by_the_clock_of_the_office(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(file, capsys=capsys).splitlines() == [
        "2026-01-02 04:06:05 100 Lee\ufffd[2J\ufffdParker > 101 (No Answer)",
        "2026-01-02 04:05:05 101 Lee Parker > 100 (100, 4 s)",
        "2026-01-02 04:04:05 100 Lee Parker > 101 (101, 4 s)",
    ]


def test_a_call_that_was_cut_short_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(file.parent / "data" / "myphone.db")
    keep(store._database, replace(record("d", 3), reason=SYSTEM_STOPPED))
    store.abandon()
    [line] = printed(file, "--limit", "1", capsys=capsys).splitlines()
    assert line.endswith("(101, 4 s, System Stopped)")


def test_the_lists_of_an_extension(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(file, "--extension", "101", capsys=capsys).splitlines()
    assert [line.split()[2] for line in lines] == ["missed", "outbound", "received"]
    assert len(printed(file, "--extension", "101", "--list", "missed", capsys=capsys).splitlines()) == 1
    assert printed(file, "--extension", "105", capsys=capsys) == ""


def test_older_ones_page_by_page(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(file, "--limit", "2", capsys=capsys).splitlines()) == 2
    [line] = printed(file, "--before", "2026-01-02T04:05:05", capsys=capsys).splitlines()
    assert line.startswith("2026-01-02 04:04:05")


def test_the_next_page_is_behind_the_last_call_of_the_one_before(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(file.parent / "data" / "myphone.db")
    keep(store._database, record("b2", 1), record("b3", 1))
    store.abandon()
    pages: list[str] = []
    behind: list[str] = []
    while page := json.loads(printed(file, "--json", "--limit", "2", *behind, capsys=capsys)):
        pages += [call["call"] for call in page]
        behind = ["--behind", pages[-1]]
    assert pages == ["c", "b", "b2", "b3", "a"]
    assert main(["calls", "--config", str(file), "--behind", "gone"]) == 2
    assert "there is no call gone, or no more" in capsys.readouterr().err


def test_json_has_everybody_in_a_call(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest, _, oldest = json.loads(printed(file, "--json", capsys=capsys))
    assert newest["call"] == "c"
    assert newest["caller_name"] == "Lee\x1b[2J\nParker"
    assert [(party["number"], party["role"]) for party in newest["parties"]] == [
        ("100", "caller"),
        ("101", "callee"),
    ]
    assert newest["quality"] == []
    [leg] = oldest["quality"]
    assert (leg["extension"], leg["loss"], leg["mos"]) == ("101", 0.25, 4.25)
    assert oldest["reasons"] == ["101 is not busy", "ring 101"]
    assert newest["started_at"] == "2026-01-02T03:06:05.678901+00:00"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--list", "missed"],
        ["--list", "none"],
        ["--before", "tomorrow"],
        ["--limit", "few"],
        ["--limit", "0"],
    ],
)
def test_what_is_not_understood(file: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        raise SystemExit(main(["calls", "--config", str(file), *arguments]))
    assert exit.value.code == 2
    assert capsys.readouterr().err
