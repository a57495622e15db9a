"""The wait of a media worker: by one system call it sends the packets that go, and hears of those that come and of all
else that the event loop waits for.

A wake-up costs more than a packet does, most of all on a machine that does other things meanwhile. So there is at most
one in `GATHER_SECONDS`, and fewer under load: a packet that comes after a pause is read at once, one that follows
another waits for its like. Sockets are here while they are connected to their peer; the others are read by
`media.net.EpollReaders`.
"""

from __future__ import annotations

import errno
import logging
import selectors
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from media.ring import GOES_ON, HOLDS_DATAGRAM, Ring
from media.route import Route

if TYPE_CHECKING:
    from media.express import Express
    from media.net import Lane, SystemMediaSocket

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.002
"""A packet of sound lasts ten times as long, and a phone's buffer as a rule twenty."""
BUSY_SECONDS: Final = 0.0035
"""The same where many come. Delay counts for more while there are fewer, and CPU time while there are more."""
BUSY_RATE: Final = 800
"""Packets in a second, of 8 calls: so many are gathered for longer."""
QUIET_RATE: Final = 0.75
"""Less than this part of that is no load any more."""
CROWD_SECONDS: Final = 0.0065
"""The same where a crowd comes."""
CROWD_RATE: Final = 15_000
"""Packets in a second, of 150 calls: that is a crowd."""
GROWING_RATE: Final = 5_000
"""From here on it grows into one, step by step."""
MOST_GATHERED: Final = 192
"""No more packets than these are meant to be gathered, for there are but so many buffers."""
LOOK_SECONDS: Final = 0.1
"""So long are they counted."""
SILENCE_SECONDS: Final = 1.0
"""Packets that are passed on in arrays come sooner than that, or it is noticed."""
SOCKETS: Final = 1536
"""A core can relay for fewer."""
SENDS: Final = 254
"""Packets for one system call, but for those that go from where they came to."""
BUFFERS: Final = 256
"""Datagrams that are read at one wake-up. What does not fit waits in the sockets."""
MOST: Final = 256
"""Completions that are dealt with before the event loop has its turn."""
REST = 7
"""One in so many packets that are relayed one by one is looked at whether its route's are usual again: to take a route
in and to give it back costs more than a packet does."""


class UringLane(selectors.DefaultSelector):
    """A selector that reads media sockets, too."""

    def __init__(
        self,
        ring: Ring | None = None,
        now: Callable[[], float] = time.monotonic,
        busy_rate: float = BUSY_RATE,
        secret: int = 0,
    ) -> None:
        """`ring`: with places for `SOCKETS` and `SENDS`. `now`: when packets come, in seconds, as all others reckon.
        `secret`: 32 bits that no peer can guess.

        Raises OSError where there is no io_uring, or none that is new enough."""
        self._ring, self._now = ring or Ring(SOCKETS, SENDS, BUFFERS), now
        super().__init__()
        self._sockets: list[SystemMediaSocket | None] = [None] * SOCKETS
        """By number; None: there is none, or its receiving is about to end."""
        self._fds = [-1] * SOCKETS
        self._free = list(range(SOCKETS - 1, -1, -1))
        self._watched = False
        """Whether the ring tells when others can be read."""
        self._busy_rate, self._is_busy = busy_rate, False
        self._gather = GATHER_SECONDS
        self._came, self._looked_at = 0, now()
        """Since that time."""
        self._silent_since = now()
        """Streams of which nothing has come since then are silent at the next look."""
        self._relayed = 0
        """Packets, one by one."""
        self._express: Express | None = None
        self._secret = secret

    def use_arrays(self) -> None:
        """Pass relayed packets on in arrays from now on: numpy has been loaded."""
        from media.express import Express

        if self._express is None and sys.byteorder == "little":  # completions and headers are read in words
            self._express = Express(self._ring, self._now, self._secret)

    def take(self, socket: SystemMediaSocket, fd: int) -> int | None:
        """Read a connected socket, in whose queue is nothing of others, until `release`; its number, if there is one
        left."""
        if not self._free:
            return None
        number = self._free.pop()
        self._sockets[number], self._fds[number] = socket, fd
        self._ring.receive(number, fd)
        return number

    def release(self, number: int) -> None:
        """Send what is to be sent, and read a socket no more."""
        self._leave_express(number)
        self._sockets[number] = None
        self._ring.cancel(number)
        self._ring.let_go(self._fds[number])

    def send(self, number: int, data: bytes) -> None:
        """Send a datagram to the peer before it is waited again, or lose it, as on any network."""
        self._ring.send(self._fds[number], data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, at most so many seconds; packets of media sockets are handled, and are none."""
        ring, until = self._ring, None if timeout is None else time.monotonic() + timeout
        while True:
            if not self._watched:
                ring.watch(self.fileno())
                self._watched = True
            came = ring.wait(self._at_most(timeout), self._gather)
            self._came += came
            if looks := (now := self._now()) - self._looked_at >= LOOK_SECONDS:
                self._look_at_load(now)
                self._look_for_silence(now)
            is_quiet = came > 0 and self._handle()
            is_late = until is not None and time.monotonic() >= until
            if not is_quiet or is_late or looks or not self._watched:  # alarms may have been set
                break
            timeout = None if until is None else until - time.monotonic()
        events = [] if self._watched else super().select(0)
        if events or is_late:
            ring.flush()  # what the event loop has to do now may take long
        return events

    def close(self) -> None:
        """Wait no more."""
        super().close()
        self._ring.close()

    def _handle(self) -> bool:
        """Deal with what has come; whether that was packets, and nobody was called who may want something of the event
        loop."""
        ring, express = self._ring, self._express
        # What the kernel was short of memory for may be a receive, which would take buffers that wait to be sent.
        if express is not None and express.routes and ring.has_submitted_all:
            left = express.pass_on(MOST)
            if left:
                self._deal_with(left)
            ring.give_back()
            return not left
        self._deal_with(ring.completed(MOST))
        ring.give_back()
        return False

    def _at_most(self, timeout: float | None) -> float | None:
        """How long it may be waited until it is looked for silence."""
        if self._express is None or not self._express.routes:
            return timeout
        return SILENCE_SECONDS if timeout is None else min(timeout, SILENCE_SECONDS)

    def _look_for_silence(self, now: float) -> None:
        if self._express is not None and now - self._silent_since >= SILENCE_SECONDS:
            self._silent_since = now
            self._express.look_for_silence()

    def _look_at_load(self, now: float) -> None:
        rate = self._came / (now - self._looked_at)
        self._came, self._looked_at = 0, now
        self._is_busy = rate >= self._busy_rate * (QUIET_RATE if self._is_busy else 1.0)
        self._gather = gathering(rate) if self._is_busy else GATHER_SECONDS

    def _deal_with(self, completions: Iterable[tuple[int, int, int]]) -> None:
        """One by one."""
        ring, sockets, express = self._ring, self._sockets, self._express
        for number, result, flags in completions:
            if number < SOCKETS:
                data = ring.datagram(result, flags) if flags & HOLDS_DATAGRAM else b""
                socket = sockets[number]  # None: one that was called before has closed it
                try:
                    if result >= 0 and socket is not None and socket.peer is not None:
                        socket.receive(data, socket.peer)
                        if express is not None:
                            self._admit(number, socket, express)
                except Exception:  # of one stream; the others have packets, too
                    logger.exception("a datagram could not be handled")
                if not flags & GOES_ON:
                    self._ended(number, result)
            elif number == ring.poll:
                self._watched = False

    def _ended(self, number: int, result: int) -> None:
        """A socket is received from no more."""
        socket = self._sockets[number]
        if socket is not None and (result >= 0 or result == -errno.ENOBUFS):
            self._ring.receive(number, self._fds[number])
            return
        self._sockets[number] = None
        self._free.append(number)
        self._leave_express(number)
        if socket is not None:  # its peer has gone, says an ICMP message
            self._ring.let_go(self._fds[number])
            socket.left_lane()

    def _admit(self, number: int, socket: SystemMediaSocket, express: Express) -> None:
        self._relayed += 1
        if not self._relayed % REST and isinstance(socket.receive, Route):
            express.admit(number, socket, socket.receive)

    def _leave_express(self, number: int) -> None:
        if self._express is not None:
            self._express.closes(number)


def gathering(rate: float) -> float:
    """For how many seconds packets are gathered under the load of so many in a second."""
    crowd = min(max((rate - GROWING_RATE) / (CROWD_RATE - GROWING_RATE), 0.0), 1.0)
    seconds = BUSY_SECONDS + crowd * (CROWD_SECONDS - BUSY_SECONDS)
    return seconds if rate * seconds <= MOST_GATHERED else MOST_GATHERED / rate


def open_lane(secret: int) -> UringLane | None:
    """A lane, if this system has it. `secret`: 32 bits that no peer can guess."""
    try:
        return UringLane(secret=secret)
    except OSError as error:
        logger.info("media sockets are read and written to one by one: there is no io_uring (%s)", error)
        return None


if TYPE_CHECKING:
    _: type[Lane] = UringLane
