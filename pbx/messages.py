"""Messages between extensions (RFC 3428): to every phone of the receiver, or kept until one of them registers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pbx.dial_table import dialled_string
from pbx.directory import Extension
from pbx.happenings import ExtensionRegistered, MessageDelivered, MessageSent
from pbx.store.errors import StoreUnavailable
from pbx.store.page_messages import add_page_message, page_messages_at, remove_page_message
from sipcore.effects import Arrived, RequestInDialog
from sipcore.errors import PeerError
from sipcore.net.limits import Limits, RateLimit
from sipcore.page_message import ACCEPT, MAX_DATAGRAM_BYTES, PageMessage
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow
from values import dataclass

if TYPE_CHECKING:
    from pbx.leg import Leg
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

PER_SECOND, BURST = 2.0, 20.0
"""How much one extension may send."""
MAX_KEPT = 50
"""Messages that wait for one extension."""
KEPT_SECONDS = 7 * 24 * 3600.0
PATIENCE_SECONDS = 10.0
"""The sender is not kept waiting for phones that do not answer: its own transaction ends after 32 s."""
RETRY_AFTER_SECONDS = 5

_UNREACHED = (401, 407, 408, 430, 480, 481, 500, 503, 504)
"""Responses that say nothing against the message: it may be tried again."""

Target = tuple[Uri, Flow]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, from whom to whom."""

    sender: Extension
    receiver: Extension
    message: PageMessage
    sent_at: datetime
    kept_until: datetime | None = None
    """None for one that is not kept."""
    id: str = ""
    """What the store knows it by."""


class Messages:
    """Delivers MESSAGEs. The sender of one that is kept learns so (202) when it is on disk."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._rate = RateLimit(Limits(messages_per_second=PER_SECOND, burst=BURST))
        self._kept: dict[str, deque[Letter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing: set[str] = set()
        """Extensions that get what was kept for them just now."""
        switch.requests.handlers["MESSAGE"] = self.arrived
        switch.happenings.subscribe(ExtensionRegistered, self._registered)

    def __len__(self) -> int:
        """How many are on their way."""
        return len(self._tasks)

    def start(self) -> None:
        """Take up what was kept before a restart. Raises StoreUnavailable."""
        if not self._switch.store.durable:
            return
        find = self._switch.directory.find
        for row in self._switch.store.read(partial(page_messages_at, self._wall)):
            message = PageMessage(row["content_type"], row["body"], row["expires_seconds"])
            sender, receiver = find(row["sender"]), find(row["receiver"])
            if sender is not None and receiver is not None:
                letter = Letter(sender, receiver, message, row["sent_at"], row["kept_until"], row["id"])
                self._kept.setdefault(receiver.number, deque()).append(letter)

    def forget(self, number: str) -> None:
        """An extension is gone: what it sent, and what was kept for it, is of no use any more."""
        for letter in [letter for letters in self._kept.values() for letter in letters]:
            if number in (letter.sender.number, letter.receiver.number):
                self._strike_out(letter)

    def stop(self) -> None:
        """Wait for no phone any more."""
        for task in self._tasks:
            task.cancel()

    # -- what comes -----------------------------------------------------------------------------------------

    def arrived(self, arrived: Arrived) -> None:
        """A MESSAGE of an extension, which the gate has let in."""
        sender = self._switch.directory.find(arrived.identity)
        receiver = self._switch.directory.find(dialled_string(arrived.request.uri))
        if sender is None or receiver is None:
            self._switch.requests.respond(arrived, 404)
        else:
            self._take(arrived, sender, receiver, arrived.flow, self._phones_of(receiver))

    def in_dialog(self, effect: RequestInDialog, leg: Leg | None) -> None:
        """A MESSAGE within a call is for the other end of it, and for the phone that has the call alone."""
        conversation = None if leg is None else leg.conversation
        other = None if conversation is None else next(end for end in conversation.legs if end is not leg)
        if leg is None or leg.extension is None or other is None or other.extension is None:
            self._switch.requests.respond(effect, 480)
            return
        session = other.session
        phone = []
        if session is not None and session.dialog is not None:
            phone.append((session.dialog.remote_target, session.flow))
        self._take(effect, leg.extension, other.extension, effect.session.flow, phone)

    def _take(
        self,
        effect: Arrived | RequestInDialog,
        sender: Extension,
        receiver: Extension,
        flow: Flow,
        phones: Sequence[Target],
    ) -> None:
        respond = self._switch.requests.respond
        if not self._rate.admit(sender.number, self._switch.loop.time()):
            respond(effect, 503, [("Retry-After", str(RETRY_AFTER_SECONDS))])
            return
        try:
            message = PageMessage.of(effect.request, datagram=not flow.transport.reliable)
        except PeerError as error:
            respond(effect, error.status, [("Accept", ACCEPT)] if error.status == 415 else [])
            return
        self._start(self._serve(effect, Letter(sender, receiver, message, self._wall), phones))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._switch.loop.create_task(work, name="message")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, effect: Arrived | RequestInDialog, letter: Letter, phones: Sequence[Target]
    ) -> None:
        """Deliver a message, or keep it, and say which."""
        delivering = asyncio.ensure_future(_outcome(self._send(letter, phones), len(phones)))
        try:
            await asyncio.wait([delivering], timeout=PATIENCE_SECONDS)
            status = delivering.result() if delivering.done() else 480
            kept = await self._keep(letter) if status == 480 else None
            self._respond(effect, letter, 202 if kept else status)
            if kept is not None and await delivering == 200:  # late, but there
                self._strike_out(kept)
        finally:
            delivering.cancel()

    def _respond(self, effect: Arrived | RequestInDialog, letter: Letter, status: int) -> None:
        self._switch.requests.respond(effect, status, [("Accept", ACCEPT)] if status == 415 else [])
        if status < 300:
            self._switch.happenings.tell(
                MessageSent(
                    at=letter.sent_at,
                    sender=letter.sender.number,
                    receiver=letter.receiver.number,
                    content_type=letter.message.content_type,
                    text=letter.message.text,
                    delivered=status == 200,
                )
            )

    # -- what goes ------------------------------------------------------------------------------------------

    def _phones_of(self, extension: Extension) -> list[Target]:
        return [(binding.contact, binding.flow) for binding in self._switch.bindings(extension)]

    def _send(self, letter: Letter, phones: Sequence[Target]) -> asyncio.Queue[int]:
        """Send a message to all phones; the queue gets the status of each final response."""
        answers: asyncio.Queue[int] = asyncio.Queue()
        for target, flow in phones:
            host = self._switch.nat.addresses.signalling(flow).host
            request = letter.message.request(
                target,
                _address(letter.sender, host),
                _address(letter.receiver, host),
                self._switch.environment.rng,
                letter.sent_at if letter.kept_until else None,
            )
            if not flow.transport.reliable and len(request.to_bytes()) > MAX_DATAGRAM_BYTES:
                answers.put_nowait(513)
            else:
                self._switch.requests.send(
                    request, flow, lambda response: answers.put_nowait(response.status)
                )
        return answers

    # -- what is kept -----------------------------------------------------------------------------------------

    async def _keep(self, letter: Letter) -> Letter | None:
        """Keep a message for the next registration of its receiver; None where it cannot be."""
        message, number = letter.message, letter.receiver.number
        self._drop_expired(number)
        waiting = self._kept.get(number) or deque()
        if not message.keeps or len(waiting) >= MAX_KEPT:
            return None
        seconds = min(KEPT_SECONDS, message.expires_seconds or KEPT_SECONDS)
        until = self._wall + timedelta(seconds=seconds)
        id_ = f"{self._switch.environment.rng.getrandbits(128):032x}"
        kept = Letter(letter.sender, letter.receiver, message, letter.sent_at, until, id_)
        waiting.append(kept)
        self._kept[number] = waiting
        try:
            await self._switch.store.write(partial(add_page_message, _row(kept)))
        except StoreUnavailable as error:
            logger.warning("a message for %s is not kept: %s", number, error)
            self._strike_out(kept)
            return None
        return kept

    def _registered(self, registered: ExtensionRegistered) -> None:
        if registered.extension in self._kept and registered.extension not in self._flushing:
            self._start(self._flush(registered.extension))

    async def _flush(self, number: str) -> None:
        """Deliver what was kept for an extension, one by one, in order, as long as its phones are reached."""
        self._flushing.add(number)
        try:
            while (letter := self._oldest(number)) is not None:
                phones = self._phones_of(letter.receiver)
                status = await _outcome(self._send(letter, phones), len(phones))
                if status == 480:
                    return
                self._strike_out(letter)
                if status == 200:
                    self._switch.happenings.tell(
                        MessageDelivered(
                            at=self._wall,
                            sender=letter.sender.number,
                            receiver=number,
                            sent_at=letter.sent_at,
                        )
                    )
                else:
                    logger.info("a message kept for %s is refused by its phones: %d", number, status)
        finally:
            self._flushing.discard(number)

    def _oldest(self, number: str) -> Letter | None:
        self._drop_expired(number)
        return next(iter(self._kept.get(number, ())), None)

    def _strike_out(self, letter: Letter) -> None:
        number = letter.receiver.number
        self._switch.store.note(partial(remove_page_message, letter.id))
        left = deque(other for other in self._kept.get(number, ()) if other is not letter)
        if left:
            self._kept[number] = left
        else:
            self._kept.pop(number, None)

    def _drop_expired(self, number: str) -> None:
        now = self._wall
        for letter in list(self._kept.get(number, ())):
            if letter.kept_until is not None and letter.kept_until <= now:
                self._strike_out(letter)

    @property
    def _wall(self) -> datetime:
        return self._switch.environment.wall()


async def _outcome(answers: asyncio.Queue[int], phones: int) -> int:
    """200 as soon as a phone takes the message; else why one does not; 480 where none was reached."""
    refusals = []
    for _ in range(phones):
        status = await answers.get()
        if status < 300:
            return 200
        refusals.append(status)
    return next((status for status in refusals if status not in _UNREACHED), 480)


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "sender": letter.sender.number,
        "receiver": letter.receiver.number,
        "content_type": letter.message.content_type,
        "body": letter.message.body,
        "expires_seconds": letter.message.expires_seconds,
        "sent_at": letter.sent_at,
        "kept_until": letter.kept_until,
    }


def _address(extension: Extension, host: str) -> NameAddress:
    return NameAddress(extension.full_name or None, Uri("sip", extension.number, host=host), ())
