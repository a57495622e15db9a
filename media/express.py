"""Relayed packets in arrays: what `media.route` does with one after another, done with all that have come together.

A route is here while each of its packets is the next one, and needs no more than another header. They are sent from the
very memory to which they were received. Whatever is unusual goes the way of the route, which knows by then all that was
counted here (`Route.take_back`). Tests hold both ways to the same packets and figures.

Wherever a worker wakes up, its caches are full of what others needed, and a call of numpy costs several times what it
does in a loop. So there are few: what is compared is compared as bytes, the 16 first bytes of a packet are gathered and
written as one value, and statistics wait until there is more to be counted, or somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from media.net import SystemMediaSocket
from media.ring import GOES_ON, HOLDS_DATAGRAM, OPERATION_BYTES, STRIDE, Ring
from media.rtp import HEADER_BYTES, MAX_PACKET_BYTES

if TYPE_CHECKING:
    from media.route import Route

FEW: Final = 4
"""Fewer packets are quicker passed on one by one."""
UNCOUNTED: Final = 1024
"""Packets."""
LOOK: Final = 256
"""So many times packets are passed on, at most one of each route, until it is looked at which routes come to the end of
their sequence numbers."""

_COMPLETION: Final = np.dtype([("number", "i8"), ("result", "i4"), ("flags", "u4")])
"""struct io_uring_cqe."""
_BEGIN: Final = np.complex128
"""The first 16 bytes of a packet, moved as they are: header and a bit of the payload."""
_TIMESTAMP, _KEY, _PAYLOAD, _SSRC = range(4)
"""What these are in the byte order of the machine, as four numbers. A key is start and sequence number."""
_NO_ROUTE: Final = 1
"""What is added to the payload where there is none; the sum of it is not needed."""

_Numbers = npt.NDArray[np.intp]
_Begins = npt.NDArray[np.complex128]
_Quarters = npt.NDArray[np.uint32]


class Express:
    """Routes between sockets of a ring, by the number under which their packets are received."""

    def __init__(self, ring: Ring, now: Callable[[], float]) -> None:
        """`now`: in seconds, as that of the routes."""
        self._ring, self._now = ring, now
        self._routes: dict[int, Route] = {}
        self._spoken_by: dict[int, int] = {}
        """The number of whoever is heard by the peer of a socket, by the number of that."""
        operations, slots = len(ring.operations) // OPERATION_BYTES, len(ring.incoming) // STRIDE
        self._completions = np.frombuffer(ring.completions, _COMPLETION)
        self._numbers = self._completions["number"]
        lanes = self._completions.view(np.uint16).reshape(-1, 8)
        self._sizes, self._more, self._buffers = lanes[:, 4], lanes[:, 5:7], lanes[:, 7]
        """Of completions; in the middle what is above 65535 of the size, and the flags."""
        self._whole = np.tile(np.array([0, HOLDS_DATAGRAM | GOES_ON], np.uint16), operations).tobytes()
        self._fits = np.zeros(65536, np.bool_)
        self._fits[HEADER_BYTES + 1 : MAX_PACKET_BYTES + 1] = True
        self._begins = np.ndarray((slots,), _BEGIN, ring.incoming, 0, (STRIDE,))
        self._addresses = ring.incoming_at + STRIDE * np.arange(slots, dtype=np.uint64)
        sends = np.frombuffer(ring.operations, np.uint8).reshape(operations, OPERATION_BYTES)
        self._send_fds, self._send_sizes = sends.view(np.int32)[:, 1], sends.view(np.int32)[:, 6]
        self._send_addresses = sends.view(np.uint64)[:, 2]
        self._next = np.tile(np.array([1, 0], np.uint32), operations).tobytes()
        """How keys and SSRCs of packets that are the next ones differ from those before."""
        self._zeros = bytes(4 * operations)
        # Of each route:
        self._last = np.zeros(operations, _BEGIN)
        """The begin of its last packet; and what is added to each quarter to get that of what is sent."""
        self._offset = np.zeros(operations, _BEGIN)
        self._quarters, self._offsets = (
            each.view(np.uint32).reshape(-1, 4) for each in (self._last, self._offset)
        )
        self._offsets[:, _PAYLOAD] = _NO_ROUTE
        self._end = np.zeros(operations, np.uint32)
        """The last key before a sequence number wraps, here or in what is sent."""
        self._fd = np.full(operations, -1, np.int32)
        self._relays = 0
        self._odd_at = np.full(operations, operations)
        # Statistics:
        self._uncounted: list[tuple[_Numbers, _Quarters, _Numbers, float]] = []
        """Numbers, the quarters of their begins, sizes, and when they were passed on."""
        self._uncounted_packets = 0
        self._clock, self._jitter = np.zeros(operations), np.zeros(operations)
        self._transit = np.zeros(operations, np.uint32)
        """As in `RtpReceiver`."""
        self._packets, self._octets = np.zeros(operations, np.intp), np.zeros(operations, np.intp)
        """Those that the route does not know of; octets with headers."""
        self._places = np.zeros(operations, np.intp)

    def __len__(self) -> int:
        return len(self._routes)

    # -- routes ---------------------------------------------------------------------------------------

    def admit(self, number: int, socket: SystemMediaSocket, route: Route) -> None:
        """Pass packets on that are received under this number, if the route leads to another socket of the ring, just
        as they are."""
        hearer = getattr(route.send, "__self__", None)
        if number in self._routes or not isinstance(hearer, SystemMediaSocket) or hearer.number is None:
            return
        if hearer.peer != route.remote or socket.peer != route.source:
            return
        going = route.going()
        if going is None or going.end - going.key < 2 * LOOK:
            return
        self._routes[number], self._spoken_by[hearer.number] = route, number
        self._quarters[number] = going.timestamp, going.key, 0, going.ssrc
        self._offsets[number] = (
            going.sent_timestamp - going.timestamp & 0xFFFFFFFF,
            going.sent_key - going.key & 0xFFFFFFFF,
            0,
            going.sent_ssrc - going.ssrc & 0xFFFFFFFF,
        )
        self._end[number], self._fd[number] = going.end, hearer.fileno()
        self._clock[number], self._jitter[number] = going.clock_rate, going.jitter
        self._transit[number] = going.transit & 0xFFFFFFFF
        self._packets[number] = self._octets[number] = 0
        route.lend(self, number)

    def write_books(self, number: int) -> None:
        """Let a route know what was passed on here."""
        self._count()
        timestamp, key, _, _ = self._quarters[number].tolist()
        packets, octets = int(self._packets[number]), int(self._octets[number])
        self._packets[number] = self._octets[number] = 0
        self._routes[number].resume(
            key, timestamp, packets, octets, int(self._transit[number]), float(self._jitter[number])
        )

    def key(self, number: int) -> int:
        """That of the last packet of a route, in which its sequence number is."""
        return int(self._quarters[number, _KEY])

    def dismiss(self, number: int) -> None:
        """Pass on no more of a route, once it knows all."""
        self.write_books(number)
        self._offsets[number, _PAYLOAD], self._fd[number] = _NO_ROUTE, -1
        del self._routes[number]
        for hearer in [hearer for hearer, speaker in self._spoken_by.items() if speaker == number]:
            del self._spoken_by[hearer]

    def clear(self) -> None:
        """Let all routes go: for few packets arrays are not worth it."""
        for route in list(self._routes.values()):
            route.take_back()

    def closes(self, number: int) -> None:
        """A socket is about to be received from, and sent to, no more."""
        for each in (number, self._spoken_by.get(number)):
            if each is not None and each in self._routes:
                self._routes[each].take_back()

    def _look(self) -> None:
        """Let routes go before their sequence numbers wrap."""
        self._relays = 0
        for number in (self._end - self._quarters[:, _KEY] < 2 * LOOK).nonzero()[0].tolist():
            if number in self._routes:
                self._routes[number].take_back()

    # -- packets --------------------------------------------------------------------------------------

    def pass_on(self, most: int) -> list[tuple[int, int, int]]:
        """Take what the ring has to tell, and pass on what is usual. The completions that are left are to be dealt with
        in their order; of one number, they came after those that were passed on."""
        first, count = self._ring.next_completions(most)
        come = slice(first, first + count)
        numbers, buffers = self._numbers[come].copy(), self._buffers[come].astype(np.intp)
        sizes, more = self._sizes[come].astype(np.intp), self._more[come].tobytes()
        self._ring.took(count)
        if more != self._whole[: len(more)]:
            flags = self._completions["flags"][come] & (HOLDS_DATAGRAM | GOES_ON)
            whole = (self._more[come, 0] == 0) & (flags == HOLDS_DATAGRAM | GOES_ON)
            sizes[~whole] = 0
        usual = self._relay(numbers, buffers, sizes)
        if usual is None:
            return []
        left = (~usual).nonzero()[0]
        while len(left) >= FEW and np.count_nonzero(usual) >= FEW:  # some had several
            usual = self._relay(numbers[left], buffers[left], sizes[left])
            left = left[:0] if usual is None else left[~usual]
            if usual is None:
                break
        found: list[tuple[int, int, int]] = self._completions[first + left].tolist()
        return found

    def _relay(self, numbers: _Numbers, buffers: _Numbers, sizes: _Numbers) -> npt.NDArray[np.bool_] | None:
        """Pass on the usual ones of these datagrams: which were; None: all."""
        begins, offset = self._begins[buffers].byteswap(inplace=True), self._offset[numbers]
        quarters, offsets = begins.view(np.uint32), offset.view(np.uint32)
        steps, count = quarters - self._last[numbers].view(np.uint32), len(numbers)
        if (
            steps[_KEY::2].tobytes() == self._next[: 8 * count]
            and offsets[_PAYLOAD::4].tobytes() == self._zeros[: 4 * count]
            and np.count_nonzero(self._fits[sizes]) == count
        ):
            self._send(numbers, buffers, sizes, begins, quarters + offsets)
            return None
        usual: npt.NDArray[np.bool_] = self._fits[sizes]
        usual &= steps[_KEY::4] == 1
        usual &= steps[_SSRC::4] == 0
        usual &= offsets[_PAYLOAD::4] == 0
        odd = (~usual).nonzero()[0]
        whose = numbers[odd]
        self._odd_at[whose[::-1]] = odd[::-1]  # the first of each number
        usual &= np.arange(count) < self._odd_at[numbers]
        self._odd_at[whose] = len(self._odd_at)
        if np.count_nonzero(usual):
            sent = (quarters + offsets).reshape(-1, 4)[usual].reshape(-1)
            self._send(numbers[usual], buffers[usual], sizes[usual], begins[usual], sent)
        return usual

    def _send(
        self, numbers: _Numbers, buffers: _Numbers, sizes: _Numbers, begins: _Begins, sent: _Quarters
    ) -> None:
        self._last[numbers] = begins
        self._begins[buffers] = sent.view(_BEGIN).byteswap(inplace=True)
        ring = self._ring
        ring.took_buffers(len(numbers))
        count = ring.room_to_send(len(numbers))  # what finds no room is lost, as on any network
        first = ring.submit_sends(count)
        sends = slice(first, first + count)
        self._send_fds[sends] = self._fd[numbers[:count]]
        self._send_addresses[sends] = self._addresses[buffers[:count]]
        self._send_sizes[sends] = sizes[:count]
        self._uncounted.append((numbers, begins.view(np.uint32), sizes, self._now()))
        self._uncounted_packets += len(numbers)
        if self._uncounted_packets >= UNCOUNTED:
            self._count()
        self._relays += 1
        if self._relays == LOOK:
            self._look()

    # -- statistics -----------------------------------------------------------------------------------

    def _count(self) -> None:
        """What `RtpReceiver.count` does, and the octets of what was sent."""
        if not self._uncounted:
            return
        uncounted, self._uncounted, self._uncounted_packets = self._uncounted, [], 0
        numbers, sizes = (np.concatenate([each[at] for each in uncounted]) for at in (0, 2))
        stamps = np.concatenate([each[1][_TIMESTAMP::4] for each in uncounted])
        times = np.repeat([each[3] for each in uncounted], [len(each[0]) for each in uncounted])
        transits = (times * self._clock[numbers]).astype(np.int64).astype(np.uint32) - stamps
        np.add.at(self._packets, numbers, 1)
        np.add.at(self._octets, numbers, sizes)
        waiting = np.arange(len(numbers))
        while len(waiting):  # of each number one after another
            whose = numbers[waiting]
            self._places[whose[::-1]] = waiting[::-1]
            is_first = self._places[whose] == waiting
            these, waiting = waiting[is_first], waiting[~is_first]
            whose = numbers[these]
            jitter, transit = self._jitter[whose], transits[these]
            grown = np.abs((transit - self._transit[whose]).view(np.int32), dtype=np.float64)
            self._jitter[whose] = jitter + (grown - jitter) / 16  # RFC 3550 section A.8
            self._transit[whose] = transit
