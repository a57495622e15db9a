"""A store of an older version may have targets that lead nowhere: that is said, stops no start, and can be mended."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest
import tomli_w

from pbx.store import live
from pbx.store.store import Store
from tests.unit.myphone_api.test_live_commands import FILE, Cli

DEAD_END = "ring_groups[0].otherwise: 199 is no extension, number of the system, dial code or number outside"


def test_a_dead_end_that_is_kept_is_told_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "myphone.toml"
    path.write_text(FILE)
    cli = Cli(path, capsys)
    cli.run("ext", "list")
    store = Store.open(tmp_path / "data" / "myphone.db")
    try:
        store.begin(partial(live.put_table, "ring_groups", [{"number": "810", "otherwise": "number:199"}]))
    finally:
        store.abandon()
    with caplog.at_level(logging.WARNING):
        cli.run("explain", "--from", "100", "--to", "101")  # which opens the store as a start does
    assert f"store: {DEAD_END}" in caplog.text
    assert cli.run("ext", "set", "100", "--first-name", "Leigh")[0] == "changed 100\n"
    old, other = ({"number": number, "otherwise": "number:199"} for number in ("810", "811"))
    brought = tmp_path / "brought.toml"
    brought.write_text(tomli_w.dumps({"ring_groups": [other, old]}))
    assert DEAD_END in cli.run("import", brought, code=2)[1]
    brought.write_text(tomli_w.dumps({"ring_groups": [{**other, "otherwise": "101"}, old]}))  # it may stand elsewhere
    assert cli.run("import", brought)[0] == "tables ring_groups\n"
    brought.write_text(tomli_w.dumps({"ring_groups": [{"number": "810", "otherwise": "101"}]}))
    assert cli.run("import", brought)[0] == "tables ring_groups\n"
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        cli.run("explain", "--from", "100", "--to", "101")
    assert DEAD_END not in caplog.text


@pytest.mark.parametrize("number", ["915", "9112"])
def test_a_system_with_an_extension_that_calls_for_help_behind_a_prefix_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, number: str
) -> None:
    """Older versions let that in: it is told at each start, and whoever brings it anew is refused."""
    path, brought = tmp_path / "myphone.toml", tmp_path / "brought.toml"
    path.write_text(FILE + f'[[extensions]]\nnumber = "{number}"\npassword = "a long password"\n')
    cli = Cli(path, capsys)
    cli.run("ext", "list")
    rule = {"prefix": "9", "strip": 1, "trunks": ["provider"]}
    brought.write_text(tomli_w.dumps({"outbound_rules": [rule]}))
    told = f"{number} is the emergency number {number[1:]} behind the prefix of an outbound rule, choose another"
    assert told in cli.run("import", brought, code=2)[1]
    store = Store.open(tmp_path / "data" / "myphone.db")
    try:
        store.begin(partial(live.put_table, "outbound_rules", [rule]))
    finally:
        store.abandon()
    with caplog.at_level(logging.WARNING):
        cli.run("explain", "--from", "100", "--to", "101")  # which opens the store as a start does
    assert told in caplog.text
    assert cli.run("ext", "set", "100", "--first-name", "Leigh")[0] == "changed 100\n"
    brought.write_text(tomli_w.dumps({"outbound_rules": [{**rule, "name": "lines"}]}))
    assert cli.run("import", brought)[0] == "tables outbound_rules\n"
    path.write_text(path.read_text() + tomli_w.dumps({"outbound_rules": [rule]}))
    assert told in cli.run("config", "check", code=2)[1]


def test_a_file_that_is_in_force_no_more_may_have_them_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older version took such a file over; `config check` says it, and a first start refuses."""
    path = tmp_path / "myphone.toml"
    group = '[[ring_groups]]\nnumber = "810"\notherwise = "{}"\n'
    path.write_text(FILE + group.format("101"))
    cli = Cli(path, capsys)
    cli.run("ext", "list")
    path.write_text(FILE + group.format("199"))
    cli.run("ext", "set", "100", "--first-name", "Leigh")
    cli.run("explain", "--from", "100", "--to", "101")
    assert DEAD_END in cli.run("config", "check", code=2)[1]
    (tmp_path / "data" / "myphone.db").unlink()
    for command in (("ext", "list"), ("explain", "--from", "100", "--to", "101"), ("serve",)):
        errors = cli.run(*command, code=2)[1]
        assert DEAD_END in errors
        assert "store:" not in errors
