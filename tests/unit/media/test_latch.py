"""Whose packets count: a phone is found behind its NAT, and nobody else takes its stream over (RFC 4961)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.latch import WINDOW_SECONDS, Latch
from media.plan import Address, Codec, Direction, StreamPlan

WRITTEN = ("192.168.1.5", 4000)
"""What the phone wrote in its description: its address at home."""
SEEN = ("203.0.113.9", 50000)
"""Where its packets come from: the public side of its NAT, as its signalling."""
NEIGHBOUR = (SEEN[0], 50002)
"""Somebody else behind the same NAT."""
STRANGERS = [("198.51.100.66", 4000), ("198.51.100.66", 50000), ("203.0.113.10", 50000)]
PLAN = StreamPlan(
    codec=Codec.PCMU,
    send_payload_type=0,
    receive_payload_type=0,
    remote=WRITTEN,
    trusted_hosts=frozenset({WRITTEN[0], SEEN[0]}),
)
NOW = 1000.0
FRAME_SECONDS = 0.02


def locked_on(source: Address) -> Latch:
    """A latch that has heard `source` long enough."""
    latch = Latch(PLAN)
    assert latch.admit(source, NOW)
    assert latch.admit(source, NOW + WINDOW_SECONDS)
    assert latch.locked == source
    return latch


# -- before it is locked ---------------------------------------------------------------------------


def test_until_the_phone_is_heard_sound_goes_where_it_wrote() -> None:
    assert Latch(PLAN).remote == WRITTEN


def test_a_phone_that_wrote_nothing_is_sent_nothing() -> None:
    assert Latch(replace(PLAN, remote=None)).remote is None


def test_the_address_that_was_written_is_taken_at_its_first_packet() -> None:
    latch = Latch(PLAN)
    assert latch.admit(WRITTEN, NOW)
    assert latch.locked == latch.remote == WRITTEN


def test_a_phone_behind_a_nat_is_heard_at_once_and_taken_after_the_window() -> None:
    latch = Latch(PLAN)
    frames = round(WINDOW_SECONDS / FRAME_SECONDS)
    for frame in range(frames):
        assert latch.admit(SEEN, NOW + frame * FRAME_SECONDS)
        assert latch.locked is None
    assert latch.admit(SEEN, NOW + WINDOW_SECONDS)
    assert latch.locked == latch.remote == SEEN


def test_the_address_that_was_written_wins_within_the_window() -> None:
    latch = Latch(PLAN)
    assert latch.admit(NEIGHBOUR, NOW)
    assert latch.admit(WRITTEN, NOW + WINDOW_SECONDS / 2)
    assert latch.locked == WRITTEN
    assert not latch.admit(NEIGHBOUR, NOW + WINDOW_SECONDS)


def test_of_two_at_a_trusted_host_the_first_is_heard() -> None:
    latch = Latch(PLAN)
    assert latch.admit(SEEN, NOW)
    assert not latch.admit(NEIGHBOUR, NOW + FRAME_SECONDS)
    assert latch.admit(SEEN, NOW + WINDOW_SECONDS)
    assert latch.locked == SEEN


def test_a_single_stray_packet_does_not_keep_the_phone_out() -> None:
    """A neighbour hung up a moment ago, and its last packet arrives here."""
    latch = Latch(PLAN)
    assert latch.admit(NEIGHBOUR, NOW)
    heard = [latch.admit(SEEN, NOW + 0.01 + frame * FRAME_SECONDS) for frame in range(50)]
    assert latch.locked == SEEN
    assert heard.index(True) * FRAME_SECONDS <= WINDOW_SECONDS
    assert all(heard[heard.index(True) :])


def test_one_who_goes_on_sending_is_not_pushed_aside() -> None:
    latch = Latch(PLAN)
    for frame in range(50):
        assert latch.admit(SEEN, NOW + frame * FRAME_SECONDS)
        assert not latch.admit(NEIGHBOUR, NOW + (frame + 0.99) * FRAME_SECONDS)
    assert latch.locked == SEEN


@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_early_packet_from_a_wrong_host_counts_for_nothing(stranger: Address) -> None:
    latch = Latch(PLAN)
    for frame in range(100):
        assert not latch.admit(stranger, NOW + frame)
    assert latch.remote == WRITTEN
    assert latch.strangers == 100
    assert latch.admit(WRITTEN, NOW + 100)


# -- once it is locked -----------------------------------------------------------------------------


@pytest.mark.parametrize("phone", [WRITTEN, SEEN])
@pytest.mark.parametrize("other", [*STRANGERS, NEIGHBOUR, WRITTEN, SEEN])
def test_nobody_moves_a_locked_latch(phone: Address, other: Address) -> None:
    """Neither a guess of the right host nor any number of packets."""
    latch = locked_on(phone)
    admitted = {latch.admit(other, NOW + 1 + frame * FRAME_SECONDS) for frame in range(1000)}
    assert admitted == {other == phone}
    assert latch.remote == phone
    assert latch.admit(phone, NOW + 100)


def test_a_silent_phone_keeps_its_lock() -> None:
    latch = locked_on(SEEN)
    assert not latch.admit(NEIGHBOUR, NOW + 3600)
    assert latch.locked == SEEN


def test_those_that_do_not_count_are_counted() -> None:
    latch = locked_on(WRITTEN)
    for source in [*STRANGERS, SEEN]:
        latch.admit(source, NOW + 1)
    assert latch.strangers == len(STRANGERS) + 1


# -- another plan ----------------------------------------------------------------------------------

ELSEWHERE = ("192.0.2.77", 6000)
MOVED = replace(PLAN, remote=ELSEWHERE, trusted_hosts=frozenset({ELSEWHERE[0]}))


@pytest.mark.parametrize("phone", [WRITTEN, SEEN])
def test_a_new_remote_opens_the_latch_for_it_alone(phone: Address) -> None:
    """A re-INVITE is signalling, and that is authenticated."""
    latch = locked_on(phone)
    assert latch.change(MOVED)
    assert latch.remote == ELSEWHERE
    assert not latch.admit(phone, NOW + 1)
    assert latch.admit(ELSEWHERE, NOW + 1)
    assert latch.locked == ELSEWHERE


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, direction=Direction.INACTIVE),
        replace(PLAN, codec=Codec.PCMA, send_payload_type=8, receive_payload_type=8),
        replace(PLAN, remote=None, direction=Direction.RECVONLY),
        replace(PLAN, remote=SEEN),
    ],
)
def test_a_plan_without_another_remote_leaves_the_lock(plan: StreamPlan) -> None:
    """Hold, resume, another codec, or the phone has learnt its public address (RFC 3261 section 18.2.1)."""
    latch = locked_on(SEEN)
    assert not latch.change(plan)
    assert latch.remote == SEEN
    assert latch.admit(SEEN, NOW + 1)
    assert not latch.admit(NEIGHBOUR, NOW + 1)


def test_a_resumed_stream_is_found_again() -> None:
    """Held by 0.0.0.0 for so long that the NAT has given the phone another port."""
    latch = locked_on(SEEN)
    assert not latch.change(replace(PLAN, remote=None))
    assert latch.change(PLAN)
    assert latch.admit(NEIGHBOUR, NOW + 60)
    assert latch.admit(NEIGHBOUR, NOW + 60 + WINDOW_SECONDS)
    assert latch.locked == NEIGHBOUR


def test_a_candidate_of_the_plan_before_is_forgotten() -> None:
    latch = Latch(PLAN)
    assert latch.admit(SEEN, NOW)
    assert latch.change(replace(MOVED, trusted_hosts=frozenset({SEEN[0], ELSEWHERE[0]})))
    assert latch.admit(NEIGHBOUR, NOW + FRAME_SECONDS)
    assert latch.locked is None


@pytest.mark.parametrize("direction", [Direction.RECVONLY, Direction.INACTIVE])
def test_a_peer_that_has_held_is_found_again(direction: Direction) -> None:
    """The description is as before, but its NAT has given it another port; until then sound goes where it was."""
    latch = locked_on(SEEN)
    assert not latch.change(replace(PLAN, direction=direction))
    assert latch.change(PLAN)
    assert latch.remote == SEEN
    assert not any(latch.admit(stranger, NOW + 600) for stranger in STRANGERS)
    assert latch.admit(NEIGHBOUR, NOW + 600)
    assert latch.admit(NEIGHBOUR, NOW + 600 + WINDOW_SECONDS)
    assert latch.locked == latch.remote == NEIGHBOUR


def test_a_peer_that_is_where_it_wrote_stays_locked_when_it_goes_on() -> None:
    latch = locked_on(WRITTEN)
    assert not latch.change(replace(PLAN, direction=Direction.INACTIVE))
    assert not latch.change(PLAN)
    assert latch.locked == WRITTEN


def test_a_peer_that_has_moved_is_found_again() -> None:
    """It registered from elsewhere; what it wrote in its description is as before."""
    latch = locked_on(SEEN)
    assert latch.change(replace(PLAN, moves=1))
    assert latch.admit(NEIGHBOUR, NOW + 60)
    assert latch.admit(NEIGHBOUR, NOW + 60 + WINDOW_SECONDS)
    assert latch.locked == NEIGHBOUR


def test_a_peer_that_has_moved_and_stays_where_it_was_is_locked_at_once() -> None:
    latch = Latch(PLAN)
    assert PLAN.remote is not None
    assert latch.admit(PLAN.remote, NOW)
    assert latch.change(replace(PLAN, moves=1))
    assert latch.admit(PLAN.remote, NOW + 60)
    assert latch.locked == PLAN.remote


# -- when it has fallen silent -----------------------------------------------------------------------


def test_whoever_goes_on_with_a_silent_stream_takes_its_place_after_the_window() -> None:
    latch = locked_on(SEEN)
    assert latch.doubt()
    assert not latch.doubt()
    assert not latch.admit(NEIGHBOUR, NOW + 5, resumes=True)
    assert not latch.admit(NEIGHBOUR, NOW + 5 + WINDOW_SECONDS / 2, resumes=True)
    assert latch.admit(NEIGHBOUR, NOW + 5 + WINDOW_SECONDS, resumes=True)
    assert latch.locked == latch.remote == NEIGHBOUR
    assert latch.strangers == 0
    assert not latch.trust()


@pytest.mark.parametrize(
    ("other", "doubted", "resumes"),
    [(NEIGHBOUR, False, True), (NEIGHBOUR, True, False), *((stranger, True, True) for stranger in STRANGERS)],
)
def test_nobody_else_takes_it(other: Address, doubted: bool, resumes: bool) -> None:
    latch = locked_on(SEEN)
    if doubted:
        latch.doubt()
    for frame in range(100):
        assert not latch.admit(other, NOW + 5 + frame * FRAME_SECONDS, resumes=resumes)
    assert latch.locked == SEEN


def test_a_single_packet_takes_nothing_and_neither_do_two_that_are_far_apart() -> None:
    latch = locked_on(SEEN)
    latch.doubt()
    for second in range(5):
        assert not latch.admit(NEIGHBOUR, NOW + 5 + second, resumes=True)
    assert latch.locked == SEEN


def test_a_peer_that_holds_may_be_silent() -> None:
    latch = Latch(replace(PLAN, direction=Direction.RECVONLY))
    latch.admit(WRITTEN, NOW)
    assert not latch.doubt()
