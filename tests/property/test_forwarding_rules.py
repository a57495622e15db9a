"""Rules against an interpreter that is written from the manual alone, and shares no code with the real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.destinations import End, ExtensionNumber, Number, Voicemail
from pbx.directory import BusyDetection
from pbx.forwarding.callers import BlackList
from pbx.forwarding.profile import ARRIVAL, Profile
from pbx.forwarding.rules import AdvancedForm, CallType, Hours, ReachMe, Rule, RuleType
from pbx.forwarding.simple import ForwardAll, SimpleForm, advanced
from pbx.forwarding.situation import Situation
from pbx.numbers import NumberingPlan
from pbx.office_hours import WEEKDAYS, OfficeHours, Week

PLAN = NumberingPlan("FR")
PARIS = ZoneInfo("Europe/Paris")
OFFICE = OfficeHours(
    time_zone="Europe/Paris",
    monday=("08:30-12:00", "13:30-18:00"),
    wednesday=("00:00-24:00",),
    friday=("08:30-12:00",),
    holidays=("12-25", "2026-11-11"),
)

WRITTEN = {
    "+33612345678": ("+33612345678", "06 12 34 56 78", "0033.6.12.34.56.78", "06-12-34-56-78"),
    "+33123456789": ("+33 1 23 45 67 89", "0123456789"),
    "103": ("103", "10 3"),
    "+15550000": ("+15550000",),
}
"""Numbers as callers have them, and ways in which people write them."""
CALLERS = ("", *WRITTEN)

writings = st.sampled_from([way for ways in WRITTEN.values() for way in ways])
times = st.tuples(st.integers(0, 23), st.integers(1, 24)).map(sorted).filter(lambda pair: pair[0] < pair[1])
weeks = st.dictionaries(
    st.sampled_from(WEEKDAYS), times.map(lambda pair: (f"{pair[0]:02}:00-{pair[1]:02}:00",)), min_size=1
).map(lambda days: Week(**days))
actions = st.one_of(
    st.just(End()),
    st.sampled_from(["100", "101"]).map(Voicemail),
    st.sampled_from(["101", "102"]).map(ExtensionNumber),
    st.sampled_from(["00612345678"]).map(Number),
    st.sampled_from(["00612345678"]).map(ReachMe),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    kind, hours = draw(st.sampled_from(RuleType)), draw(st.sampled_from(Hours))
    least = 1 if kind is RuleType.CALLER_ID else 0
    return Rule(
        type=kind,
        action=draw(actions),
        hours=hours,
        week=draw(weeks) if hours is Hours.SPECIFIC else Week(),
        calls=draw(st.sampled_from(CallType)),
        callers=tuple(draw(st.lists(writings, min_size=least, max_size=3))),
        dids=tuple(draw(st.lists(writings, max_size=2))),
    )


moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    internal = draw(st.booleans())
    did = "" if internal else draw(st.sampled_from(CALLERS))
    caller = draw(st.sampled_from(("100", "103"))) if internal else draw(st.sampled_from(CALLERS))
    return Situation(caller, internal, (did,) if did else (), draw(moments), OFFICE)


# -- the reference ---------------------------------------------------------------------------------


def is_open(at: datetime) -> bool:
    """Whether the office of this file is open."""
    local = at.astimezone(PARIS)
    if (local.month, local.day) == (12, 25) or (local.year, local.month, local.day) == (2026, 11, 11):
        return False
    clock = (local.hour, local.minute)
    if local.isoweekday() == 1:
        return (8, 30) <= clock < (12, 0) or (13, 30) <= clock < (18, 0)
    if local.isoweekday() == 5:
        return (8, 30) <= clock < (12, 0)
    return local.isoweekday() == 3


def in_week(week: Week, at: datetime) -> bool:
    local = at.astimezone(PARIS)
    return any(
        text[:5] <= f"{local.hour:02}:{local.minute:02}" < text[6:]
        for text in getattr(week, WEEKDAYS[local.weekday()])
    )


def same(written: str, number: str) -> bool:
    return written in WRITTEN.get(number, ())


def holds(rule: Rule, situation: Situation) -> bool:
    """All conditions of one rule, as the manual tells of them."""
    if rule.calls is CallType.INTERNAL and not situation.internal:
        return False
    if rule.calls is CallType.EXTERNAL and situation.internal:
        return False
    if rule.hours is Hours.OFFICE and not is_open(situation.at):
        return False
    if rule.hours is Hours.OUTSIDE and is_open(situation.at):
        return False
    if rule.hours is Hours.SPECIFIC and not in_week(rule.week, situation.at):
        return False
    if rule.callers and not any(same(written, situation.caller) for written in rule.callers):
        return False
    return not rule.dids or any(same(written, did) for written in rule.dids for did in situation.dids)


def first_by_reference(
    form: AdvancedForm, types: frozenset[RuleType], situation: Situation
) -> tuple[int, Rule] | None:
    for number, rule in enumerate(form.rules, 1):
        if rule.type in types and holds(rule, situation):
            return number, rule
    return None


STAGES = [ARRIVAL, *(frozenset({kind}) for kind in RuleType if kind not in ARRIVAL)]


@pytest.mark.row("FWD-02", "FWD-40", "FWD-48", "FWD-50", "FWD-60", "FWD-63", "FWD-64", "ADM-07")
@given(st.lists(rules(), max_size=12), st.lists(situations(), min_size=1, max_size=6))
def test_the_first_rule_that_meets_all_conditions_is_applied(
    listed: list[Rule], calls: list[Situation]
) -> None:
    form = AdvancedForm(rules=tuple(listed))
    profile = Profile(form, PLAN)
    for situation in calls:
        for types in STAGES:
            applied = profile.first(types, situation)
            found = None if applied is None else (applied.number, applied.rule)
            assert found == first_by_reference(form, types, situation)


@pytest.mark.row("FWD-68")
@given(st.lists(rules(), max_size=12), situations())
def test_each_rule_that_is_looked_at_says_why_it_does_not_apply(
    listed: list[Rule], situation: Situation
) -> None:
    form = AdvancedForm(rules=tuple(listed))
    profile = Profile(form, PLAN)
    for types in STAGES:
        looked_at = profile.objections(types, situation)
        applied = profile.first(types, situation)
        silent = [each for each, objection in looked_at if not objection]
        assert silent == ([] if applied is None else [applied])
        expected = [number for number, rule in enumerate(form.rules, 1) if rule.type in types]
        if applied is not None:
            expected = [number for number in expected if number <= applied.number]
        assert [each.number for each, _ in looked_at] == expected


# -- the simple form -------------------------------------------------------------------------------

elsewhere = st.sampled_from(["extension:101", "extension:102"])
forwards = st.builds(
    ForwardAll,
    to=st.one_of(st.just("voicemail"), elsewhere, st.just("number:00612345678")),
    outside_office_hours=st.sampled_from(["forward", "voicemail"]),
    only_external=st.booleans(),
) | st.builds(
    ForwardAll,
    to=st.just("number:00612345678"),
    offer=st.booleans(),
    outside_office_hours=st.sampled_from(["forward", "voicemail"]),
    only_external=st.booleans(),
)
simple_forms = st.builds(
    SimpleForm,
    no_answer_seconds=st.integers(5, 300),
    no_answer=st.sampled_from(["voicemail", "end"]) | elsewhere,
    busy=st.sampled_from(["voicemail", "busy"]) | elsewhere,
    more_than_one_call=st.booleans(),
    forward_all=st.none() | forwards,
)


def by_the_page(form: SimpleForm, stage: frozenset[RuleType], situation: Situation) -> str | None:
    """What the page of extension 100 says of a call, as the text of the action; None: nothing."""

    def own(text: str) -> str:
        return "voicemail:100" if text == "voicemail" else text

    if stage == ARRIVAL:
        all_calls = form.forward_all
        if all_calls is None:
            return None
        if all_calls.only_external and situation.internal:
            return "voicemail:100"
        if all_calls.outside_office_hours == "voicemail" and not is_open(situation.at):
            return "voicemail:100"
        return all_calls.to.replace("number:", "reach-me:") if all_calls.offer else own(all_calls.to)
    return own(form.busy) if stage == {RuleType.BUSY} else own(form.no_answer)


@pytest.mark.row("FWD-12", "FWD-16", "FWD-17", "FWD-18", "FWD-20", "FWD-30")
@given(simple_forms, st.lists(situations(), min_size=1, max_size=6))
def test_the_rules_of_the_simple_form_decide_as_its_page_says(
    form: SimpleForm, calls: list[Situation]
) -> None:
    converted = advanced(form, "100")
    profile = Profile(converted, PLAN)
    assert profile.no_answer_seconds == form.no_answer_seconds
    assert (profile.busy_detection is BusyDetection.PHONE) == form.more_than_one_call
    assert AdvancedForm.model_validate_json(converted.model_dump_json()) == converted
    for situation in calls:
        for stage in STAGES:
            applied = profile.first(stage, situation)
            assert (None if applied is None else str(applied.rule.action)) == by_the_page(
                form, stage, situation
            )


# -- the black list --------------------------------------------------------------------------------


@pytest.mark.row("MYP-30", "MYP-32")
@given(st.lists(writings, unique=True, max_size=15), st.booleans(), situations())
def test_a_listed_caller_is_rejected_however_the_number_is_written(
    listed: list[str], anonymous: bool, situation: Situation
) -> None:
    black_list = BlackList(numbers=tuple(listed), reject_anonymous=anonymous)
    expected = any(same(written, situation.caller) for written in listed)
    if not situation.caller:
        expected = anonymous
    assert Profile(AdvancedForm(), PLAN, black_list).rejects(situation) == expected


# -- specific hours --------------------------------------------------------------------------------


@pytest.mark.row("FWD-49")
@given(weeks, st.integers(0, 7 * 24 * 60 - 1))
def test_specific_hours_begin_and_end_to_the_minute(week: Week, minute: int) -> None:
    rule = Rule(type=RuleType.FORWARD_ALL, action=End(), hours=Hours.SPECIFIC, week=week)
    at = datetime(2026, 1, 5, tzinfo=PARIS) + timedelta(minutes=minute)  # a Monday
    applied = Profile(AdvancedForm(rules=(rule,)), PLAN).first(
        ARRIVAL, Situation("100", True, (), at, OFFICE)
    )
    assert (applied is not None) == in_week(week, at)
