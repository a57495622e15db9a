"""Telling facts."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest

from pbx.happenings import (
    CallAnswered,
    CallEnded,
    CallRang,
    CallStarted,
    ExtensionRegistered,
    ExtensionUnregistered,
    Happening,
    Happenings,
    Unregistration,
)

AT = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
RANG = CallRang(at=AT, call="c1", extension="100")
ENDED = CallEnded(at=AT, call="c1", reason="OK", status=200, seconds=12.5, talk_seconds=8.5)


@pytest.fixture
def happenings() -> Happenings:
    return Happenings()


def test_a_fact_reaches_those_who_wait_for_its_kind_and_those_who_hear_all(happenings: Happenings) -> None:
    heard: list[tuple[str, Happening]] = []
    happenings.subscribe(None, lambda fact: heard.append(("all", fact)))
    happenings.subscribe(CallRang, lambda fact: heard.append(("rang", fact)))
    happenings.subscribe(CallRang, lambda fact: heard.append(("rang too", fact)))
    happenings.tell(RANG)
    happenings.tell(ENDED)
    assert heard == [("rang", RANG), ("rang too", RANG), ("all", RANG), ("all", ENDED)]


def test_a_fact_is_wanted_while_somebody_would_hear_of_it(happenings: Happenings) -> None:
    assert not happenings.wanted(CallRang)
    end = happenings.subscribe(CallRang, lambda fact: None)
    assert (happenings.wanted(CallRang), happenings.wanted(CallEnded)) == (True, False)
    end()
    assert not happenings.wanted(CallRang)
    happenings.subscribe(None, lambda fact: None)
    assert happenings.wanted(CallRang)


def test_what_is_awaited_is_told_when_it_changes(happenings: Happenings) -> None:
    changes: list[set[type[Happening] | None]] = []
    happenings.on_awaited = lambda: changes.append(set(happenings.awaited))
    first = happenings.subscribe(CallRang, lambda fact: None)
    second = happenings.subscribe(CallRang, lambda fact: None)
    for end in (first, second, second):
        end()
    happenings.subscribe(None, lambda fact: None)
    assert changes == [{CallRang}, set(), {None}]


def test_a_subscription_ends_once_and_alone(happenings: Happenings) -> None:
    heard: list[Happening] = []
    first = happenings.subscribe(CallRang, heard.append)
    happenings.subscribe(CallRang, heard.append)
    first()
    first()
    happenings.tell(RANG)
    assert heard == [RANG]


def test_a_handler_may_end_its_own_subscription(happenings: Happenings) -> None:
    heard: list[Happening] = []

    def once(fact: CallRang) -> None:
        heard.append(fact)
        end()

    end = happenings.subscribe(CallRang, once)
    happenings.subscribe(CallRang, heard.append)
    happenings.tell(RANG)
    happenings.tell(RANG)
    assert heard == [RANG, RANG, RANG]


def test_a_failing_handler_is_logged_and_hurts_nobody(
    happenings: Happenings, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Happening] = []

    def fail(fact: Happening) -> None:
        raise RuntimeError("a bug")

    happenings.subscribe(CallRang, fail)
    happenings.subscribe(CallRang, heard.append)
    with caplog.at_level(logging.ERROR):
        happenings.tell(RANG)
    assert heard == [RANG]
    assert "CallRang" in caplog.text
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (
            CallStarted(
                at=AT, call="c1", caller="+331", caller_name="Al", trunk="isdn", callee="100", internal=False
            ),
            {
                "kind": "call_started",
                "call": "c1",
                "caller": "+331",
                "caller_name": "Al",
                "trunk": "isdn",
                "callee": "100",
                "internal": False,
            },
        ),
        (
            CallAnswered(at=AT, call="c1", by="100"),
            {"kind": "call_answered", "call": "c1", "by": "100", "trunk": "", "feature": ""},
        ),
        (
            ENDED,
            {
                "kind": "call_ended",
                "call": "c1",
                "reason": "OK",
                "status": 200,
                "seconds": 12.5,
                "talk_seconds": 8.5,
                "internal": True,
            },
        ),
        (
            ExtensionRegistered(at=AT, extension="100", contact="sip:100@192.0.2.1", user_agent="x"),
            {
                "kind": "extension_registered",
                "extension": "100",
                "contact": "sip:100@192.0.2.1",
                "user_agent": "x",
            },
        ),
        (
            ExtensionUnregistered(
                at=AT, extension="100", contact="sip:100@192.0.2.1", reason=Unregistration.EXPIRED
            ),
            {
                "kind": "extension_unregistered",
                "extension": "100",
                "contact": "sip:100@192.0.2.1",
                "reason": "expired",
            },
        ),
    ],
)
def test_facts_become_json(fact: Happening, expected: dict[str, object]) -> None:
    assert json.loads(json.dumps(fact.to_dict())) == expected | {"at": "2026-01-02T03:04:05.600000+00:00"}
