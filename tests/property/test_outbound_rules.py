"""Whatever the rules: emergency calls from inside go out, and no other call goes where it is not allowed to."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pbx.numbers import NumberingPlan
from pbx.trunks.outbound import Asker, Barred, CallOut, Outbound
from pbx.trunks.settings import Dialing, OutboundRule

digits = st.text("0123456789", max_size=4)
prefixes = st.builds(lambda plus, rest: plus + rest, st.sampled_from(["", "", "+", "00", "0", "9"]), digits)
lengths = st.tuples(st.integers(1, 16), st.integers(0, 16)).map(lambda pair: (pair[0], pair[0] + pair[1]))
rules = st.lists(
    st.builds(
        OutboundRule,
        prefix=prefixes,
        lengths=lengths,
        extensions=st.lists(st.sampled_from(["100", "101"]), max_size=2).map(tuple),
        strip=st.integers(0, 6),
        prepend=prefixes,
        trunks=st.just(("a",)) | st.just(("b", "a")),
        from_trunks=st.booleans(),
    ),
    max_size=5,
)
dialings = st.builds(
    Dialing,
    country=st.sampled_from(["FR", "US", "GB", "RU"]),
    allowed_countries=st.lists(st.sampled_from(["FR", "GB", "DO", "001"]), max_size=3).map(tuple),
)
numbers = st.one_of(
    st.text("0123456789+*#", max_size=18),
    st.sampled_from(
        ["0033612345678", "+18095551234", "18095551234", "00442079460000", "+80012345678", "011442079460000"]
    ),
    st.builds(
        lambda prefix, rest: prefix + rest,
        st.sampled_from(["0", "9", "00"]),
        st.text("0123456789", max_size=14),
    ),
)
askers = st.builds(Asker, extension=st.sampled_from(["", "100", "101", "102"]), from_trunk=st.booleans())


@given(rules, dialings, numbers, askers)
def test_no_call_goes_where_none_may(
    rules: list[OutboundRule], dialing: Dialing, dialled: str, asker: Asker
) -> None:
    outbound = Outbound(rules, dialing, trunks=("a", "b"))
    answer = outbound.route(dialled, asker)
    assert outbound.route(dialled, asker) == answer
    if not isinstance(answer, CallOut):
        assert answer is None or isinstance(answer, Barred)
        return
    if answer.emergency:
        assert not asker.from_trunk
        assert NumberingPlan(dialing.country).is_emergency(answer.number.digits)
        assert dialled.endswith(answer.number.digits)
        return
    allowed = dialing.allowed_countries or (dialing.country,)
    assert answer.number.country in allowed
    again = outbound.plan.read(answer.number.digits)
    assert again.country in allowed  # of what is dialled, and not of what the user thinks
    rule = next(rule for rule in rules if rule.fits(dialled) and rule.trunks == answer.trunks)
    assert rule is not None
    assert not asker.from_trunk or any(rule.from_trunks for rule in rules)


@given(rules, dialings, askers)
@example([], Dialing(country="FR", allowed_countries=("DO",)), Asker("100"))
@example([], Dialing(country="FR", allowed_countries=("DO",)), Asker(from_trunk=True))
def test_emergency_numbers_are_never_refused_inside(
    rules: list[OutboundRule], dialing: Dialing, asker: Asker
) -> None:
    outbound = Outbound(rules, dialing, trunks=("a", "b"))
    for number in ("112", "911", "999", "15"):
        if NumberingPlan(dialing.country).is_emergency(number):
            for prefix in ("", *(rule.prefix for rule in rules)):
                answer = outbound.route(prefix + number, asker)
                if asker.from_trunk:
                    assert not (isinstance(answer, CallOut) and answer.emergency)
                    continue
                assert isinstance(answer, CallOut)
                assert answer.emergency
                assert set(answer.trunks) == {"a", "b"}
