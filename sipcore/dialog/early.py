"""Early dialogs of a caller: one for each phone that a fork reaches (RFC 3261 section 13.2.2.4)."""

from __future__ import annotations

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.offer_answer import OfferAnswer
from sipcore.dialog.reliable import ReliableOrder
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Response
from sipcore.syntax.remember import kept

MOST_EARLY_DIALOGS = 16
"""Of one INVITE; further ones are heard of, but nothing is kept of them."""


class EarlyDialog:
    """What one branch of a fork has told, each with an exchange of its own (RFC 6337 section 3.1.1)."""

    __slots__ = ("__dict__", "_contact", "_target", "dialog", "offers", "said")

    said: SessionDescription | None
    """The description it sent last in a provisional response."""

    def __init__(self, dialog: Dialog, offers: OfferAnswer, response: Response) -> None:
        """`response` is the one that has begun it."""
        self.dialog = dialog
        self.offers = offers
        self.said = None
        self._target, self._contact = dialog.remote_target, response.first["Contact"]

    @kept
    def order(self) -> ReliableOrder:
        """Of its reliable responses."""
        return ReliableOrder()

    def confirmed_by(self, response: Response) -> bool:
        """Whether the dialog is already what a 2xx makes of it (RFC 3261 section 13.2.2.4): it leads to the peer by
        the same way, the Contact and nothing else, and did so all the time."""
        dialog, first = self.dialog, response.first
        return (
            first.get("Contact") == self._contact
            and "Record-Route" not in first
            and not dialog.route_set
            and dialog.remote_target is self._target
            and response.has_each_once()
        )
