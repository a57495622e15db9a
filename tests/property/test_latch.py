"""The latch against every order of packets: no stranger gets in, and no lock ever moves by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.latch import WINDOW_SECONDS, Latch
from media.plan import Codec, StreamPlan

WRITTEN = ("10.0.0.5", 4000)
TRUSTED = frozenset({"10.0.0.5", "203.0.113.9"})
HOSTS = ["10.0.0.5", "203.0.113.9", "198.51.100.66", "10.0.0.50", ""]
SOURCES = st.tuples(st.sampled_from(HOSTS), st.sampled_from([4000, 4001, 50000]))
ARRIVALS = st.lists(st.tuples(SOURCES, st.sampled_from([0.0, 0.02, 0.19, 0.2, 5.0])), max_size=40)


def new_latch() -> Latch:
    return Latch(StreamPlan(Codec.PCMU, 0, 0, WRITTEN, trusted_hosts=TRUSTED))


@given(ARRIVALS)
def test_a_lock_holds_against_any_packets(arrivals: list[tuple[tuple[str, int], float]]) -> None:
    latch, now, refused = new_latch(), 1000.0, 0
    for source, pause in arrivals:
        now += pause
        before = latch.locked
        admitted = latch.admit(source, now)
        refused += not admitted
        if source[0] not in TRUSTED:
            assert not admitted
        if before is not None:
            assert latch.locked == before
            assert admitted is (source == before)
        elif source == WRITTEN:
            assert latch.locked == WRITTEN
        elif latch.locked is not None:
            assert admitted
            assert latch.locked == source
    assert latch.strangers == refused


@given(ARRIVALS)
def test_a_phone_that_goes_on_sending_is_heard_in_the_end(
    arrivals: list[tuple[tuple[str, int], float]],
) -> None:
    """Whatever came before it, unless somebody else is locked in: others at its host stop, it does not."""
    latch, now = new_latch(), 1000.0
    for source, pause in arrivals:
        now += pause
        latch.admit(source, now)
    locked_before = latch.locked
    phone = ("203.0.113.9", 61234)
    heard = [latch.admit(phone, now + frame * 0.02) for frame in range(1, int(2 * WINDOW_SECONDS / 0.02) + 3)]
    assert latch.locked == (locked_before or phone)
    assert heard[-1] is (locked_before is None)


MOMENTS = st.lists(
    st.tuples(
        SOURCES, st.sampled_from([0.02, 0.1, 0.2, 5.0]), st.booleans(), st.sampled_from(["", "doubt", "trust"])
    ),
    max_size=40,
)


@given(MOMENTS)
def test_a_lock_moves_only_from_a_silent_address_to_whom_goes_on_with_its_stream(
    moments: list[tuple[tuple[str, int], float, bool, str]],
) -> None:
    latch, now = new_latch(), 1000.0
    latch.admit(WRITTEN, now)
    for source, pause, resumes, word in moments:
        now += pause
        if word:
            (latch.doubt if word == "doubt" else latch.trust)()
        before, doubted = latch.locked, latch.doubted
        admitted = latch.admit(source, now, resumes=resumes)
        if latch.locked != before:
            assert doubted
            assert resumes
            assert source[0] in TRUSTED
            assert latch.locked == latch.remote == source
            assert not latch.doubted
        assert admitted is (source == latch.locked)
