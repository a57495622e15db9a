"""io_uring: many sockets are read, or written to, by one system call (io_uring(7), io_uring_enter(2)).

Nothing waits here: each operation is done, or refused, before the system call that begins it returns. The ring is made
so that the kernel touches the memory it shares with us within such calls of our own thread alone (no polling thread,
`IORING_SETUP_DEFER_TASKRUN`). What we read and write there is therefore in the order of the program, as around any
system call, and needs no barriers.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import select
import sys
import weakref
from typing import TYPE_CHECKING, Final

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
_SEND, _RECV = 26, 27
_MSG_DONTWAIT = 0x40

_Numbers = npt.NDArray[np.uint32]

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
_COMPLETION = np.dtype([("number", "u8"), ("result", "i4"), ("flags", "u4")])
"""struct io_uring_cqe."""
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
        numbers = np.frombuffer(shared, np.uint32, size // 4)
        self._submitted_head, self._submitted = _at(numbers, of["sq_head"]), _at(numbers, of["sq_tail"])
        self._completed_head, self._completed = _at(numbers, of["cq_head"]), _at(numbers, of["cq_tail"])
        self._queue = numbers[of["sq_array"] // 4 :][: of["sq_entries"]]
        self._completions = np.frombuffer(shared, _COMPLETION, of["cq_entries"], of["cqes"])
        self._count = np.arange(of["cq_entries"], dtype=np.uint32)
        operation_bytes = _OPERATION.itemsize * of["sq_entries"]
        self.operations = np.frombuffer(mmap.mmap(self._fd, operation_bytes, offset=_OFF_SQES), _OPERATION)
        """By number. The kernel reads them and does not change them."""
        self.operations["number"] = self._count[: of["sq_entries"]]

    def run(self, numbers: _Numbers) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
        """Do these operations: the numbers of those that were done, and their results, errors below 0."""
        count, tail = len(numbers), self._submitted[0]
        self._queue[self._count[:count] + tail & len(self._queue) - 1] = numbers
        self._submitted[0] = tail + np.uint32(count)
        begun = 0
        while begun < count:
            now = self._call(_ENTER, self._fd, count - begun, count - begun, _GETEVENTS, None, 0)
            if now < 0 and ctypes.get_errno() != errno.EINTR:
                self._submitted[0] = self._submitted_head[0]  # short of memory: the others are left undone
                break
            begun += max(now, 0)
        head = self._completed_head[0]
        done = int(self._completed[0] - head)
        found = self._completions[self._count[:done] + head & len(self._completions) - 1]
        self._completed_head[0] = self._completed[0]
        return found["number"], found["result"]


def _at(numbers: _Numbers, offset: int) -> _Numbers:
    return numbers[offset // 4 :][:1]


class UringSockets:
    """A `SocketBatch` on a ring: one operation for each slot, and one for each packet."""

    def __init__(self, slots: memoryview, packets: memoryview) -> None:
        """Raises OSError where there is no io_uring."""
        self._slots, self._packets = (
            np.asarray(slots),
            np.asarray(packets),
        )  # kept: the kernel has their addresses
        self._ring = Ring(len(self._slots) + len(self._packets))
        self._epoll = select.epoll()
        self._receives = self._ring.operations[: len(self._slots)]
        self._sends = self._ring.operations[len(self._slots) :][: len(self._packets)]
        for operations, memory, code in (
            (self._receives, self._slots, _RECV),
            (self._sends, self._packets, _SEND),
        ):
            operations["code"], operations["message_flags"] = code, _MSG_DONTWAIT
            operations["address"] = memory.ctypes.data + memory.strides[0] * np.arange(len(memory))
            operations["length"] = memory.shape[1]
        self._all_slots = np.arange(len(self._slots), dtype=np.uint32)
        self._numbers = np.zeros(0, np.intp)
        """By file descriptor."""
        self._present = np.zeros(len(self._packets), np.bool_)
        self._all_sends: _Numbers | None = None
        """Of those present; None: they have changed."""

    def add(self, socket: MediaSocket, number: int) -> bool:
        """Take a socket over, until `remove`."""
        lent = lend(socket)
        if lent is None:
            return False
        fd = lent.fileno()
        if fd >= len(self._numbers):
            self._numbers = np.concatenate([self._numbers, np.zeros(fd + 1, np.intp)])
        self._numbers[fd], self._sends["fd"][number] = number, fd
        self._present[number], self._all_sends = True, None
        self._epoll.register(fd, select.EPOLLIN)
        return True

    def remove(self, socket: MediaSocket) -> None:
        """Give a socket back."""
        assert isinstance(socket, SystemMediaSocket)
        fd = socket.reclaim()
        self._epoll.unregister(fd)
        self._present[self._numbers[fd]], self._all_sends = False, None

    def read(self, first: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Write the next datagram of each socket that has one to the slots from `first` on."""
        ready = self._epoll.poll(0, len(self._all_slots) - first)
        fds = np.array([fd for fd, _ in ready], np.intp)
        sizes = np.full(len(fds), -1, np.intp)
        if ready:
            slots = slice(first, first + len(ready))
            self._receives["fd"][slots] = fds
            numbers, results = self._ring.run(self._all_slots[slots])
            sizes[numbers.astype(np.intp) - first] = np.maximum(results, -1)
        return self._numbers.take(fds), sizes

    def send(self) -> None:
        """Send all packets. One that cannot be sent now is lost, as on any network."""
        if self._all_sends is None:
            self._all_sends = (len(self._slots) + self._present.nonzero()[0]).astype(np.uint32)
        if len(self._all_sends):
            self._ring.run(self._all_sends)


if TYPE_CHECKING:
    _: type[SocketBatch] = UringSockets
