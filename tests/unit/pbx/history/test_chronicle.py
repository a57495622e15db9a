"""Records of calls, and in which list of whom each stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pbx.happenings import (
    CallAnswered,
    CallBlocked,
    CallConnected,
    CallEnded,
    CallRang,
    CallRouted,
    CallStarted,
    CallTransferred,
    CallWentOut,
    Happening,
    TrunkUp,
)
from pbx.history.chronicle import MAX_PARTIES, MAX_STEPS, Chronicle
from pbx.history.record import CallList, CallRecord, HandOver, Role

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def started(caller: str = "100", callee: str = "101", trunk: str = "") -> CallStarted:
    return CallStarted(at=AT, call="c", caller=caller, callee=callee, internal=not trunk, trunk=trunk)


def routed(*sought: str, reason: str = "ring") -> CallRouted:
    return CallRouted(at=AT, call="c", sought=sought, reasons=(reason,))


def rang(extension: str, at: datetime = AT) -> CallRang:
    return CallRang(at=at, call="c", extension=extension)


def answered(by: str, feature: str = "") -> CallAnswered:
    return CallAnswered(at=after(3), call="c", by=by, feature=feature)


def connected(to: str, trunk: str = "", at: datetime = AT) -> CallConnected:
    return CallConnected(at=at, call="c", to=to, trunk=trunk)


def ended(status: int = 200, talk_seconds: float = 4.0) -> CallEnded:
    return CallEnded(
        at=after(9), call="c", reason="OK", status=status, seconds=9.0, talk_seconds=talk_seconds
    )


def record_of(*happenings: Happening) -> CallRecord:
    records: list[CallRecord] = []
    chronicle = Chronicle(lambda make: records.append(make()))
    for happening in happenings:
        chronicle.take(happening)
    assert len(chronicle) == 0
    [record] = records
    return record


def lists_of(*happenings: Happening) -> dict[str, CallList | None]:
    return {party.number: party.list for party in record_of(*happenings).parties}


OUTBOUND, RECEIVED, MISSED = CallList.OUTBOUND, CallList.RECEIVED, CallList.MISSED


def test_a_record_says_who_when_and_why() -> None:
    record = record_of(
        started(), routed("101"), rang("101"), answered("101"), connected("101", at=after(3)), ended()
    )
    assert (record.call, record.caller, record.dialled, record.answered_by) == ("c", "100", "101", "101")
    assert (record.started_at, record.ended_at, record.seconds, record.talk_seconds) == (AT, after(9), 9, 4)
    assert (record.status, record.reason, record.reasons, record.feature) == (200, "OK", ("ring",), "")
    caller, callee = record.parties
    assert (caller.role, callee.role) == (Role.CALLER, Role.CALLEE)
    assert (callee.rang, callee.answered_at, callee.addressed) == (True, after(3), True)


def test_an_answered_call_is_outbound_here_and_received_there() -> None:
    lists = lists_of(started(), routed("101"), rang("101"), answered("101"), connected("101"), ended())
    assert lists == {"100": OUTBOUND, "101": RECEIVED}


@pytest.mark.parametrize("status", [480, 486, 487, 603])
def test_a_call_that_nobody_answered_is_missed(status: int) -> None:
    assert lists_of(started(), routed("101"), rang("101"), ended(status)) == {"100": OUTBOUND, "101": MISSED}


def test_a_call_to_who_has_no_phone_registered_is_missed_too() -> None:
    assert lists_of(started(), routed("101"), ended(480))["101"] is MISSED


@pytest.mark.row("MYP-23")
def test_a_call_that_was_picked_up_or_forwarded_was_missed_by_nobody() -> None:
    picked_up = record_of(started(), routed("101"), rang("101"), answered("102"), connected("102"), ended())
    assert {p.number: (p.list, p.taken_by) for p in picked_up.parties} == {
        "100": (OUTBOUND, ""),
        "101": (RECEIVED, "102"),
        "102": (RECEIVED, ""),
    }
    forwarded = lists_of(
        started(), routed("101"), rang("101"), routed("101", "102"), rang("102"), connected("102"), ended()
    )
    assert forwarded == {"100": OUTBOUND, "101": RECEIVED, "102": RECEIVED}


@pytest.mark.row("MYP-23")
def test_a_forwarded_call_that_nobody_answered_is_missed_once_by_each() -> None:
    record = record_of(started(), routed("101"), rang("101"), routed("101", "102"), rang("102"), ended(480))
    assert [(p.number, p.list) for p in record.parties] == [
        ("100", OUTBOUND),
        ("101", MISSED),
        ("102", MISSED),
    ]


def test_who_rang_for_a_group_has_nothing_in_his_lists_if_another_took_the_call() -> None:
    lists = lists_of(started(callee="800"), rang("101"), rang("102"), connected("102"), ended())
    assert lists == {"100": OUTBOUND, "101": None, "102": RECEIVED}
    assert lists_of(started(callee="800"), rang("101"), rang("102"), ended(487)) == {
        "100": OUTBOUND,
        "101": MISSED,
        "102": MISSED,
    }


def test_a_message_left_with_a_machine_does_not_make_a_call_received() -> None:
    record = record_of(started(), routed("101"), rang("101"), answered("101", "voicemail"), ended())
    assert (record.feature, record.parties[1].list) == ("voicemail", MISSED)


def test_a_blocked_call_is_not_missed() -> None:
    blocked = CallBlocked(at=AT, call="c", extension="101")
    record = record_of(started(), routed("101"), blocked, ended(603))
    assert [(p.number, p.list, p.blocked) for p in record.parties] == [
        ("100", OUTBOUND, False),
        ("101", None, True),
    ]


def test_a_transfer_that_comes_back_is_missed_by_its_target() -> None:
    happenings = [started(), routed("101"), rang("101"), connected("101")]
    handed = CallTransferred(at=AT, call="c", by="101", party="100", to="103")
    reached = record_of(*happenings, routed("103"), rang("103"), connected("103"), handed, ended())
    assert {p.number: p.list for p in reached.parties}["103"] is RECEIVED
    assert reached.hand_overs == (HandOver(AT, "101", "100", "103"),)
    back = lists_of(*happenings, routed("103"), rang("103"), connected("101"), ended())
    assert back == {"100": OUTBOUND, "101": RECEIVED, "103": MISSED}


def test_whoever_is_outside_has_no_list_even_with_the_number_of_an_extension() -> None:
    outside = record_of(
        started(caller="101", trunk="carrier"), routed("101"), rang("101"), connected("101"), ended()
    )
    assert [(p.number, p.trunk, p.list) for p in outside.parties] == [
        ("101", "carrier", None),
        ("101", "", RECEIVED),
    ]
    out = CallWentOut(at=AT, call="c", trunk="carrier", number="+33123456789", caller_id="100")
    record = record_of(started(callee="0123456789"), out, connected("+33123456789", "carrier"), ended())
    assert [(p.number, p.list) for p in record.parties] == [("100", OUTBOUND), ("+33123456789", None)]


def test_who_calls_himself_has_the_call_once() -> None:
    assert lists_of(started(callee="100"), routed("100"), rang("100"), ended(486)) == {"100": OUTBOUND}


def test_a_call_that_comes_to_another_phone_of_the_caller_was_missed_by_nobody() -> None:
    """Richardson's phone has sent it on there."""
    record = record_of(started(), routed("101"), rang("101"), rang("100"), connected("100"), ended())
    assert [(p.number, p.list, p.taken_by) for p in record.parties] == [
        ("100", OUTBOUND, ""),
        ("101", RECEIVED, "100"),
    ]


def test_a_transfer_by_the_caller_that_comes_back_is_missed_by_its_target() -> None:
    happenings = [started(), routed("101"), rang("101"), connected("101")]
    back = lists_of(*happenings, routed("103"), rang("103"), connected("100"), ended())
    assert back == {"100": OUTBOUND, "101": RECEIVED, "103": MISSED}


def test_what_is_of_no_known_call_is_left_alone() -> None:
    records: list[CallRecord] = []
    chronicle = Chronicle(lambda make: records.append(make()))
    for happening in (rang("101"), connected("101"), ended(), TrunkUp(at=AT, trunk="carrier", port=10000)):
        chronicle.take(happening)
    assert (records, len(chronicle)) == ([], 0)


def test_a_call_that_goes_round_for_ever_stays_small() -> None:
    rounds = [routed(str(number)) for number in range(100, 100 + 2 * MAX_PARTIES)]
    handed = [CallTransferred(at=AT, call="c", by="101", party="100", to="103")] * (2 * MAX_STEPS)
    late = connected("999999")
    record = record_of(started(), *rounds, *handed, late, ended())
    assert (len(record.parties), len(record.reasons), len(record.hand_overs)) == (
        MAX_PARTIES,
        MAX_STEPS,
        MAX_STEPS,
    )


def test_what_is_told_of_a_call_is_asked_for_once() -> None:
    chronicle = Chronicle(lambda make: None)
    for happening in (started(), replace(started(), call="other")):
        chronicle.take(happening)
    assert [record.call for record in chronicle.changed(after(1))] == ["c", "other"]
    assert chronicle.changed(after(2)) == []
    for more in (rang("101"), routed("101"), connected("101"), answered("101")):
        chronicle.take(more)
        assert chronicle.changed(after(3)) == chronicle.going_on(after(3))[:1]
        assert chronicle.changed(after(3)) == []
    chronicle.take(ended())
    assert [record.call for record in chronicle.going_on(after(4))] == ["other"]


def test_what_a_call_looked_like_does_not_change_with_it() -> None:
    chronicle = Chronicle(lambda make: None)
    happenings = [started(), routed("101", "102"), rang("101"), answered("101"), connected("101")]
    seen: list[tuple[CallRecord, str]] = []
    for happening in happenings:
        chronicle.take(happening)
        for record in (*chronicle.going_on(after(3)), *chronicle.changed(after(3))):
            seen.append((record, repr(record)))
    assert len({text for _, text in seen}) == len(happenings)
    for record, text in seen:
        assert repr(record) == text
