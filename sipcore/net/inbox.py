"""Messages that have been read and wait to be handled: reading is quick, so that the kernel never has to drop any.

How long they wait is how much there is to do. What has waited too long is turned away if it begins something new
(`sipcore.transport.overload`), which costs so little that all others are answered before anybody repeats himself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable

from sipcore.transport.flow import Address, Flow
from sipcore.transport.source import source_of

logger = logging.getLogger(__name__)

MAX_WAITING = 20_000
"""Messages; a datagram that comes above is lost."""
MAX_WAITING_BYTES = 32 * 1024 * 1024
SLICE_SECONDS = 0.005
"""So long messages are handled before more are read, and others on the loop have their turn."""
PATIENCE_SECONDS = 0.2
"""A new request that has waited for longer is asked to come again: before its sender repeats it."""
REPORT_SECONDS = 60.0

Sender = Address | Flow
"""Of a datagram its address, of what came over a connection its flow."""
Take = Callable[[bytes, Sender, float], None]
"""Told (message, from where, the time)."""
Refuse = Callable[[bytes, Sender, float], bool]
"""Told (message, from where, seconds that it has waited); whether it has been turned away."""


class Inbox:
    """One message of each source after the other, so that who sends many delays himself; those of a source in order.

    One that is repeated while it waits is handled once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Take,
        refuse: Refuse,
    ) -> None:
        """`refuse` is asked about what has waited too long."""
        self.refused = self.lost = 0
        """Messages turned away, and dropped, since the start."""
        self._loop = loop
        self._take = take
        self._refuse = refuse
        self._waiting: OrderedDict[str, deque[tuple[bytes, Sender]]] = OrderedDict()
        """Of each source (an IPv6 one is a /64), the next in front."""
        self._known: dict[tuple[bytes, Sender], float] = {}
        """All of these, and since when they wait."""
        self._lone: tuple[bytes, Sender, float] | None = None
        """The only one that waits, and since when: it has no place in any order, so no order is kept for it."""
        self._bytes = 0
        self._scheduled = False
        self._report_at = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._known) + (self._lone is not None)

    def has_room(self, data: bytes) -> bool:
        """Whether a message may wait here, or would be lost."""
        return len(self) < MAX_WAITING and self._bytes + len(data) <= MAX_WAITING_BYTES

    def put(self, data: bytes, sender: Sender, now: float) -> None:
        """A message has been read. To be followed by `work`, now or in a later turn."""
        lone, known = self._lone, self._known
        if lone is not None:
            self._lone = None
            self._enqueue(*lone)
        elif not known:
            self._lone = data, sender, now
            return
        if (data, sender) in known:
            return
        if len(known) >= MAX_WAITING or self._bytes + len(data) > MAX_WAITING_BYTES:  # `has_room`, without the call
            self.lost += 1
            return
        self._enqueue(data, sender, now)

    def _enqueue(self, data: bytes, sender: Sender, now: float) -> None:
        message = data, sender
        self._known[message] = now
        self._bytes += len(data)
        source = source_of(sender.remote.host if isinstance(sender, Flow) else sender.host)
        queue = self._waiting.get(source)
        if queue is None:
            self._waiting[source] = deque((message,))
        else:
            queue.append(message)

    def clear(self) -> None:
        """Nothing that waits is to be handled any more."""
        self._lone = None
        self._waiting.clear()
        self._known.clear()
        self._bytes = 0

    def work_soon(self) -> None:
        """Begin with what waits when others have had their turn."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        self.work()

    def work(self) -> None:
        """Handle what waits for a while, and go on with the rest when others have had their turn."""
        if self._scheduled:
            return
        now = self._loop.time()
        until = now + SLICE_SECONDS
        try:
            while (self._waiting or self._lone is not None) and now < until:
                if self._lone is not None:
                    (data, sender, since), self._lone = self._lone, None
                else:
                    source, queue = self._waiting.popitem(last=False)
                    message = data, sender = queue.popleft()
                    if queue:
                        self._waiting[source] = queue  # behind all others
                    since = self._known.pop(message)
                    self._bytes -= len(data)
                waited = now - since
                if waited >= PATIENCE_SECONDS and self._refuse(data, sender, waited):
                    self.refused += 1
                    self._report(now)
                else:
                    self._take(data, sender, now)
                if self._waiting or self._lone is not None:
                    now = self._loop.time()
        finally:  # what went wrong with one message does not keep the others waiting
            if self._waiting or self._lone is not None:
                self.work_soon()

    def _report(self, now: float) -> None:
        if now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            logger.warning(
                "too much to do: %d requests have been asked to come later, %d lost", self.refused, self.lost
            )
