"""`myphone ext remove`: what leads to an extension goes elsewhere, or stands in the way; and the same of a queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.unit.myphone_api.test_live_commands import FILE, Cli

MORE = """
[[extensions]]
number = "102"
password = "third one"
sip_id = "taylor"

[[outbound_rules]]
prefix = "0"
extensions = ["100", "102"]
trunks = ["provider"]

[[queues]]
number = "804"
agents = ["100", { extension = "102", level = 2 }]

[[ring_groups]]
number = "810"
members = ["102"]

[[receptionists]]
number = "800"
keys = { 1 = "system:804", 2 = "name" }
"""
SIMPLE = {"busy": "extension:102", "forward_all": {"to": "number:102", "offer": True}}
ACTIONS = ("extension:102", "voicemail:102", "number:TAYLOR", "reach-me:102", "extension:100", "system:810", "end")
ADVANCED = [{"type": "busy", "action": action} for action in ACTIONS]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    path = tmp_path / "myphone.toml"
    path.write_text(FILE + MORE)
    made = Cli(path, capsys)
    users = [{"extension": "100", "simple": SIMPLE}, {"extension": "101", "advanced": {"rules": ADVANCED}}]
    bring_in(made, {"user_rules": users})
    return made


def bring_in(cli: Cli, tables: dict[str, Any]) -> str:
    file = cli.config.parent / "some.toml"
    file.write_text(tomli_w.dumps(tables))
    return cli.run("import", file)[0]


def rules_of(cli: Cli) -> tuple[dict[str, Any], list[str]]:
    """The simple form of 100, and the actions of 101."""
    found = {entry["extension"]: entry for entry in cli.json("export")["user_rules"]}
    return found["100"]["simple"], [rule["action"] for rule in found["101"]["advanced"]["rules"]]


@pytest.mark.row("ADM-01")
def test_rules_of_users_lead_to_their_own_voicemail_then_and_that_is_told(cli: Cli) -> None:
    before, version = cli.json("export"), cli.extensions()["100"]["version"]
    said, _ = cli.run("ext", "remove", "102", "--dry-run")
    assert said.splitlines() == [
        "changed 100, 101; removed 102; tables outbound_rules, queues, ring_groups",
        "a rule of 100 leads to its voicemail now, busy: it led to extension:102",
        "a rule of 100 leads to its voicemail now, forward_all: it led to number:102",
        "a rule of 101 leads to its voicemail now, rule 1: it led to extension:102",
        "a rule of 101 leads to its voicemail now, rule 2: it led to voicemail:102",
        "a rule of 101 leads to its voicemail now, rule 3: it led to number:TAYLOR",
        "a rule of 101 leads to its voicemail now, rule 4: it led to reach-me:102",
    ]
    assert cli.json("export") == before
    assert cli.run("ext", "remove", "102")[0] == said
    form, actions = rules_of(cli)
    assert (form["busy"], form["no_answer"]) == ("voicemail", "voicemail")
    assert (form["forward_all"]["to"], form["forward_all"]["offer"]) == ("voicemail", False)
    assert actions == ["voicemail:101"] * 4 + ["extension:100", "system:810", "end"]
    assert cli.extensions()["100"]["version"] == version + 1


@pytest.mark.row("ADM-03", "ADM-11", "ADM-12")
def test_it_is_a_member_of_nothing_any_more(cli: Cli) -> None:
    cli.run("ext", "remove", "102")
    data = cli.json("export")
    assert data["queues"] == [{"number": "804", "agents": [{"extension": "100"}]}]
    assert data["ring_groups"] == [{"number": "810"}]
    assert data["outbound_rules"][0]["extensions"] == ["100"]


def test_what_the_administrator_has_to_decide_stands_in_the_way(cli: Cli) -> None:
    """Each with its key; and a rule about nobody else would let everybody call outside."""
    tables = {
        "inbound_rules": [{"target": "102"}],
        "receptionists": [{"number": "800", "keys": {"1": "extension:102"}, "time_out": "voicemail:102"}],
        "queues": [{"number": "804", "agents": ["102"], "overflow": "102"}],
        "ring_groups": [{"number": "810", "otherwise": "taylor"}],
        "outbound_rules": [{"prefix": "0", "extensions": ["102"], "trunks": ["provider"]}],
    }
    bring_in(cli, tables)
    before = cli.json("export")
    _, errors = cli.run("ext", "remove", "102", code=2)
    assert "outbound_rules[0].extensions: 102 is no extension" in errors
    tables["outbound_rules"] = []
    bring_in(cli, tables)
    _, errors = cli.run("ext", "remove", "102", code=2)
    nothing = "is no extension, number of the system, dial code or number outside, choose another"
    assert [line.removeprefix("myphone: ") for line in errors.splitlines()] == [
        f"inbound_rules[0].target: 102 {nothing}",
        f"queues[0].overflow: 102 {nothing}",
        f"ring_groups[0].otherwise: taylor {nothing}",
        "receptionists[0].keys.1: 102 is no extension, add it or choose another",
        "receptionists[0].time_out: 102 is no extension, add it or choose another",
    ]
    del before["outbound_rules"]
    assert cli.json("export") == before


def test_rules_that_lead_to_a_ring_group_that_is_removed_lead_elsewhere_too(cli: Cli) -> None:
    said = bring_in(cli, {"ring_groups": [{"number": "811"}]})
    assert said.splitlines() == [
        "changed 101; tables ring_groups",
        "a rule of 101 leads to its voicemail now, rule 6: it led to system:810",
    ]
    assert rules_of(cli)[1][5] == "voicemail:101"


def test_a_number_that_is_given_to_somebody_else_at_once_is_not_gone(cli: Cli) -> None:
    rule = {"extension": "101", "advanced": {"rules": [{"type": "busy", "action": "number:810"}]}}
    bring_in(cli, {"user_rules": [rule]})
    assert bring_in(cli, {"ring_groups": [], "queues": [{"number": "810"}], "receptionists": []}).count("\n") == 1
    assert rules_of(cli)[1] == ["number:810"]
