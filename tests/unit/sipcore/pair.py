"""Two endpoints and a pipe between them, on a clock that the test moves.

What an endpoint sends lies in the pipe until `settle` or `advance`; so messages cross when both sides act first.
Whatever is told to a side's user is in its `facts`, and in words in `told`; `wire` is the ladder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from sipcore.dialog.caller import CallerSession
from sipcore.effects import Effect, Ended, Invited, Transmit
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.errors import ParseError
from sipcore.registrar.gate import Admitted
from sipcore.sdp.description import MediaDescription, Origin, SessionDescription
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport

Message = Request | Response
Route = Callable[[str], Sequence[float]]
"""A line of the ladder -> how many seconds each copy of the message takes; none at all if it is lost."""

T1, T2, T4 = 0.5, 4.0, 5.0
TIMEOUT = 64 * T1
NOTHING = {"transactions": 0, "sessions": 0, "dialogs": 0}


def description(name: str, port: int = 4000) -> SessionDescription:
    """A description that tests tell from others by its name."""
    media = MediaDescription("audio", port, "RTP/AVP", ("0",))
    return SessionDescription(Origin("-", "1", "1", "192.0.2.1"), name, "192.0.2.1", media=(media,))


OFFER, ANSWER = description("offer"), description("answer")
OFFER_2, ANSWER_2 = description("offer 2"), description("answer 2")


class OpenGate:
    """Admits everybody as who they say they are."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted:
        return Admitted(request.from_.uri.user or "")


class Side:
    """One endpoint and its user."""

    def __init__(self, pair: Pair, arrow: str, flow: Flow, settings: EndpointSettings, seed: int) -> None:
        self.pair = pair
        self.arrow = arrow
        self.flow = flow
        self.endpoint = Endpoint(settings, Random(seed), OpenGate())
        self.session: Any = None
        """The session begun last."""
        self.facts: list[Effect] = []
        self.sent: list[Message] = []
        self.received: list[Message] = []
        self.on_fact: Callable[[Effect], None] = lambda fact: None
        """The user's reaction; it may perform further effects."""

    @property
    def other(self) -> Side:
        return self.pair.callee if self is self.pair.caller else self.pair.caller

    @property
    def told(self) -> list[str]:
        """The facts in a word or two: `Progressed 180`, `Ended bye`."""
        return [in_words(fact) for fact in self.facts]

    @property
    def descriptions(self) -> tuple[str | None, str | None]:
        """The names of what the session has agreed to last: ours and theirs."""
        local, remote = self.session.local_description, self.session.remote_description
        return local and local.name, remote and remote.name

    def do(self, verb: str, *arguments: Any, **more: Any) -> None:
        """Let the user speak through a verb of the session."""
        self.perform(getattr(self.session, verb)(*arguments, now=self.pair.now, **more))

    def invite(self, offer: SessionDescription | None = OFFER, **more: Any) -> CallerSession:
        """Begin a session."""
        session, effects = self.endpoint.invite(
            Uri.parse("sip:kim@192.0.2.2"),
            self.flow,
            from_=NameAddress.parse("<sip:lee@192.0.2.1>"),
            to=NameAddress.parse("<sip:kim@192.0.2.2>"),
            offer=offer,
            now=self.pair.now,
            **more,
        )
        self.session = session
        self.perform(effects)
        return session

    def receive(self, message: Message | bytes) -> None:
        """Take a message from the network."""
        now = self.pair.now
        try:
            parsed = parse_message(message if isinstance(message, bytes) else message.to_bytes())
        except ParseError as error:
            self.perform(self.endpoint.receive_error(error, self.flow, now))
            return
        self.received.append(parsed)
        self.perform(self.endpoint.receive(parsed, self.flow, now))

    def perform(self, effects: list[Effect]) -> None:
        """Put messages into the pipe, and tell the user everything else."""
        for effect in effects:
            if isinstance(effect, Transmit):
                self.pair.send(self, effect.data)
                continue
            if isinstance(effect, Invited):
                self.session = effect.session
            self.facts.append(effect)
            self.on_fact(effect)

    def last(self, word: str) -> Any:
        """The last message received that reads like this: `INVITE`, or `200 INVITE`."""
        return next(message for message in reversed(self.received) if line(message) == word)


class Pair:
    """The caller, the called side, and the pipe."""

    def __init__(
        self, transport: Transport = Transport.UDP, settings: EndpointSettings | None = None, seed: int = 1
    ) -> None:
        ours, theirs = Address("192.0.2.1", 5060), Address("192.0.2.2", 5060)
        connection = 1 if transport.reliable else 0
        settings = settings or EndpointSettings()
        self.now = 1000.0
        self.caller = Side(self, ">", Flow(transport, ours, theirs, connection), settings, seed)
        self.callee = Side(self, "<", Flow(transport, theirs, ours, connection), settings, seed + 1)
        self.wire: list[str] = []
        self.route: Route = lambda line: [0.0]
        self._pipe: list[tuple[float, int, Side, bytes]] = []
        self._order = count()

    def send(self, sender: Side, data: bytes) -> None:
        """Put a message into the pipe."""
        message = parse_message(data)
        sender.sent.append(message)
        text = f"{sender.arrow} {line(message)}"
        delays = self.route(text)
        self.wire.append(text if delays else f"{text} lost")
        for delay in delays:
            heappush(self._pipe, (self.now + delay, next(self._order), sender.other, data))

    def lose(self, *lines: str) -> None:
        """From now on these are lost: `> ACK`, `< 200 INVITE`; all there is without arguments."""
        self.route = lambda line: [] if not lines or line in lines else [0.0]

    def heal(self) -> None:
        """From now on everything arrives at once."""
        self.lose("nothing")

    def discard(self) -> None:
        """Lose what is on its way."""
        self._pipe.clear()

    def settle(self) -> None:
        """Deliver what has arrived by now, and all that comes of it at once."""
        while self._pipe and self._pipe[0][0] <= self.now:
            _, _, receiver, data = heappop(self._pipe)
            receiver.receive(data)

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen in it."""
        end = self.now + seconds
        self.settle()
        while (due := self._next()) is not None and due <= end:
            self.now = max(self.now, due)
            for side in (self.caller, self.callee):
                self._tick(side)
            self.settle()
        self.now = end

    def _tick(self, side: Side) -> None:
        side.perform(side.endpoint.tick(self.now))
        deadline = side.endpoint.next_deadline()
        assert deadline is None or deadline > self.now, "a deadline that has come was not attended to"

    def _next(self) -> float | None:
        times = [self._pipe[0][0]] if self._pipe else []
        deadlines = (self.caller.endpoint.next_deadline(), self.callee.endpoint.next_deadline())
        times += [deadline for deadline in deadlines if deadline is not None]
        return min(times, default=None)

    def ladder(self) -> list[str]:
        """What was sent since the last look."""
        lines, self.wire = self.wire, []
        return lines

    # -- short cuts -------------------------------------------------------------------------------------

    def ringing(self, offer: SessionDescription | None = OFFER) -> tuple[Side, Side]:
        """A call that rings."""
        self.caller.invite(offer)
        self.settle()
        self.callee.do("progress", 180)
        self.settle()
        self.forget()
        return self.caller, self.callee

    def established(self) -> tuple[Side, Side]:
        """A call that was answered and acknowledged."""
        self.ringing()
        self.callee.do("accept", ANSWER)
        self.settle()
        self.forget()
        return self.caller, self.callee

    def forget(self) -> None:
        """Begin to record anew."""
        self.wire.clear()
        for side in (self.caller, self.callee):
            side.facts.clear()

    def assert_nothing_remains(self, seconds: float = TIMEOUT) -> None:
        """After so many seconds neither endpoint keeps anything, or waits for anything."""
        self.advance(seconds)
        for side in (self.caller, self.callee):
            assert_empty(side.endpoint)


def assert_empty(endpoint: Endpoint) -> None:
    """The endpoint keeps nothing, in no table, and waits for nothing."""
    assert endpoint.live() == NOTHING
    assert endpoint.next_deadline() is None
    table = endpoint.transactions
    assert [*table._clients, *table._servers, *table._merged, *table._streams] == []
    assert [*endpoint._sessions, *endpoint._of_flow, *endpoint._adrift.until] == []


def line(message: Message) -> str:
    """A message in the ladder."""
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"


def in_words(fact: Effect) -> str:
    """A fact in a word or two."""
    words = [type(fact).__name__]
    names = getattr(fact, "_fields", None) or [field.name for field in dataclasses.fields(fact)]
    fields = set(names)
    if isinstance(fact, Ended):
        words.append(fact.cause.value)
    elif "response" in fields:
        words.append(str(fact.response.status))
    elif words[0] in ("Arrived", "RequestInDialog"):
        words.append(fact.request.method)
    return " ".join(words)
