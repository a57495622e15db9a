"""What a scripted phone watches: lamps, presence, messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from sipcore.effects import Effect, Notified, WatchEnded
from sipcore.events.dialog_info import DialogFact, DialogState, read_dialogs
from sipcore.events.presence import CONTENT_TYPE as PIDF
from sipcore.events.watch import Watch
from sipcore.syntax.message import Request, Response

if TYPE_CHECKING:
    from pbx.phone import Phone
    from sipcore.syntax.uri import Uri


class PhoneWatch:
    """One subscription of a phone. It remembers what it was told."""

    def __init__(self, phone: Phone, target: Uri, event: str, seconds: int) -> None:
        self.notified: list[Request] = []
        """Every NOTIFY, in order."""
        self.ended: asyncio.Future[WatchEnded] = phone.loop.create_future()
        self._phone = phone
        self._news = asyncio.Event()
        me = phone.account.number
        host = phone.account.server.host
        identifiers = phone.endpoint.identifiers
        headers = [
            ("Max-Forwards", "70"),
            ("From", f"<sip:{me}@{host}>;tag={identifiers.tag()}"),
            ("To", f"<{target}>"),
            ("Call-ID", identifiers.call_id()),
            ("CSeq", "1 SUBSCRIBE"),
            ("Contact", f"<{phone.contact}>"),
            ("Event", event),
            ("Expires", str(seconds)),
        ]
        request = Request("SUBSCRIBE", target, headers)
        self.watch = Watch(phone.endpoint, request, phone.flow, phone.credentials_for, self)

    def start(self) -> Self:
        """Subscribe."""
        self._phone.driver.perform(self.watch.start(self._phone.loop.time()))
        return self

    def stop(self) -> None:
        """Unsubscribe."""
        self._phone.driver.perform(self.watch.hang_up(self._phone.loop.time()))

    @property
    def body(self) -> bytes:
        """What was told last; empty if nothing was."""
        return self.notified[-1].body if self.notified else b""

    async def told(self, count: int = 1) -> bytes:
        """Wait until `count` NOTIFYs have come since the subscription began; the last body."""
        while len(self.notified) < count:
            self._news.clear()
            await self._news.wait()
        return self.body

    def on_effect(self, effect: Effect) -> None:
        """Take what the subscription tells."""
        if isinstance(effect, Notified):
            self.notified.append(effect.request)
            self._news.set()
        elif isinstance(effect, WatchEnded) and not self.ended.done():
            self.ended.set_result(effect)


class Lamp(PhoneWatch):
    """A key with a lamp, for the calls of an extension or of a park orbit (RFC 4235)."""

    def __init__(self, phone: Phone, target: Uri, event: str, seconds: int) -> None:
        super().__init__(phone, target, event, seconds)
        self.versions: list[int] = []
        self._dialogs: dict[str, DialogFact] = {}

    @property
    def dialogs(self) -> list[DialogFact]:
        """The calls that the lamp knows of, by ID."""
        return [dialog for _, dialog in sorted(self._dialogs.items())]

    @property
    def light(self) -> str:
        """How it is lit: the most settled state of its calls; empty while it is dark."""
        states = {dialog.state for dialog in self._dialogs.values()}
        return next((state.value for state in DialogState if state in states), "")

    def on_effect(self, effect: Effect) -> None:
        if isinstance(effect, Notified) and effect.request.body:
            told = read_dialogs(effect.request.body)
            self.versions.append(told.version)
            if told.full:
                self._dialogs.clear()
            for dialog in told.dialogs:
                self._dialogs[dialog.id] = dialog
                if dialog.state is DialogState.TERMINATED:
                    del self._dialogs[dialog.id]
        super().on_effect(effect)


async def publish(
    phone: Phone, body: bytes, *headers: tuple[str, str], event: str = "presence", content_type: str = PIDF
) -> Response:
    """Publish the state of a phone's user (RFC 3903); `headers` such as Expires and SIP-If-Match go with it."""
    me = f"<sip:{phone.account.number}@{phone.account.server.host}>"
    fixed = [("Max-Forwards", "70"), ("From", f"{me};tag=publisher"), ("To", me), ("Event", event), *headers]
    fixed += [("Call-ID", phone.endpoint.identifiers.call_id())]
    fixed += [("Content-Type", content_type)] if body else []

    def request(number: int, *more: tuple[str, str]) -> Request:
        return Request("PUBLISH", me[1:-1], [*fixed, ("CSeq", f"{number} PUBLISH"), *more], body)

    challenged = request(1)
    response = await phone.request(challenged)
    header = phone.credentials_for(challenged, response) if response.status == 401 else None
    return response if header is None else await phone.request(request(2, header))
