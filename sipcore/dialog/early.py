"""Early dialogs of a caller: one for each phone that a fork reaches (RFC 3261 section 13.2.2.4)."""

from __future__ import annotations

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.offer_answer import OfferAnswer
from sipcore.dialog.reliable import ReliableOrder
from sipcore.sdp.description import SessionDescription

MOST_EARLY_DIALOGS = 16
"""Of one INVITE; further ones are heard of, but nothing is kept of them."""


class EarlyDialog:
    """What one branch of a fork has told, each with an exchange of its own (RFC 6337 section 3.1.1)."""

    __slots__ = ("dialog", "offers", "order", "said")

    def __init__(self, dialog: Dialog, offer: SessionDescription | None) -> None:
        self.dialog = dialog
        self.offers = OfferAnswer()
        if offer is not None:
            self.offers.send_offer(offer)
        self.order = ReliableOrder()
        self.said: SessionDescription | None = None
        """The description it sent last in a provisional response."""
