"""Early dialogs of a caller: one for each phone that a fork reaches (RFC 3261 section 13.2.2.4)."""

from __future__ import annotations

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.offer_answer import OfferAnswer
from sipcore.dialog.reliable import ReliableOrder
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Response

MOST_EARLY_DIALOGS = 16
"""Of one INVITE; further ones are heard of, but nothing is kept of them."""


class EarlyDialog:
    """What one branch of a fork has told, each with an exchange of its own (RFC 6337 section 3.1.1)."""

    said: SessionDescription | None = None
    """The description it sent last in a provisional response."""

    def __init__(self, dialog: Dialog, offer: SessionDescription | None, response: Response | None = None) -> None:
        """`response` is the one that has begun it."""
        self.dialog = dialog
        self._began = dialog.remote_target, None if response is None else _way(response)
        self.offers = OfferAnswer()
        if offer is not None:
            self.offers.send_offer(offer)
        self.order = ReliableOrder()

    def confirmed_by(self, response: Response) -> bool:
        """Whether the dialog is already what a 2xx makes of it (RFC 3261 section 13.2.2.4): it leads to the peer by
        the same way, and did so all the time."""
        target, way = self._began
        return way is not None and way == _way(response) and self.dialog.remote_target is target


def _way(response: Response) -> str | None:
    """Where a response leads to: its Contact; None where that is not all there is to say of it."""
    first = response.first
    if "Record-Route" in first or len(first) != len(response.headers):
        return None
    return first.get("Contact")
