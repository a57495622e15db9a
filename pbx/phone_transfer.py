"""The transfer key of the scripted phone: REFERs, and what it is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipcore.dialog.transfer import Replaces, refer_to, status_in
from sipcore.syntax.headers import parse_parameters
from sipcore.syntax.uri import Uri

if TYPE_CHECKING:
    from pbx.leg import Leg
    from pbx.phone import Phone, PhoneCall
    from sipcore.dialog.dialog import Dialog
    from sipcore.effects import Effect
    from sipcore.syntax.message import Request, Response
    from sipcore.transaction.table import ClientTransaction


Headers = Sequence[tuple[str, str]]


class Refer:
    """A REFER that the phone has sent."""

    def __init__(self, call: Transferring, target: str, headers: Headers = ()) -> None:
        """Sends it, within the call; `target` is the value of its Refer-To."""
        phone, session, dialog = call.phone, call.leg.session, call.dialog
        assert session is not None
        contact = phone.endpoint.local_headers(session.flow, phone.account.number, dialog.contact_scheme)
        request = dialog.request("REFER", [("Refer-To", target), *contact, *headers])
        self.statuses: list[int] = []
        """What the NOTIFYs told, in order."""
        self.call_id = dialog.call_id
        self.event_id = request.cseq_number
        self._response: asyncio.Future[int] = phone.loop.create_future()
        self._outcome: asyncio.Future[int] = phone.loop.create_future()
        phone.driver.perform(phone.endpoint.send(request, session.flow, self, phone.loop.time())[1])

    async def response(self) -> int:
        """Wait for the final response to the REFER itself."""
        return await asyncio.shield(self._response)

    async def outcome(self) -> int:
        """Wait for the final status that a NOTIFY tells, or for the refusal of the REFER."""
        return await asyncio.shield(self._outcome)

    def notified(self, status: int) -> None:
        """Take the status of a NOTIFY."""
        self.statuses.append(status)
        if status >= 200 and not self._outcome.done():
            self._outcome.set_result(status)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Effect]:
        """What became of the request."""
        status = response.status
        if status >= 200 and not self._response.done():
            self._response.set_result(status)
        if status >= 300 and not self._outcome.done():
            self._outcome.set_result(status)
        return []

    def flow_closed(self, now: float) -> list[Effect]:
        """The way to the server is gone, and no response will come."""
        return []


class Transferring:
    """What the transfer key of a call of the phone does."""

    phone: Phone
    leg: Leg

    refers: tuple[Refer, ...] = ()
    """Those that the phone has sent within the call, in order."""

    def transfer(self, number: str, headers: Headers = ()) -> Refer:
        """Ask for the far end to be connected with a number: a blind transfer."""
        return self.refer(refer_to(Uri("sip", number, host=self.phone.account.server.host)), headers)

    def transfer_to(self, consulted: Transferring) -> Refer:
        """Ask for the far end to be connected with that of another call of this phone: an attended transfer."""
        return self.refer(refer_to(consulted.dialog.remote_target, consulted.replaces))

    def refer(self, target: str, headers: Headers = ()) -> Refer:
        """Send a REFER; `target` is the value of its Refer-To."""
        self.refers = (*self.refers, Refer(self, target, headers))
        return self.refers[-1]

    @property
    def dialog(self) -> Dialog:
        """The dialog of the call, which has one since it rings."""
        session = self.leg.session
        assert session is not None, "the call has not begun"
        assert session.dialog is not None, "the call has no dialog yet"
        return session.dialog

    @property
    def replaces(self) -> Replaces:
        """What names the call to others (RFC 3891 section 6.1): the server's tag, then the phone's."""
        return Replaces(self.dialog.call_id, self.dialog.remote_tag, self.dialog.local_tag)


def pick_up(phone: Phone, number: str, dialog: Replaces) -> PhoneCall:
    """Take the place of a dialog at `number` (RFC 3891), as a lamp key does."""
    return phone.dial(number, headers=[("Replaces", str(dialog))])


def take_notify(phone: Phone, notify: Request) -> None:
    """Note a NOTIFY, and tell the REFER that it is about, if it is about one (RFC 3515 section 2.4.6)."""
    phone.notified.append(notify)
    package, semicolon, rest = (notify.get("Event") or "").partition(";")
    status = status_in(notify)
    if package.strip() != "refer" or status is None:
        return
    event_id = dict(parse_parameters(semicolon + rest)).get("id")
    for refer in [refer for call in phone.calls for refer in call.refers]:
        if (refer.call_id, str(refer.event_id)) == (notify.call_id, event_id):
            refer.notified(status)
