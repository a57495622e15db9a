"""Records of calls on both databases: what goes in comes out, newest first, list by list, until it is too old."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.happenings import CallQuality
from pbx.history.record import CallList, CallRecord, HandOver, Participation, Role
from pbx.store import calls
from pbx.store.database import Database
from pbx.store.insertion import MAX_TEXT, storable

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def record(
    call: str, minute: int = 0, caller: str = "100", callee: str = "101", answered: bool = True
) -> CallRecord:
    """A call to `callee`, which rang and may have answered."""
    at = AT + timedelta(minutes=minute)
    return CallRecord(
        call=call,
        started_at=at,
        ended_at=at + timedelta(seconds=9),
        caller=caller,
        caller_name="Lee Parker",
        trunk="",
        dialled=callee,
        internal=True,
        status=200 if answered else 487,
        reason="OK",
        seconds=9.0,
        talk_seconds=4.0 if answered else 0.0,
        answered_by=callee if answered else "",
        feature="",
        parties=(
            Participation(caller, Role.CALLER, at),
            Participation(
                callee, Role.CALLEE, at, rang=True, answered_at=at if answered else None, addressed=True
            ),
        ),
        hand_overs=(HandOver(at, "101", "100", "103"),),
        reasons=("101 is not busy", "ring 101"),
    )


def quality(call: str) -> CallQuality:
    return CallQuality(
        at=AT,
        call=call,
        extension="101",
        packets=500,
        loss=0.25,
        jitter_ms=None,
        mos=4.25,
        sent=499,
        remote_loss=None,
        remote_jitter_ms=1.5,
        remote_mos=None,
        round_trip_ms=20.0,
    )


def keep(database: Database, *records: CallRecord) -> None:
    database.transact(partial(calls.add, records, ()))


def found(
    database: Database,
    number: str | None = None,
    kind: CallList | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[str]:
    query = partial(calls.calls, number=number, kind=kind, before=before, limit=limit)
    return [record.call for record in database.query(query)]


def test_what_goes_in_comes_out(database: Database) -> None:
    kept = record("c1")
    database.transact(partial(calls.add, [kept], [quality("c1")]))
    assert database.query(calls.calls) == [kept]
    assert database.query(partial(calls.call, call="c1")) == kept
    assert database.query(partial(calls.call, call="c2")) is None
    assert database.query(partial(calls.qualities_of, call="c1")) == [quality("c1")]
    assert database.query(partial(calls.qualities_of, call="c2")) == []


@pytest.mark.row("MYP-21")
def test_each_list_has_its_calls_newest_first(database: Database) -> None:
    keep(database, record("a", 0), record("b", 1, answered=False), record("c", 2, "101", "102"))
    keep(database, record("d", 3, caller="102"))
    assert found(database) == ["d", "c", "b", "a"]
    assert found(database, "101") == ["d", "c", "b", "a"]
    assert found(database, "100") == ["b", "a"]
    lists = {kind: found(database, "101", kind) for kind in CallList}
    assert lists == {CallList.OUTBOUND: ["c"], CallList.RECEIVED: ["d", "a"], CallList.MISSED: ["b"]}
    assert found(database, "103") == []


def test_long_lists_are_read_page_by_page(database: Database) -> None:
    keep(database, *[record(f"c{minute}", minute) for minute in range(7)])
    first = database.query(partial(calls.calls, number="101", limit=3))
    assert [each.call for each in first] == ["c6", "c5", "c4"]
    assert found(database, "101", before=first[-1].started_at, limit=3) == ["c3", "c2", "c1"]
    assert found(database, before=first[-1].started_at, limit=2) == ["c3", "c2"]


@pytest.mark.parametrize("number", [None, "101"])
def test_no_page_skips_or_repeats_calls_of_one_moment(database: Database, number: str | None) -> None:
    moments = [0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3]
    keep(database, *[record(f"c{index % 4}{index}", minute) for index, minute in enumerate(moments)])
    whole = found(database, number)
    assert len(whole) == len(moments)
    for limit in range(1, len(moments) + 1):
        pages: list[str] = []
        query = partial(calls.calls, number=number, limit=limit)
        while page := database.query(query):
            pages += [each.call for each in page]
            query = partial(calls.calls, number=number, limit=limit, behind=(page[-1].started_at, page[-1].call))
        assert pages == whole


def test_more_than_a_statement_takes_are_read_and_entered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MOST_IDS", 3)
    records = [record(f"c{minute}", minute) for minute in range(8)]
    keep(database, *records[:5])
    assert database.transact(partial(calls.add_missing, records)) == 3
    assert database.query(calls.calls) == records[::-1]
    database.transact(partial(calls.add, (), [quality("c7"), quality("c1"), quality("c7")]))
    heard = database.query(partial(calls.qualities, calls=[each.call for each in records]))
    assert {call: len(legs) for call, legs in heard.items() if legs} == {"c1": 1, "c7": 2}


def test_a_call_that_is_in_no_list_is_kept_too(database: Database) -> None:
    outside = replace(record("c"), parties=(Participation("+331", Role.CALLER, AT, trunk="isdn"),))
    keep(database, outside)
    assert database.query(calls.calls) == [outside]
    assert found(database, "+331") == []


def test_two_who_cannot_be_told_apart_in_the_store_find_the_call_once(database: Database) -> None:
    numbers = ["1" * MAX_TEXT + last for last in "23"]
    parties = tuple([Participation(number, Role.CALLEE, AT) for number in numbers])
    keep(database, replace(record("c"), parties=parties), record("d", 1))
    assert [found(database, number, CallList.MISSED) for number in numbers] == [["c"], ["c"]]


def test_how_a_call_sounded_is_told_after_it_was_entered_or_when_it_is_gone(database: Database) -> None:
    keep(database, record("c"), record("d"))
    later = replace(quality("c"), at=AT + timedelta(seconds=1), loss=1 / 3, round_trip_ms=None)
    for some in ([quality("c")], [quality("gone"), later]):
        database.transact(partial(calls.add, (), some))
    heard = database.query(partial(calls.qualities, calls=["c", "d"]))
    assert heard == {"c": [quality("c"), later], "d": []}


def test_a_number_that_json_does_not_have_is_one_that_nobody_knows(database: Database) -> None:
    """Else no list that the call is in could be read any more."""
    nan, infinite = float("nan"), float("inf")
    strange = replace(quality("c"), mos=nan, loss=infinite, jitter_ms=-infinite)
    database.transact(partial(calls.add, [record("c")], [strange]))
    database.transact(partial(calls.add, (), [strange]))
    assert database.query(calls.calls) == [record("c")]
    expected = replace(strange, mos=None, loss=None, jitter_ms=None)
    assert database.query(partial(calls.qualities_of, call="c")) == [expected, expected]


heard = st.none() | st.integers(0) | st.floats()


@given(st.lists(heard, min_size=9, max_size=9), st.text())
def test_how_a_leg_sounded_is_written_as_json_has_it(numbers: list[float | None], extension: str) -> None:
    names = [field.name for field in fields(CallQuality)][3:]
    leg = CallQuality(at=AT, call="c", extension=extension, **dict(zip(names, numbers, strict=True)))  # type: ignore[arg-type]
    at, kept, *values = json.loads(calls.leg_text(leg), parse_constant=pytest.fail)
    assert (datetime.fromisoformat(at), kept) == (AT, storable(extension))
    assert values == [None if each is None or not isfinite(each) else each for each in numbers]


def test_what_is_too_old_goes_with_all_that_belongs_to_it(database: Database) -> None:
    database.transact(
        partial(calls.add, [record("old"), record("new", 10)], [quality("old"), quality("new")])
    )
    assert database.transact(partial(calls.forget, AT + timedelta(minutes=5))) == 1
    assert found(database) == found(database, "101") == ["new"]
    assert database.query(partial(calls.qualities_of, call="old")) == []
    assert database.query(partial(calls.qualities_of, call="new")) == [quality("new")]


@pytest.mark.parametrize(
    "foreign",
    ["x" * 100_000, "\0", "half \ud800 of a pair", "'; DROP TABLE call_records; --", "\r\n\t\x1b[2J", "☎"],
    ids=["long", "nul", "surrogate", "sql", "control", "symbol"],
)
def test_whatever_a_phone_says_its_name_is_can_be_kept(database: Database, foreign: str) -> None:
    hostile = replace(record("c"), caller=foreign, caller_name=foreign, dialled=foreign, reasons=(foreign,))
    hostile = replace(hostile, parties=(Participation(foreign, Role.CALLER, AT), *hostile.parties[1:]))
    keep(database, hostile, record("d", 1))
    kept = database.query(partial(calls.call, call="c"))
    assert kept is not None
    assert len(kept.caller_name) <= MAX_TEXT
    assert kept.caller == kept.caller_name == kept.dialled == kept.reasons[0] == kept.parties[0].number
    assert "c" in found(database, foreign), "asked for by what was said"
    assert kept.caller[:5] == foreign.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\ud800", "?")[:5]
    assert found(database) == ["d", "c"]
