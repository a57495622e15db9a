"""`myphone explain` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from myphone_api.cli import main

CONFIG = """
[sip]
listen = "127.0.0.1"

[office_hours]
time_zone = "Europe/Paris"
monday = ["09:00-12:00"]

[dialing]
country = "FR"

[[trunks]]
name = "lines"
addresses = ["127.0.0.9"]

[[outbound_rules]]
prefix = "9"
lengths = [2, 3]
trunks = ["lines"]

[[outbound_rules]]
name = "directors"
prefix = "0"
strip = 1
extensions = ["101"]
trunks = ["lines"]

[[outbound_rules]]
name = "all others"
prefix = "0"
strip = 1
trunks = ["lines"]

[[inbound_rules]]
name = "of the week"
caller = "+33699999999"
target = "100"

[[inbound_rules]]
did = "+33140000001"
target = "101"
otherwise = "voicemail:101"

[[extensions]]
number = "100"
password = "correct horse battery"

[[extensions]]
number = "101"
password = "correct horse battery"
forward = { no_answer = "100", busy = "busy" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "myphone.toml"
    path.write_text(CONFIG)
    return path


def asked(file: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["explain", "--config", str(file), *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.row("FWD-68")
def test_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = asked(file, "--from", "100", "--to", "101", "--at", "2026-11-30T10:00", capsys=capsys)
    assert out.splitlines()[:4] == [
        "100 (internal) to number:101",
        "at Mon 2026-11-30 10:00 CET, the office is open",
        "- ring 101",
        "=> ring 101 for 60 seconds",
    ]
    assert "101, after no answer: rule 2 (no answer -> number:100): applies" in out


@pytest.mark.row("FWD-68")
def test_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = asked(file, "--from", "06 12 34 56 78".replace(" ", ""), "--did", "0140000001", "--json",
                "--at", "2026-11-30T11:59+01:00", "--away", "101", capsys=capsys)  # fmt: skip
    told = json.loads(out)
    assert (told["from"], told["to"], told["office_open"]) == ("+33612345678", "number:101", True)
    assert told["decision"] == {"action": "refuse", "status": 486, "reason": "Busy Here"}
    assert told["reasons"][0] == "101 is away, which counts as busy"
    assert told["considered"] == [
        {
            "extension": None,
            "stage": "on the way in",
            "rule": "inbound rule 1 (of the week, from +33699999999 -> number:100)",
            "applies": False,
            "why_not": "somebody else calls",
        },
        {
            "extension": None,
            "stage": "on the way in",
            "rule": "inbound rule 2 (DID +33140000001 -> number:101, outside office hours voicemail:101)",
            "applies": True,
            "why_not": None,
        },
        {
            "extension": "101",
            "stage": "when busy",
            "rule": "rule 1 (busy -> busy)",
            "applies": True,
            "why_not": None,
        }
    ]


@pytest.mark.row("FWD-68")
def test_a_trunk_of_another_country_has_the_numbers_of_that(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        CONFIG
        + """
[[trunks]]
name = "brussels"
addresses = ["127.0.0.8"]
country = "BE"

[[inbound_rules]]
did = "+3225551234"
caller = "+32470123456"
target = "100"
"""
    )
    arguments = ("--from", "0470123456", "--did", "025551234", "--trunk", "brussels", "--json")
    told = json.loads(asked(file, *arguments, capsys=capsys))
    assert (told["from"], told["to"]) == ("+32470123456", "number:100")
    assert [each["applies"] for each in told["considered"]] == [False, False, True]


@pytest.mark.parametrize(
    ("state", "reason"), [("busy", "101 has a call already"), ("unregistered", "101 is not registered")]
)
def test_states_may_be_supposed(
    file: Path, state: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"- {reason}" in asked(file, "--from", "100", "--to", "101", f"--{state}", "101", capsys=capsys)


def test_a_did_outside_office_hours(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = asked(
        file, "--from", "+33612345678", "--did", "0140000001", "--at", "2026-12-01T10:00", capsys=capsys
    )
    assert out.startswith(
        "+33612345678 (external) to voicemail:101, DID +33140000001\nat Tue 2026-12-01 10:00 CET"
    )


@pytest.mark.row("FWD-68", "ADM-09")
@pytest.mark.parametrize(
    ("caller", "number", "rules", "end"),
    [
        (
            "100",
            "00612345678",
            ["1 (prefix 9 -> lines): no, it is about other numbers",
             "2 (directors -> lines): no, Not Allowed For This Extension", "3 (all others -> lines): applies"],
            "=> call +33612345678 outside by lines",
        ),
        (
            "101",
            "00612345678",
            ["1 (prefix 9 -> lines): no, it is about other numbers", "2 (directors -> lines): applies"],
            "=> call +33612345678 outside by lines",
        ),
        (
            "101",
            "0004420123456",
            ["1 (prefix 9 -> lines): no, it is about other numbers",
             "2 (directors -> lines): no, Calls To This Country Are Not Allowed",
             "3 (all others -> lines): no, Calls To This Country Are Not Allowed"],
            "=> end with 403 Calls To This Country Are Not Allowed",
        ),
        ("101", "112", [], "=> call 112 outside by lines"),
    ],
)  # fmt: skip
def test_a_call_outside(
    file: Path, caller: str, number: str, rules: list[str], end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = asked(file, "--from", caller, "--to", number, capsys=capsys).splitlines()
    assert [line.strip() for line in lines if "outbound rule " in line and "on the way out" in line] == [
        f"on the way out: outbound rule {rule}" for rule in rules
    ]
    assert end in lines


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--from", "100"], 2, "say what is called: --to, --did, or both"),
        (["--from", "100", "--to", "101", "--busy", "111"], 2, "there is no extension 111; see `myphone ext list`"),
        (["--from", "", "--did", "0140000001", "--trunk", "line"], 2, "no trunk 'line', there are lines"),
        (["--from", "100", "--did", "0149999999"], 1, "no inbound rule is about 0149999999"),
        (["--from", "", "--did", "0149999999"], 1, "from +33699999999 -> number:100): no, the"),
    ],
)
def test_what_cannot_be_asked(
    file: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--config", str(file), *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_time_that_is_none(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "--config", str(file), "--from", "100", "--to", "101", "--at", "soon"])
    assert "'soon' is no time" in capsys.readouterr().err


RECEPTION = """
[[queues]]
number = "804"
agents = ["100"]
overflow = "system:810"

[[ring_groups]]
number = "810"
members = ["101"]
otherwise = "system:800"

[[receptionists]]
number = "800"
keys = { 1 = "system:804", 2 = "100", 3 = "name" }
time_out = "busy"

[receptionists.closed]
time_out = "voicemail:101"
"""


@pytest.mark.row("FWD-68", "FWD-57", "FWD-58")
@pytest.mark.parametrize(
    ("at", "end"), [("2026-11-30T10:00", "=> end with 486 Busy Here"), ("2026-11-30T13:00", "(mailbox 101)")]
)
def test_what_follows_a_queue_a_group_and_a_receptionist(
    file: Path, at: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with file.open("a") as config:
        config.write(RECEPTION)
    out = asked(file, "--from", "100", "--to", "804", "--at", at, capsys=capsys)
    lines = [line.strip() for line in out.splitlines()]
    steps = ("if no agent takes the call:", "if nobody takes the call:", "if nothing is chosen:")
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)
    assert end in "\n".join(lines[places[-1] :])
    assert ("key 1:" in lines) == ("key 2:" in lines) == ("486" in end)
    assert "key 3:" not in lines
    if "key 1:" in lines:  # which leads back, and that is told once
        assert lines[lines.index("key 1:") + 2].startswith("=> queues.enter")
        assert lines[lines.index("key 1:") + 3] == "key 2:"
