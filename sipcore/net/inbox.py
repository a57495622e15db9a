"""Messages that have been read and wait to be handled: reading is quick, so that the kernel never has to drop any.

How long they wait is how much there is to do. What has waited too long is turned away if it begins something new
(`sipcore.transport.overload`), which costs so little that all others are answered before anybody repeats himself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from itertools import chain, zip_longest
from operator import length_hint
from typing import TypeVar

from sipcore.net.udp import Datagram
from sipcore.transport.flow import Flow
from sipcore.transport.source import source_of

logger = logging.getLogger(__name__)

MAX_WAITING = 20_000
"""Messages; a datagram that comes above is lost. To it, what waits of its own source counts twice, so that a flood
loses its own: one source takes half at most, two a third each (dynamic thresholds: Choudhury and Hahne, 1998)."""
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Counted in the same way. What comes over a connection is never lost, and takes all room that there is: what does not
wait is handled at once, before all others."""
FLOOD = 250
"""Messages: who has so many waiting, and loses more, is the one who sends too much."""
SLICE_SECONDS = 0.005
"""So long messages are handled before more are read, and others on the loop have their turn."""
PATIENCE_SECONDS = 0.2
"""A new request that has waited for longer is asked to come again: before its sender repeats it."""
REPORT_SECONDS = 60.0

Sender = tuple[str, int] | Flow
"""Of a datagram its address, of what came over a connection its flow."""
Message = tuple[bytes, Sender]
Some = TypeVar("Some", bound=Message)
Take = Callable[[bytes, Sender, float], None]
"""Told (message, from where, the time)."""
Refuse = Callable[[bytes, Sender, float], bool]
"""Told (message, from where, seconds that it has waited); whether it has been turned away."""


class _Queue(deque[Message]):
    """What waits of one source, the next in front."""

    size = 0
    """Bytes."""


_NOTHING = _Queue()


class Inbox:
    """One message of each source after the other, so that who sends many delays himself; those of a source in order.

    One that is repeated while it waits is handled once. Where something waits, a turn of the loop is scheduled.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Take,
        refuse: Refuse,
        worked: Callable[[], None],
    ) -> None:
        """`refuse` is asked about what has waited too long; `worked` is told before others have their turn."""
        self.refused = self.lost = 0
        """Messages turned away, and dropped, since the start."""
        self.excess = Counter[str]()
        """How many each source has lost while much of its own waited; cleared by whoever reads it."""
        self._loop = loop
        self._take = take
        self._refuse = refuse
        self._worked = worked
        self._waiting: OrderedDict[str, _Queue] = OrderedDict()
        """Of each source (an IPv6 one is a /64)."""
        self._known: dict[Message, float] = {}
        """All of these, and since when they wait."""
        self._bytes = 0
        self._scheduled = False
        self._report_at = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._known)

    def put(self, messages: Iterable[Some], now: float) -> list[Some]:
        """Messages have been read: handle them when others have had their turn. Returns those without room."""
        known, waiting = self._known, self._waiting
        over: list[Some] = []
        for message in messages:
            if message in known:
                continue
            data, sender = message
            source = source_of(sender.host if isinstance(sender, Flow) else sender[0])
            queue, size = waiting.get(source, _NOTHING), len(data)
            own = _NOTHING if isinstance(sender, Flow) else queue
            if len(known) + len(own) >= MAX_WAITING or self._bytes + own.size + size > MAX_WAITING_BYTES:
                over.append(message)
                continue
            if not queue:
                queue = waiting[source] = _Queue()
            queue.append(message)
            queue.size += size
            known[message] = now
            self._bytes += size
        self._work_soon()
        return over

    def clear(self) -> None:
        """Nothing that waits is to be handled any more."""
        self._waiting.clear()
        self._known.clear()
        self._bytes = 0

    def work(self, queues: Collection[list[Datagram]], now: float) -> None:
        """Datagrams have been read together, and sorted by source: handle them for a while, and the rest when others
        have had their turn; so all, where something waits already."""
        if self._scheduled:
            self._put_or_lose(_in_turn(queues), now)
            return
        ordered = _in_turn(queues)
        if len(set(ordered)) < len(ordered):  # something has been repeated meanwhile
            ordered = _in_turn([list(dict.fromkeys(queue)) for queue in queues])
        coming = iter(ordered)
        read_at, until, take, time = now, now + SLICE_SECONDS, self._take, self._loop.time
        try:
            for data, sender in coming:
                take(data, sender, now)
                now = time()
                if now >= until:
                    break
        finally:  # what went wrong with one message does not keep the others waiting
            if length_hint(coming):
                self._put_or_lose(coming, read_at)
            self._worked()

    def work_on(self, data: bytes, sender: tuple[str, int], now: float) -> None:
        """A datagram has been read alone: handle it, or let it wait where something waits already."""
        if self._scheduled:
            self._put_or_lose([(data, sender)], now)
            return
        try:
            self._take(data, sender, now)
        finally:
            self._worked()

    def _put_or_lose(self, datagrams: Iterable[Datagram], now: float) -> None:
        for _, sender in self.put(datagrams, now):
            self.lost += 1
            source = source_of(sender[0])
            if len(self._waiting.get(source, _NOTHING)) >= FLOOD:
                self.excess[source] += 1

    def _work_soon(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        self._serve(self._loop.time())

    def _serve(self, now: float) -> None:
        """Handle what waits for a while."""
        until = now + SLICE_SECONDS
        try:
            while self._waiting and now < until:
                source, queue = self._waiting.popitem(last=False)
                message = data, sender = queue.popleft()
                size = len(data)
                if queue:
                    queue.size -= size
                    self._waiting[source] = queue  # behind all others
                waited = now - self._known.pop(message)
                self._bytes -= size
                if waited >= PATIENCE_SECONDS and self._refuse(data, sender, waited):
                    self.refused += 1
                    self._report(now)
                else:
                    self._take(data, sender, now)
                if self._waiting:
                    now = self._loop.time()
        finally:
            self._work_soon()
            self._worked()

    def _report(self, now: float) -> None:
        if now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            logger.warning(
                "too much to do: %d requests have been asked to come later, %d lost", self.refused, self.lost
            )


def by_source(datagrams: list[Datagram]) -> dict[str, list[Datagram]]:
    """What has come of each source, in order."""
    queues: defaultdict[str, list[Datagram]] = defaultdict(list)
    for datagram in datagrams:
        host = datagram[1][0]
        queues[source_of(host) if ":" in host else host].append(datagram)  # of IPv4 without the call
    return queues


def _in_turn(queues: Collection[list[Datagram]]) -> list[Datagram]:
    """One of each queue after the other."""
    if len(queues) == 1:
        return next(iter(queues))
    return list(filter(None, chain.from_iterable(zip_longest(*queues))))
