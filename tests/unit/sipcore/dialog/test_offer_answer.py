"""One offer at a time, and what was agreed last stays until the next agreement (RFC 3264, RFC 6337)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipcore.dialog.offer_answer import OfferAnswer, OfferState
from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import Origin, SessionDescription


def description(name: str) -> SessionDescription:
    return SessionDescription(Origin("-", "1", "1", "192.0.2.1"), name=name)


OURS, THEIRS, OTHER = description("ours"), description("theirs"), description("other")


def stable() -> OfferAnswer:
    return OfferAnswer()


def we_offered() -> OfferAnswer:
    offers = OfferAnswer()
    offers.send_offer(OURS)
    return offers


def they_offered() -> OfferAnswer:
    offers = OfferAnswer()
    offers.receive_offer(THEIRS)
    return offers


def standing(offers: OfferAnswer) -> tuple[OfferState, SessionDescription | None, SessionDescription | None]:
    """Whose turn it is, and what is agreed."""
    return offers.state, offers.local, offers.remote


def test_nothing_is_agreed_at_first() -> None:
    assert standing(stable()) == (OfferState.STABLE, None, None)


def test_our_offer_and_their_answer_are_what_is_agreed() -> None:
    said = stable()
    said.say(OURS)
    for offers in (we_offered(), said):
        assert standing(offers) == (OfferState.LOCAL_OFFER, None, None)
        offers.receive_answer(THEIRS)
        assert standing(offers) == (OfferState.STABLE, OURS, THEIRS)


def test_their_offer_and_our_answer_are_what_is_agreed() -> None:
    for answer in (OfferAnswer.send_answer, OfferAnswer.say):
        offers = they_offered()
        assert standing(offers) == (OfferState.REMOTE_OFFER, None, None)
        answer(offers, OURS)
        assert standing(offers) == (OfferState.STABLE, OURS, THEIRS)
        assert offers.withdraw() is None


@pytest.mark.parametrize(("begin", "offer"), [(we_offered, OURS), (they_offered, THEIRS)])
def test_a_withdrawn_offer_leaves_what_was_agreed_before(
    begin: Callable[[], OfferAnswer], offer: SessionDescription
) -> None:
    offers = begin()
    assert offers.withdraw() is offer
    assert standing(offers) == (OfferState.STABLE, None, None)
    offers.send_offer(OURS)
    offers.receive_answer(THEIRS)
    offers.receive_offer(OTHER)
    assert offers.withdraw() is OTHER
    assert standing(offers) == (OfferState.STABLE, OURS, THEIRS)


def test_there_may_be_nothing_to_withdraw() -> None:
    offers = stable()
    assert offers.withdraw() is None
    assert standing(offers) == (OfferState.STABLE, None, None)


@pytest.mark.parametrize(
    ("begin", "act", "status"),
    [
        (we_offered, lambda offers: offers.send_offer(OTHER), None),
        (they_offered, lambda offers: offers.send_offer(OTHER), None),
        (stable, lambda offers: offers.send_answer(OTHER), None),
        (we_offered, lambda offers: offers.send_answer(OTHER), None),
        (we_offered, lambda offers: offers.receive_offer(OTHER), 491),
        (they_offered, lambda offers: offers.receive_offer(OTHER), 500),
        (stable, lambda offers: offers.receive_answer(OTHER), 400),
        (they_offered, lambda offers: offers.receive_answer(OTHER), 400),
    ],
)
def test_what_is_out_of_turn_names_its_culprit_and_changes_nothing(
    begin: Callable[[], OfferAnswer], act: Callable[[OfferAnswer], None], status: int | None
) -> None:
    offers = begin()
    state = offers.state
    with pytest.raises(UsageError if status is None else PeerError) as error:
        act(offers)
    assert getattr(error.value, "status", None) == status
    assert offers.state is state
    offer = {OfferState.LOCAL_OFFER: OURS, OfferState.REMOTE_OFFER: THEIRS}.get(state)
    assert offers.withdraw() is offer
