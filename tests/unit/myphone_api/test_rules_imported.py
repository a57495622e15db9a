"""`myphone import` of `[[user_rules]]`: each rule that leads nowhere is named, and then nothing is taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.unit.myphone_api.test_live_commands import FILE, Cli


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    path = tmp_path / "myphone.toml"
    path.write_text(FILE)
    return Cli(path, capsys)


def imported(cli: Cli, tables: dict[str, Any], *options: str, code: int = 0) -> list[str]:
    """Import a file with these tables; the lines that are printed, without the name of the file."""
    file = cli.config.parent / "rules.toml"
    file.write_text(tomli_w.dumps(tables))
    out, errors = cli.run("import", file, *options, code=code)
    return [line.replace(f"myphone: {file}: ", "") for line in (out or errors).splitlines()]


def rule(action: str) -> dict[str, str]:
    return {"type": "busy", "action": action}


def advanced(number: str, *actions: str) -> dict[str, Any]:
    return {"extension": number, "advanced": {"rules": [rule(action) for action in actions]}}


def test_each_fault_has_its_line_and_nothing_is_written(cli: Cli) -> None:
    before = cli.json("export")
    tables = {
        "extensions": [{"number": "105", "password": "third one"}],
        "user_rules": [
            advanced("100", "extension:101", "extension:199", "voicemail:198", "extension:100"),
            {"extension": "101", "simple": {"busy": "extension:197", "forward_all": {"to": "number:0612"}}},
            {"extension": "196", "black_list": {"numbers": ["1"]}},
            advanced("105", "system:804", "number:*62", "end"),
        ],
    }
    assert imported(cli, tables, code=2) == [
        "user_rules[0].advanced.rules[1].action: (extension 100) leads to 199, which is no extension",
        "user_rules[0].advanced.rules[2].action: (extension 100) leads to 198, which is no extension",
        "user_rules[0].advanced.rules[3].action: (extension 100) is the extension itself",
        "user_rules[1].simple.busy: (extension 101) leads to 197, which is no extension",
        "user_rules[1].simple.forward_all.to: (extension 101) leads nowhere: Not Found",
        "user_rules[2].extension: 196 is no extension, add it or leave this out",
        "user_rules[3].advanced.rules[0].action: (extension 105) leads to 804, which is no queue, ring group or "
        "receptionist",
        "user_rules[3].advanced.rules[1].action: (extension 105) is the dial code *62",
    ]
    assert cli.json("export") == before


def test_rules_may_lead_to_what_comes_with_the_same_file(cli: Cli) -> None:
    tables = {
        "extensions": [{"number": "105", "password": "third one"}],
        "ring_groups": [{"number": "810", "members": ["105"]}],
        "user_rules": [advanced("100", "extension:105", "system:810"), advanced("105", "voicemail:100")],
    }
    assert imported(cli, tables, "--dry-run") == ["added 105; changed 100; tables ring_groups"]
    assert imported(cli, tables) == ["added 105; changed 100; tables ring_groups"]
    assert imported(cli, tables) == ["nothing to change"]


def test_rules_may_not_lead_to_what_the_same_file_removes(cli: Cli) -> None:
    tables = {
        "extensions": [{"number": "100", "password": "correct horse"}],
        "groups": [],
        "user_rules": [advanced("100", "extension:101")],
    }
    [said] = imported(cli, tables, "--replace", code=2)
    assert "user_rules[0].advanced.rules[0].action: (extension 100) leads to 101, which is no extension" in said
    assert list(cli.extensions()) == ["100", "101"]
