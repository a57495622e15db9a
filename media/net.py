"""RTP sockets: UDP without anything between the system call and the stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from media.plan import Address

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 256 * 1024
MAX_DATAGRAM_BYTES = 2048
MOST_READY = 256
"""Sockets that are read before the event loop has its turn."""
REST_SECONDS = 0.002
"""Wake-ups that follow each other sooner are a load: then the clock says when to read, as network cards do it. To wake
up for a packet or two costs more than they do themselves."""
TURN_SECONDS = 0.005
"""After this the event loop has its turn, whatever else can be read: ticks may be due."""
DRAIN = 16
"""Datagrams of one socket handled before others have their turn."""
SIFT = 8
"""So often that many before a socket is lent. Where hundreds of parties come at once, what each does by itself takes
too long to empty the queues of all; lent, they cost a third."""

Receive = Callable[[bytes, Address], None]
Numbers: TypeAlias = "Sequence[int] | npt.NDArray[np.intp]"
Ages: TypeAlias = "float | npt.NDArray[np.float64]"


class MediaSocket(Protocol):
    """A bound UDP socket. Its user may replace `receive`."""

    receive: Receive

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram, or lose it."""

    def connect(self, remote: Address) -> None:
        """From now on only this peer's datagrams come in."""

    def disconnect(self) -> None:
        """Anybody's datagrams come in again. Raises OSError."""

    def close(self) -> None:
        """Free the port."""


class MediaNetwork(Protocol):
    """Where RTP ports are opened."""

    def open_media(self, local: Address, receive: Receive) -> MediaSocket:
        """Bind a UDP port. Raises OSError."""

    def open_batch(self, slots: memoryview, packets: memoryview) -> SocketBatch | None:
        """What serves many sockets at once, if this network has it. Both are tables of bytes: a row of `slots` for each
        datagram that is read, a row of `packets` for what each socket sends, by its number."""


class SocketBatch(Protocol):
    """Connected sockets that are read and written to when it is asked to, all at once; each has a number."""

    knows_ages: bool
    """Whether `read` tells when datagrams came; else they came when they were read, which has to be often."""

    def add(self, socket: MediaSocket, number: int) -> bool:
        """Take a socket over, until `remove`. False: it has no peer yet, or there may be something of others in its
        queue."""

    def remove(self, socket: MediaSocket) -> None:
        """Give a socket back."""

    def try_all(self, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]] | None:
        """Write the next datagram of each socket to the slot of its number, all of which are below `count`; by slot the
        sizes (below 0: there was none), and how many seconds ago they came, until it is called again. None: who reads
        has to ask first."""

    def read(self, first: int) -> tuple[Numbers, Numbers, Ages]:
        """Write the next datagram of each socket that has one to the slots from `first` on, of which there is one at
        least: whose they are, their sizes (below 0: there was none after all), and how many seconds ago they came."""

    def send(self) -> None:
        """Send the packet of each socket to its peer. What cannot be sent now is lost, as on any network."""


class Lane(Protocol):
    """What reads and writes connected sockets in place of the event loop's readers."""

    def take(self, socket: SystemMediaSocket, fd: int) -> int | None:
        """Read a connected socket, in whose queue is nothing of others, until `release`, and give what comes to its
        `receive`; its number, or None where there is no room."""

    def release(self, number: int) -> None:
        """Send what is to be sent, and read a socket no more."""

    def send(self, number: int, data: bytes) -> None:
        """Send a datagram to the peer soon; what cannot be sent then is lost, as on any network."""

    def use_arrays(self) -> None:
        """Pass relayed packets on in arrays from now on: numpy has been loaded."""


class SocketMediaNetwork:
    """The machine's own network."""

    def __init__(self, *, io_uring: bool = True, lane: Lane | None = None) -> None:
        """`io_uring`: whether conferences use it where the kernel has it. `lane`: for connected sockets."""
        self._io_uring = io_uring
        self._lane = lane
        self._readers: Readers | None = None

    def open_media(self, local: Address, receive: Receive) -> MediaSocket:
        """Bind a UDP port. Raises OSError."""
        if self._readers is None:
            self._readers = _readers()
        return SystemMediaSocket(local, receive, self._readers, self._lane)

    def open_batch(self, slots: memoryview, packets: memoryview) -> SocketBatch | None:
        """What serves many sockets at once, if this system has it."""
        if self._io_uring:
            from media.uring import UringSockets

            try:
                return UringSockets(slots, packets)
            except OSError as error:
                logger.info("sockets are read and written to one by one: there is no io_uring (%s)", error)
        return EpollSockets(slots, packets) if hasattr(select, "epoll") else None


class Readers(Protocol):
    """Who is called when a socket can be read."""

    def add_reader(self, fd: int, callback: Callable[[], None]) -> object:
        """Call `callback` from now on."""

    def remove_reader(self, fd: int) -> object:
        """No more. Before the socket is closed."""


class EpollReaders:
    """Sockets that are one to the event loop: with hundreds, that costs a third of what each for itself does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._watched = False
        """Whether the loop tells that something can be read."""
        self._timer: asyncio.TimerHandle | None = None
        """Else, while there are sockets, this does."""
        self._read_at = -REST_SECONDS

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` from now on."""
        self._epoll.register(fd, select.EPOLLIN)
        self._callbacks[fd] = callback
        if not self._watched and self._timer is None:
            self._wait(busy=False)

    def remove_reader(self, fd: int) -> None:
        """No more. Before the socket is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)
            if not self._callbacks:
                self._wait(busy=False)

    def _wait(self, *, busy: bool) -> None:
        """For what comes next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        watch = bool(self._callbacks) and not busy
        if watch and not self._watched:
            self._loop.add_reader(self._epoll.fileno(), self._read)
        elif self._watched and not watch:
            self._loop.remove_reader(self._epoll.fileno())
        self._watched = watch
        if self._callbacks and busy:
            self._timer = self._loop.call_later(REST_SECONDS, self._read)

    def _read(self) -> None:
        callbacks, ready, time = self._callbacks, self._epoll.poll(0, MOST_READY), self._loop.time
        now = time()
        soon = not self._watched or now - self._read_at < REST_SECONDS
        self._read_at, until = now, now + TURN_SECONDS
        for fd, _ in ready:
            callback = callbacks.get(fd)  # one that was called before may have closed another
            try:
                if callback is not None:
                    callback()
            except Exception:  # of one stream; the others have packets, too
                logger.exception("a datagram could not be handled")
            if time() > until:  # the others come first next time
                break
        busy = soon and bool(ready)
        if busy or not self._watched:
            self._wait(busy=busy)


def _readers() -> Readers:
    loop = asyncio.get_running_loop()
    return EpollReaders(loop) if hasattr(select, "epoll") else loop


class EpollSockets:
    """A `SocketBatch` that asks once which sockets have something, and reads and writes to each for itself."""

    knows_ages = False

    def __init__(self, slots: memoryview, packets: memoryview) -> None:
        self._slots, self._packets = _rows(slots), _rows(packets)
        self._epoll = select.epoll()
        self._numbers: dict[int, int] = {}
        """By file descriptor; and what receives."""
        self._receive: dict[int, Callable[[memoryview], int]] = {}
        self._sends: dict[int, tuple[Callable[[memoryview], int], memoryview]] = {}

    def add(self, socket: MediaSocket, number: int) -> bool:
        """Take a socket over, until `remove`."""
        lent = lend(socket)
        if lent is None:
            return False
        fd = lent.fileno()
        self._numbers[fd], self._receive[fd] = number, lent.recv_into
        self._sends[fd] = lent.send, self._packets[number]
        self._epoll.register(fd, select.EPOLLIN)
        return True

    def remove(self, socket: MediaSocket) -> None:
        """Give a socket back."""
        assert isinstance(socket, SystemMediaSocket)
        fd = socket.reclaim()
        self._epoll.unregister(fd)
        del self._numbers[fd], self._receive[fd], self._sends[fd]

    def try_all(self, count: int) -> None:
        """That would be a system call for each."""

    def read(self, first: int) -> tuple[list[int], list[int], float]:
        """Write the next datagram of each socket that has one to the slots from `first` on."""
        receive, numbers, slots = self._receive, self._numbers, self._slots[first:]
        ready = self._epoll.poll(0, len(slots))
        sizes: list[int] = []
        for (fd, _), slot in zip(ready, slots, strict=False):
            try:
                sizes.append(receive[fd](slot))
            except OSError:  # an ICMP error of an earlier datagram
                sizes.append(-1)
        return [numbers[fd] for fd, _ in ready], sizes, 0.0

    def send(self) -> None:
        """Send the packet of each socket."""
        for send, packet in self._sends.values():
            try:
                send(packet)
            except OSError:
                continue


def lend(socket: MediaSocket) -> socket.socket | None:
    """The system's socket, if it can be lent to a batch now, to which it belongs until `reclaim`."""
    return socket.lend() if isinstance(socket, SystemMediaSocket) else None


def _rows(table: memoryview) -> list[memoryview]:
    rows, size = table.shape or (0, 0)
    flat = table.cast("B") if rows else table
    return [flat[size * row : size * (row + 1)] for row in range(rows)]


class SystemMediaSocket:
    """A UDP socket on the running event loop. Connected, it saves a lookup per packet and keeps strangers out."""

    __slots__ = ("_lane", "_local", "_number", "_readers", "_sifted", "_socket", "peer", "receive")

    def __init__(self, local: Address, receive: Receive, readers: Readers, lane: Lane | None = None) -> None:
        self.receive = receive
        self.peer: Address | None = None
        """Whom it is connected to."""
        self._sifted = False
        """Whether all that was queued before connecting has been read: the kernel sorts out only what comes later."""
        self._readers, self._lane = readers, lane
        self._number: int | None = None
        """In the lane; None: the readers read it."""
        self._socket = _bind(local)
        self._local: Address = self._socket.getsockname()[:2]
        self._readers.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram; what cannot be sent now is lost, as on any network."""
        try:  # cheaper than contextlib.suppress, and this runs for each packet
            if not (remote is self.peer or remote == self.peer):  # the former is mostly so, and quicker
                self._socket.sendto(data, remote)
            elif self._number is not None and self._lane is not None:
                self._lane.send(self._number, data)
            else:
                self._socket.send(data)
        except (OSError, OverflowError):  # the latter: there is no such port
            return

    @property
    def number(self) -> int | None:
        """That in the lane, while it is there."""
        return self._number

    def fileno(self) -> int:
        """The file descriptor."""
        return self._socket.fileno()

    def connect(self, remote: Address) -> None:
        """From now on only this peer's datagrams come in."""
        with contextlib.suppress(OSError, OverflowError):
            self._leave_lane()
            self._socket.connect(remote)
            self.peer, self._sifted = remote, False

    def disconnect(self) -> None:
        """Anybody's datagrams come in again. The system call for that is out of reach: the port is opened anew. Raises
        OSError if somebody else was quicker; then nothing comes any more."""
        if self.peer is None and self._socket.fileno() >= 0:
            return
        self.close()
        self.peer, self._sifted = None, False
        self._socket = _bind(self._local)
        self._readers.add_reader(self._socket.fileno(), self._readable)

    def lend(self) -> socket.socket | None:
        """The socket, for somebody who reads it in place of this, until `reclaim`; None where it has no peer, or
        something of others may have been queued until now."""
        if self.peer is None:
            return None
        if not self._sifted:
            self._sift()
            return None  # what was queued may have changed what its user wants
        self._leave_lane()
        self._readers.remove_reader(self._socket.fileno())
        return self._socket

    def reclaim(self) -> int:
        """Read it here again; its file descriptor."""
        self._readers.add_reader(self._socket.fileno(), self._readable)
        return self._socket.fileno()

    def close(self) -> None:
        """Free the port."""
        if self._socket.fileno() >= 0:
            self._leave_lane()
            self._readers.remove_reader(self._socket.fileno())
            self._socket.close()

    def left_lane(self) -> None:
        """The lane reads it no more, by itself: as it is where the peer's machine says that nobody is there."""
        self._number = None
        self._readers.add_reader(self._socket.fileno(), self._readable)

    def _leave_lane(self) -> None:
        if self._number is not None and self._lane is not None:
            self._lane.release(self._number)
            self.left_lane()

    def _enter_lane(self) -> None:
        if self._lane is not None:
            self._number = self._lane.take(self, self._socket.fileno())
            if self._number is not None:
                self._readers.remove_reader(self._socket.fileno())

    def _sift(self) -> None:
        for _ in range(SIFT):
            if not self._sifted:
                self._readable()

    def _readable(self) -> None:
        try:
            if self._sifted and self.peer is not None:  # the common case: one packet a wake-up
                data = self._socket.recv(MAX_DATAGRAM_BYTES)
                self._enter_lane()
                self.receive(data, self.peer)
                return
            for _ in range(DRAIN):
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
                if self.peer in (None, source[:2]):
                    self.receive(data, (source[0], source[1]))
        except BlockingIOError:
            self._sifted = self.peer is not None
        except OSError:
            return  # nothing left, or an ICMP error of an earlier datagram


def _bind(local: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        bound.bind(local)
    except OSError:
        bound.close()
        raise
    return bound
