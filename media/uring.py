"""io_uring: many sockets are read, or written to, by one system call (io_uring(7), io_uring_enter(2)).

Nothing waits here: each operation is done, or refused, before the system call that begins it returns. The ring is made
so that the kernel touches the memory it shares with us within such calls of our own thread alone (no polling thread,
`IORING_SETUP_DEFER_TASKRUN`). What we read and write there is therefore in the order of the program, as around any
system call, and needs no barriers.
"""

from __future__ import annotations

import ctypes
import errno
import math
import mmap
import os
import select
import sys
import time
import weakref
from socket import SOL_SOCKET
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from media.net import MediaSocket, SystemMediaSocket, lend

if TYPE_CHECKING:
    from media.net import SocketBatch

_MACHINES: Final = {"x86_64", "aarch64", "riscv64", "ppc64le", "s390x", "loongarch64"}
"""Where the system calls have these numbers."""
_SETUP, _ENTER = 425, 426
_SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 12, 1 << 13
_GETEVENTS = 1
_OFF_SQES = 0x10000000
_RECVMSG, _SEND = 10, 26
_MSG_DONTWAIT = 0x40
_SO_TIMESTAMPNS = 35
_IN_SECONDS: Final = np.array([1.0, 1e-9])
_MOST_AGE = 1.0
"""Seconds: an older datagram has not waited so long, but somebody has set the clock."""

_Numbers = npt.NDArray[np.intp]
_Operations = npt.NDArray[np.uint32]

_PARAMS = np.dtype(
    [
        ("sq_entries", "u4"), ("cq_entries", "u4"), ("flags", "u4"), ("others", "u4", 7),
        ("sq_head", "u4"), ("sq_tail", "u4"), ("sq_mask", "u4"), ("sq_ring_entries", "u4"),
        ("sq_flags", "u4"), ("sq_dropped", "u4"), ("sq_array", "u4"), ("sq_others", "u4", 3),
        ("cq_head", "u4"), ("cq_tail", "u4"), ("cq_mask", "u4"), ("cq_ring_entries", "u4"),
        ("cq_overflow", "u4"), ("cqes", "u4"), ("cq_others", "u4", 4),
    ]
)  # fmt: skip
"""struct io_uring_params."""
_OPERATION = np.dtype(
    {
        "names": ["code", "fd", "address", "length", "message_flags", "number"],
        "formats": ["u1", "i4", "u8", "u4", "u4", "u8"],
        "offsets": [0, 4, 16, 24, 28, 32],
        "itemsize": 64,
    }
)
"""struct io_uring_sqe."""
_COMPLETION = np.dtype([("number", "i8"), ("result", "i4"), ("flags", "u4")])
"""struct io_uring_cqe."""
_HEADER = np.dtype(
    {
        "names": ["parts", "part_count", "control", "control_bytes"],
        "formats": ["u8", "u8", "u8", "u8"],
        "offsets": [16, 24, 32, 40],
        "itemsize": 56,
    }
)
"""struct msghdr."""
_PART = np.dtype([("address", "u8"), ("length", "u8")])
"""struct iovec."""
_CONTROL = np.dtype(
    [("length", "u8"), ("level", "i4"), ("type", "i4"), ("seconds", "i8"), ("nanoseconds", "i8")]
)
"""struct cmsghdr with the time of arrival, by the wall clock."""
assert _PARAMS.itemsize == 120


class Ring:
    """Operations that stand ready, by number, to be done over and over."""

    def __init__(self, operations: int) -> None:
        """For so many. Raises OSError where the kernel does not offer it, or does not allow it."""
        if sys.platform != "linux" or os.uname().machine not in _MACHINES:
            raise OSError(errno.ENOSYS, "not on this system")
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        params = np.zeros(1, _PARAMS)
        params["flags"] = _SINGLE_ISSUER | _DEFER_TASKRUN
        self._fd = self._call(_SETUP, operations, ctypes.c_void_p(params.ctypes.data))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        weakref.finalize(self, os.close, self._fd)
        of = {name: int(params[name][0]) for name in _PARAMS.names or () if not name.endswith("others")}
        size = max(
            of["sq_array"] + 4 * of["sq_entries"], of["cqes"] + _COMPLETION.itemsize * of["cq_entries"]
        )
        shared = mmap.mmap(self._fd, size)
        numbers = memoryview(shared)[: size // 4 * 4].cast("I")
        self._submitted_head, self._submitted = _at(numbers, of["sq_head"]), _at(numbers, of["sq_tail"])
        self._completed_head, self._completed = _at(numbers, of["cq_head"]), _at(numbers, of["cq_tail"])
        self._queue = np.frombuffer(shared, np.uint32, of["sq_entries"], of["sq_array"])
        self._completions = np.frombuffer(shared, _COMPLETION, of["cq_entries"], of["cqes"])
        self._count = np.arange(of["cq_entries"], dtype=np.uint32)
        operation_bytes = _OPERATION.itemsize * of["sq_entries"]
        self.operations = np.frombuffer(mmap.mmap(self._fd, operation_bytes, offset=_OFF_SQES), _OPERATION)
        """By number. The kernel reads them and does not change them."""
        self.operations["number"] = self._count[: of["sq_entries"]]

    def run(self, numbers: _Operations) -> tuple[_Numbers, npt.NDArray[np.int32]]:
        """Do these operations: the numbers of those that were done, and their results, errors below 0."""
        done, first = self.begin(numbers)
        if first + done <= len(self._completions):
            found = self._completions[first : first + done].copy()
        else:
            found = self._completions[self._count[:done] + np.uint32(first) & len(self._completions) - 1]
        return found["number"], found["result"]

    def begin(self, numbers: _Operations) -> tuple[int, int]:
        """The same where the results do not matter: how many were done, and where the first result stands until the
        next time."""
        count, tail, size = len(numbers), self._submitted[0], len(self._queue)
        first = tail & size - 1
        if first + count <= size:
            self._queue[first : first + count] = numbers
        else:
            self._queue[self._count[:count] + np.uint32(tail) & size - 1] = numbers
        self._submitted[0] = tail + count & 0xFFFFFFFF
        begun = 0
        while begun < count:
            now = self._call(_ENTER, self._fd, count - begun, count - begun, _GETEVENTS, None, 0)
            if now < 0 and ctypes.get_errno() != errno.EINTR:
                self._submitted[0] = self._submitted_head[0]  # short of memory: the others are left undone
                break
            begun += max(now, 0)
        head, tail = self._completed_head[0], self._completed[0]
        self._completed_head[0] = tail
        return tail - head & 0xFFFFFFFF, head & len(self._completions) - 1


def _at(numbers: memoryview[int], offset: int) -> memoryview[int]:
    return numbers[offset // 4 :][:1]


class UringSockets:
    """A `SocketBatch` on a ring: one operation for each slot, and one for each packet."""

    knows_ages = True

    def __init__(self, slots: memoryview, packets: memoryview) -> None:
        """Raises OSError where there is no io_uring."""
        self._slots, self._packets = (
            np.asarray(slots),
            np.asarray(packets),
        )  # kept: the kernel has their addresses
        count = len(self._slots)
        self._ring = Ring(count + len(self._packets))
        self._epoll = select.epoll()
        self._controls = np.zeros(count, _CONTROL)
        self._parts = np.zeros(count, _PART)
        self._headers = np.zeros(count, _HEADER)
        self._parts["address"], self._parts["length"] = _addresses(self._slots), self._slots.shape[1]
        self._headers["parts"], self._headers["part_count"] = _addresses(self._parts), 1
        self._headers["control"], self._headers["control_bytes"] = (
            _addresses(self._controls),
            _CONTROL.itemsize,
        )
        self._receives = self._ring.operations[:count]
        self._receives["code"], self._receives["message_flags"] = _RECVMSG, _MSG_DONTWAIT
        self._receives["address"], self._receives["length"] = _addresses(self._headers), 1
        self._sends = self._ring.operations[count:][: len(self._packets)]
        self._sends["code"], self._sends["message_flags"] = _SEND, _MSG_DONTWAIT
        self._sends["address"], self._sends["length"] = _addresses(self._packets), self._packets.shape[1]
        self._all_slots = np.arange(count, dtype=np.uint32)
        self._sizes, self._ages = np.full(count, -1, np.intp), np.zeros(count)
        self._since, self._now = np.zeros((count, 2), np.int64), np.zeros(2, np.int64)
        self._arrivals = self._controls.view(np.int64).reshape(count, 4)[:, 2:]
        """When datagrams came: seconds, and billionths of them."""
        self._number_of = np.zeros(0, np.intp)
        """By file descriptor."""
        self._fds = np.full(len(self._packets), -1, np.intp)
        """By number; -1: there is none."""
        self._plan: _Plan | None = None
        """None: to be made."""
        self._aimed = 0
        """So many of the first slots are those of the sockets of their numbers."""
        self._read_at, self._tried_at = 0, math.inf
        """The last time, and when all were tried, in billionths of a second."""
        self._is_behind = True
        """Whether something may wait that came before then."""

    def add(self, socket: MediaSocket, number: int) -> bool:
        """Take a socket over, until `remove`."""
        lent = lend(socket)
        if lent is None:
            return False
        fd = lent.fileno()
        if fd >= len(self._number_of):
            self._number_of = np.concatenate([self._number_of, np.zeros(fd + 1, np.intp)])
        self._number_of[fd], self._fds[number], self._sends["fd"][number] = number, fd, fd
        self._plan = None
        lent.setsockopt(SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._epoll.register(fd, select.EPOLLIN)
        return True

    def remove(self, socket: MediaSocket) -> None:
        """Give a socket back."""
        assert isinstance(socket, SystemMediaSocket)
        fd = socket.reclaim()
        self._epoll.unregister(fd)
        self._fds[self._number_of[fd]], self._plan = -1, None

    def read(self, first: int) -> tuple[_Numbers, _Numbers, npt.NDArray[np.float64]]:
        """Write the next datagram of each socket that has one to the slots from `first` on.

        Reading takes time, in which others come: once only those are left that came after all had been tried, they wait
        until all are tried again.
        """
        ready = self._epoll.poll(0, len(self._slots) - first) if self._is_behind else []
        fds = np.array([fd for fd, _ in ready], np.intp)
        last = first + len(fds)
        if len(fds):
            self._receives["fd"][first:last] = fds
            self._aimed = min(self._aimed, first)
            self._receive(self._all_slots[first:last], first, last)
            oldest = np.maximum.reduce(self._ages[first:last])
            self._is_behind = oldest >= (self._read_at - self._tried_at) / 1e9
        return self._number_of.take(fds), self._sizes[first:last], self._ages[first:last]

    def try_all(self, count: int) -> tuple[_Numbers, npt.NDArray[np.float64]]:
        """Write the next datagram of each socket to the slot of its number."""
        plan = self._planned()
        self._tried_at, self._is_behind = time.time_ns(), True
        if self._aimed < count:
            self._receives["fd"][plan.numbers] = plan.fds
            self._aimed = count
        self._receive(plan.receives, 0, count)
        return self._sizes[:count], self._ages[:count]

    def _receive(self, slots: _Operations, first: int, last: int) -> None:
        """Read to these slots, all of which are from `first` to `last`, and note sizes and ages."""
        ages, dates = self._ages[first:last], self._headers["control_bytes"][first:last]
        done, results = self._ring.run(slots)
        if len(done) < last - first:
            self._sizes[first:last] = -1
        self._sizes[done] = results
        self._read_at = time.time_ns()
        self._now[0], self._now[1] = divmod(self._read_at, 1_000_000_000)
        since = np.subtract(self._now, self._arrivals[first:last], out=self._since[first:last])
        np.dot(since, _IN_SECONDS, out=ages)
        if np.minimum.reduce(dates) < _CONTROL.itemsize:
            ages[dates < _CONTROL.itemsize] = 0.0
            dates[...] = _CONTROL.itemsize
        if np.minimum.reduce(ages) < 0 or np.maximum.reduce(ages) > _MOST_AGE:
            ages[(ages < 0) | (ages > _MOST_AGE)] = 0.0

    def send(self) -> None:
        """Send all packets. One that cannot be sent now is lost, as on any network."""
        plan = self._planned()
        if len(plan.sends):
            self._ring.begin(plan.sends)

    def _planned(self) -> _Plan:
        if self._plan is None:
            numbers = (self._fds >= 0).nonzero()[0]
            sends = (len(self._slots) + numbers).astype(np.uint32)
            self._plan = _Plan(numbers, self._fds[numbers], numbers.astype(np.uint32), sends)
            self._aimed = 0
        return self._plan


class _Plan(NamedTuple):
    """Of all sockets."""

    numbers: _Numbers
    fds: _Numbers
    receives: _Operations
    sends: _Operations


def _addresses(table: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Of the rows of a table."""
    return table.ctypes.data + table.strides[0] * np.arange(len(table))


if TYPE_CHECKING:
    _: type[SocketBatch] = UringSockets
