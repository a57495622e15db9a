"""Relayed packets in arrays: what `media.route` does with one after another, done with all that have come together.

A route is here while each of its packets is the next one, and needs no more than another header. They are sent from the
very memory to which they were received. Whatever is unusual goes the way of the route, which knows by then all that was
counted here (`Route.take_back`). Tests hold both ways to the same packets and figures.

Wherever a worker wakes up, its caches are full of what others needed, and a call of numpy costs several times what it
does in a loop. So there are few: what is compared is compared as bytes, the 16 first bytes of a packet are gathered and
written as one value, and statistics wait until there is more to be counted, or somebody asks. Packets come to one
buffer after another, and each is sent by the operation of its buffer; where all are of one size, as nearly always,
nothing of that has to be looked up. Where only few have come they are passed on in a loop, by the same tables.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from media.net import SystemMediaSocket
from media.ring import BUFFER_SHIFT, GOES_ON, HOLDS_DATAGRAM, OPERATION_BYTES, STRIDE, Ring
from media.rtp import HEADER_BYTES, MAX_PACKET_BYTES

if TYPE_CHECKING:
    from media.route import Route

FEW: Final = 24
"""Fewer packets are quicker passed on in a loop."""
UNCOUNTED: Final = 4096
"""Packets."""
LOOK: Final = 256
"""So many times packets are passed on in arrays, at most one of each route, until it is looked at which routes come to
the end of their sequence numbers."""
COUNTED_TOGETHER: Final = 64
"""Fewer packets are quicker counted one by one."""
_KEPT: Final = (15 / 16) ** np.arange(1024)
"""What is left of a jitter after so many packets; after more than that, nothing."""

_COMPLETION: Final = np.dtype([("number", "i8"), ("result", "i4"), ("flags", "u2"), ("buffer", "u2")])
"""struct io_uring_cqe."""
_TOLD: Final = struct.Struct("<QiI")
"""The same, with buffer and flags in one."""
_COMPLETION_BYTES: Final = _TOLD.size
_WHOLE: Final = HOLDS_DATAGRAM | GOES_ON
_BEGIN: Final = np.complex128
"""The first 16 bytes of a packet, moved as they are: header and a bit of the payload."""
_QUARTERS: Final[Any] = np.dtype((np.uint32, (4,)))
"""Such a begin as four numbers, in the byte order of the machine once each half has been turned."""
_TIMESTAMP, _KEY, _PAYLOAD, _SSRC = range(4)
"""Which is which there. A key is start and sequence number."""
_WIRE_QUARTERS: Final[Any] = np.dtype((">u4", (4,)))
_WIRE_TIMESTAMP: Final = 1
"""The same as they are sent."""
_NO_ROUTE: Final = 0xBFFF_FFFF
"""The last key where there is no route: what begins with the next one is neither RTP nor what shares its ports (RFC
7983), and is counted as such by the long way, for nobody knows which SSRC it would have to have."""
_HEADER: Final = struct.Struct("!III")
"""Key, timestamp, SSRC."""

_Numbers = npt.NDArray[np.intp]
_Begins = npt.NDArray[np.complex128]
_Quarters = npt.NDArray[np.uint32]
_Values: TypeAlias = "npt.NDArray[Any] | float"
_Completions: TypeAlias = "Iterable[tuple[int, int, int]]"


class Express:
    """Routes between sockets of a ring, by the number under which their packets are received."""

    def __init__(self, ring: Ring, now: Callable[[], float], secret: int) -> None:
        """`now`: in seconds, as that of the routes. `secret`: an SSRC that no peer can guess."""
        self._ring, self._now = ring, now
        self.routes: dict[int, Route] = {}
        """Those that are here."""
        self._spoken_by: dict[int, int] = {}
        """The number of whoever is heard by the peer of a socket, by the number of that."""
        operations, buffers = len(ring.operations) // OPERATION_BYTES, len(ring.incoming) // STRIDE
        self._completions = np.frombuffer(ring.completions, _COMPLETION)
        self._numbers = self._completions["number"]
        self._others = self._completions.view(np.uint64)[1::2]
        """Of completions, all but the number."""
        self._results = ring.completions.cast("i")[2:]
        """Every fourth is one."""
        self._buffers, self._around = buffers, np.arange(2 * buffers) % buffers
        """Their numbers, twice; and of what sends what is there."""
        self._forwards = memoryview(array("I", (ring.first_forward + self._around).tolist()))
        self._usual_size, self._usual = 0, b""
        """What `_others` are where all packets of one size come to one buffer after another."""
        self._begins = np.ndarray((buffers,), _BEGIN, ring.incoming, 0, (STRIDE,))
        sends = np.frombuffer(ring.operations, np.int32).reshape(operations, -1)
        sends = sends[ring.first_forward : ring.first_forward + buffers]
        self._send_fds, self._send_sizes = sends[:, 1], sends[:, 6]
        self._send_size = 0
        """That of all forwards; 0: they differ."""
        self._next = np.tile(np.array([1, 0], np.uint32), operations).tobytes()
        """How keys and SSRCs of packets that are the next ones differ from those before."""
        # Of each route:
        self._last = np.zeros(operations, _BEGIN)
        """The begin of its last packet."""
        self._lasts = self._last.view(_QUARTERS)
        self._no_route = 0, _NO_ROUTE, 0, secret
        """The last begin, in quarters, where there is none."""
        self._lasts[:] = self._no_route
        self._offsets = np.zeros((operations, 4), np.uint32)
        """What is added to these to get what is sent."""
        self._end = np.zeros(operations, np.uint32)
        """Who has come beyond this key is let go: soon a sequence number wraps, here or in what is sent."""
        self._fd = np.full(operations, -1, np.int32)
        self._key_before = np.zeros(operations, np.uint32)
        """When it was looked for silence."""
        self._relays = 0
        self._for_few = (
            self._last.view(np.uint32).data, self._offsets.reshape(-1).data, self._end.data, self._fd.data,
            ring.operations.cast("i"),
        )  # fmt: skip
        self._odd_at = np.full(operations, operations)
        # Statistics:
        self._uncounted: list[tuple[_Numbers, _Begins, _Values, _Values]] = []
        """Numbers, the begins of what was sent, sizes, and when they were passed on."""
        self._uncounted_few: list[tuple[int, int, int, float]] = []
        """The same of packets that came after them, one by one, with timestamps in place of begins."""
        self._uncounted_packets = 0
        self._clock, self._jitter = np.zeros(operations), np.zeros(operations)
        self._transit = np.zeros(operations, np.uint32)
        """As in `RtpReceiver`, but by the timestamps of what is sent."""
        self._packets, self._octets = np.zeros(operations, np.intp), np.zeros(operations, np.intp)
        """Those that the route does not know of; octets with headers."""
        self._figures = self._packets.data, self._octets.data, self._transit.data, self._jitter.data
        """For one number these are quicker."""

    # -- routes ---------------------------------------------------------------------------------------

    def admit(self, number: int, socket: SystemMediaSocket, route: Route) -> None:
        """Pass packets on that are received under this number, if the route leads to another socket of the ring, just
        as they are."""
        hearer = getattr(route.send, "__self__", None)
        if number in self.routes or not isinstance(hearer, SystemMediaSocket) or hearer.number is None:
            return
        if hearer.peer != route.remote or socket.peer != route.source:
            return
        going = route.going()
        if going is None or going.end - going.key < 2 * LOOK:
            return
        self.routes[number], self._spoken_by[hearer.number] = route, number
        self._lasts[number] = going.timestamp, going.key, 0, going.ssrc
        self._offsets[number] = (
            going.sent_timestamp - going.timestamp & 0xFFFFFFFF,
            going.sent_key - going.key & 0xFFFFFFFF,
            0,
            going.sent_ssrc - going.ssrc & 0xFFFFFFFF,
        )
        self._end[number], self._fd[number] = going.end - 2 * LOOK, hearer.fileno()
        self._key_before[number] = going.key - 1
        self._clock[number], self._jitter[number] = going.clock_rate, going.jitter
        self._transit[number] = going.transit - int(self._offsets[number, _TIMESTAMP]) & 0xFFFFFFFF
        self._packets[number] = self._octets[number] = 0
        route.lend(self, number)

    def write_books(self, number: int) -> None:
        """Let a route know what was passed on here."""
        self._count()
        last, offset, *_ = self._for_few
        packets, octets, transits, jitters = self._figures
        quarter = 4 * number
        self.routes[number].resume(
            last[quarter + _KEY],
            last[quarter + _TIMESTAMP],
            packets[number],
            octets[number],
            transits[number] + offset[quarter + _TIMESTAMP] & 0xFFFFFFFF,
            jitters[number],
        )
        packets[number] = octets[number] = 0

    def key(self, number: int) -> int:
        """That of the last packet of a route, in which its sequence number is."""
        return self._for_few[0][4 * number + _KEY]

    def dismiss(self, number: int) -> None:
        """Pass on no more of a route, once it knows all."""
        self.write_books(number)
        self._lasts[number], self._fd[number] = self._no_route, -1
        del self.routes[number]
        for hearer in [hearer for hearer, speaker in self._spoken_by.items() if speaker == number]:
            del self._spoken_by[hearer]

    def closes(self, number: int) -> None:
        """A socket is about to be received from, and sent to, no more."""
        for each in (number, self._spoken_by.get(number)):
            if each is not None and each in self.routes:
                self.routes[each].take_back()

    def look_for_silence(self) -> None:
        """Every second: let routes go of which nothing has come since this was called before."""
        keys = self._lasts[:, _KEY]
        silent = (keys == self._key_before) & (self._fd >= 0)
        self._key_before[...] = keys
        for number in silent.nonzero()[0].tolist():
            self.routes[number].take_back(silent=True)

    def _look_at_ends(self) -> None:
        """Let routes go before their sequence numbers wrap."""
        self._relays = 0
        for number in (self._lasts[:, _KEY] > self._end).nonzero()[0].tolist():
            if number in self.routes:
                self.routes[number].take_back()

    # -- packets --------------------------------------------------------------------------------------

    def pass_on(self, most: int) -> list[tuple[int, int, int]]:
        """Take what the ring has to tell, and pass on what is usual. The completions that are left are to be dealt with
        in their order; of one number, they came after those that were passed on."""
        ring = self._ring
        first, count, buffer = ring.take(most)
        if count < FEW:
            data = ring.completions[_COMPLETION_BYTES * first : _COMPLETION_BYTES * (first + count)]
            return self._pass_on_few(_TOLD.iter_unpack(data))
        if self._pass_on_all(first, count, buffer):
            return []
        come = slice(first, first + count)
        completions, numbers = self._completions[come], self._numbers[come].copy()
        buffers, sizes = completions["buffer"].astype(np.intp), completions["result"].astype(np.intp)
        fits = (sizes > HEADER_BYTES) & (sizes <= MAX_PACKET_BYTES)
        fits &= completions["flags"] & _WHOLE == _WHOLE
        left = np.arange(count)
        while len(left) >= FEW:  # some have several
            usual = self._pass_on_some(numbers[left], buffers[left], sizes[left], fits[left])
            left = left[~usual]
            if np.count_nonzero(usual) < FEW:
                break
        return self._pass_on_few(_TOLD.iter_unpack(self._completions[first + left].tobytes()))

    def _pass_on_all(self, first: int, count: int, buffer: int) -> bool:
        """Pass on these datagrams if all are usual, of one size, and in one buffer after another, as nearly always.

        All of that is in one piece, and does nothing in two ways: where the caches have nothing of it, each function
        costs more than what it does."""
        size, last = self._results[4 * first], buffer + count
        if self._others[first : first + count].tobytes() != self._usual_of(size)[8 * buffer : 8 * last]:
            return False
        where = slice(buffer, last) if last <= self._buffers else self._around[buffer:last]
        numbers = self._numbers[first : first + count].copy()
        begins = self._begins[where].byteswap()
        quarters = begins.view(_QUARTERS)
        if (quarters - self._lasts.take(numbers, 0))[:, _KEY::2].tobytes() != self._next[: 8 * count]:
            return False
        self._last[numbers] = begins
        quarters += self._offsets.take(numbers, 0)
        self._begins[where] = begins.byteswap(inplace=True)
        self._send_fds[where] = self._fd.take(numbers)
        if size != self._send_size:
            self._send_sizes[...] = self._send_size = size
        self._ring.forward(self._forwards[buffer:last])
        self._note(numbers, begins, size)
        return True

    def _usual_of(self, size: int) -> bytes:
        if size != self._usual_size:
            self._usual_size, self._usual = size, b""
            if HEADER_BYTES < size <= MAX_PACKET_BYTES:
                usual = np.zeros(2 * self._buffers, _COMPLETION)
                usual["result"], usual["flags"], usual["buffer"] = size, _WHOLE, self._around
                self._usual = usual.view(np.uint64)[1::2].tobytes()
        return self._usual

    def _pass_on_some(
        self, numbers: _Numbers, buffers: _Numbers, sizes: _Numbers, fits: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Pass on the usual ones of these datagrams: which were. `fits`: which have the size of packets of sound."""
        begins = self._begins[buffers].byteswap()
        steps = begins.view(_QUARTERS) - self._lasts.take(numbers, 0)
        usual: npt.NDArray[np.bool_] = fits & (steps[:, _KEY] == 1)
        usual &= steps[:, _SSRC] == 0
        odd = (~usual).nonzero()[0]
        whose = numbers[odd]
        self._odd_at[whose[::-1]] = odd[::-1]  # the first of each number
        usual &= np.arange(len(numbers)) < self._odd_at[numbers]
        self._odd_at[whose] = len(self._odd_at)
        if np.count_nonzero(usual):
            numbers, buffers, begins = numbers[usual], buffers[usual], begins[usual]
            self._last[numbers] = begins
            quarters = begins.view(_QUARTERS)
            quarters += self._offsets.take(numbers, 0)
            self._begins[buffers] = begins.byteswap(inplace=True)
            self._send_fds[buffers] = self._fd.take(numbers)
            self._send_sizes[buffers], self._send_size = sizes[usual], 0
            self._ring.forward(memoryview(array("I", (self._ring.first_forward + buffers).tolist())))
            self._note(numbers, begins, sizes[usual])
        return usual

    def _note(self, numbers: _Numbers, begins: _Begins, sizes: _Values) -> None:
        """Packets that were passed on, and begin so, are to be counted."""
        if self._uncounted_few:
            self._close_few()
        self._uncounted.append((numbers, begins, sizes, self._now()))
        self._uncounted_packets += len(numbers)
        if self._uncounted_packets >= UNCOUNTED:
            self._count()
        self._relays += 1
        if self._relays == LOOK:
            self._look_at_ends()

    def _pass_on_few(self, completions: _Completions) -> list[tuple[int, int, int]]:
        """The same with one packet after another."""
        ring, incoming, routes, now = self._ring, self._ring.incoming, self.routes, self._now()
        last, offset, end, fds, sends = self._for_few
        left, odd = list[tuple[int, int, int]](), set[int]()
        passed, forwards = list[tuple[int, int, int, float]](), array("I")
        for completion in completions:
            number, size, flags = completion
            usual = number in routes and number not in odd and flags & _WHOLE == _WHOLE
            if usual and HEADER_BYTES < size <= MAX_PACKET_BYTES:
                buffer, quarter = flags >> BUFFER_SHIFT, 4 * number
                key, timestamp, ssrc = _HEADER.unpack_from(incoming, buffer * STRIDE)
                if key == last[quarter + _KEY] + 1 and ssrc == last[quarter + _SSRC] and key <= end[number]:
                    last[quarter + _KEY], last[quarter + _TIMESTAMP] = key, timestamp
                    timestamp = timestamp + offset[quarter + _TIMESTAMP] & 0xFFFFFFFF
                    _HEADER.pack_into(
                        incoming,
                        buffer * STRIDE,
                        key + offset[quarter + _KEY] & 0xFFFFFFFF,
                        timestamp,
                        ssrc + offset[quarter + _SSRC] & 0xFFFFFFFF,
                    )
                    forward = ring.first_forward + buffer
                    sends[16 * forward + 1], sends[16 * forward + 6] = fds[number], size
                    forwards.append(forward)
                    passed.append((number, timestamp, size, now))
                    continue
            left.append(completion)
            odd.add(number)
        if passed:
            ring.forward(memoryview(forwards))
            self._send_size = 0
            self._uncounted_few += passed
            self._uncounted_packets += len(passed)
            if self._uncounted_packets >= UNCOUNTED:
                self._count()
        return left

    # -- statistics -----------------------------------------------------------------------------------

    def _close_few(self) -> None:
        """Of each route what comes first is counted first."""
        few, self._uncounted_few = np.array(self._uncounted_few), []
        numbers, timestamps, sizes = few[:, :3].astype(np.intp).T
        begins = np.zeros(len(few), _BEGIN)
        begins.view(_WIRE_QUARTERS)[:, _WIRE_TIMESTAMP] = timestamps
        self._uncounted.append((numbers, begins, sizes, few[:, 3]))

    def _count(self) -> None:
        """What `RtpReceiver.count` does, and the octets of what was sent."""
        if self._uncounted_few:
            self._close_few()
        if not self._uncounted:
            return
        uncounted, self._uncounted, self._uncounted_packets = self._uncounted, [], 0
        all_numbers, all_begins, all_sizes, all_times = zip(*uncounted, strict=True)
        counts = list(map(len, all_numbers))
        numbers, begins, times = np.concatenate(all_numbers), np.concatenate(all_begins), _spread(all_times, counts)
        timestamps = begins.view(_WIRE_QUARTERS)[:, _WIRE_TIMESTAMP].astype(np.uint32)
        transits = (times * self._clock[numbers]).astype(np.int64).astype(np.uint32) - timestamps
        packets = np.bincount(numbers)  # as long as it has to be: numbers are given out from 0 on
        few = len(packets)
        self._packets[:few] += packets
        if all(isinstance(each, int) for each in all_sizes) and len(set(all_sizes)) == 1:
            self._octets[:few] += packets * all_sizes[0]
        else:
            self._octets[:few] += np.bincount(numbers, _spread(all_sizes, counts)).astype(np.intp)
        if len(numbers) < COUNTED_TOGETHER:
            self._count_each(numbers, transits)
        else:
            self._count_together(numbers, transits, packets)

    def _count_together(self, numbers: _Numbers, transits: _Quarters, packets: _Numbers) -> None:
        """Transits and jitter; `packets`: how many there are of each route.

        A packet adds a sixteenth of how its transit differs to the jitter, of which each one keeps fifteen (RFC 3550
        section A.8): that is a sum, in which what a packet adds counts for less the more come after it."""
        present = packets.nonzero()[0]
        counts = packets[present]
        end = counts.cumsum()
        first = end - counts
        transits = transits[numbers.astype(np.uint16).argsort(kind="stable")]  # route after route
        before = np.empty_like(transits)
        before[1:], before[first] = transits[:-1], self._transit[present]
        grown = np.abs((transits - before).view(np.int32), dtype=np.float64)
        to_come = np.repeat(end - 1, counts) - np.arange(len(transits))
        grown *= _KEPT.take(to_come, mode="clip")
        kept = self._jitter[present] * _KEPT.take(counts, mode="clip")
        self._jitter[present] = kept + np.add.reduceat(grown, first) / 16
        self._transit[present] = transits[end - 1]

    def _count_each(self, numbers: _Numbers, transits: _Quarters) -> None:
        """The same for few, or much of few."""
        before, jitter = self._transit.data, self._jitter.data
        for number, transit in zip(numbers.tolist(), transits.tolist(), strict=True):
            grown = abs((transit - before[number] + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
            jitter[number] += (grown - jitter[number]) / 16
            before[number] = transit


def _spread(values: Sequence[Any], counts: list[int]) -> npt.NDArray[Any]:
    """So many times each of these numbers; arrays have so many already."""
    if not any(isinstance(each, np.ndarray) for each in values):
        return np.repeat(values, counts)
    return np.concatenate([np.broadcast_to(each, count) for each, count in zip(values, counts, strict=True)])
