"""Offer and answer (RFC 3264, RFC 6337): whose turn it is, and what was agreed last."""

from __future__ import annotations

from enum import Enum

from sipcore.errors import PeerError, UsageError
from sipcore.sdp.description import SessionDescription


class OfferState(Enum):
    """RFC 6337 section 2.1."""

    STABLE = "stable"
    LOCAL_OFFER = "we offered"
    REMOTE_OFFER = "the peer offered"


STABLE, LOCAL_OFFER, REMOTE_OFFER = OfferState


class OfferAnswer:
    """One exchange at a time. A rejected offer leaves what was agreed before."""

    __slots__ = ("_offer", "local", "remote", "state")

    local: SessionDescription | None
    """What we last agreed to."""
    remote: SessionDescription | None
    """What the peer last agreed to."""
    _offer: SessionDescription | None

    def __init__(self, state: OfferState = STABLE, offer: SessionDescription | None = None) -> None:
        """Begins with the `offer` of the side that `state` names, or with nothing said."""
        self.state = state
        self.local = self.remote = None
        self._offer = offer

    def send_offer(self, offer: SessionDescription) -> None:
        """We offer. Raises UsageError while another offer is pending."""
        if self.state is not STABLE:
            raise UsageError("an offer is pending")
        self.state, self._offer = LOCAL_OFFER, offer

    def receive_offer(self, offer: SessionDescription) -> None:
        """The peer offers. Raises PeerError(491) while our own offer is pending, 500 while its own is."""
        if self.state is LOCAL_OFFER:
            raise PeerError("offers crossed", status=491)
        if self.state is not STABLE:
            raise PeerError("two offers at once", status=500)
        self.state, self._offer = REMOTE_OFFER, offer

    def send_answer(self, answer: SessionDescription) -> None:
        """We answer. Raises UsageError where nothing was offered."""
        if self.state is not REMOTE_OFFER:
            raise UsageError("there is no offer to answer")
        self.state, self.local, self.remote = STABLE, answer, self._offer
        self._offer = None

    def say(self, description: SessionDescription) -> None:
        """Answer what the peer has offered, or offer where it has not."""
        if self.state is REMOTE_OFFER:
            self.state, self.local, self.remote = STABLE, description, self._offer
            self._offer = None
        else:
            self.send_offer(description)

    def receive_answer(self, answer: SessionDescription) -> None:
        """The peer answers. Raises PeerError where we had offered nothing."""
        if self.state is not LOCAL_OFFER:
            raise PeerError("an answer to no offer")
        self.state, self.local, self.remote = STABLE, self._offer, answer
        self._offer = None

    def withdraw(self) -> SessionDescription | None:
        """The pending offer was refused, or its transaction failed; returns that offer."""
        offer, self.state, self._offer = self._offer, STABLE, None
        return offer
