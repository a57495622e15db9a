"""A kernel that offers io_uring as far as `media.ring` asks for it; what is received, and when, a test says."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections import deque

_SETUP, _ENTER, _REGISTER = 425, 426, 427
_POLL, _CANCEL, _SEND, _RECEIVE = 6, 14, 26, 27
_OPERATIONS_AT, _OPERATION_BYTES, _COMPLETION = 0x10000000, 64, struct.Struct("<QiI")
_SKIPS_SUCCESS = 1 << 6
_HOLDS_DATAGRAM, _GOES_ON = 1, 2
_HEAD, _TAIL, _COMPLETED_HEAD, _COMPLETED_TAIL = 0, 1, 2, 3
"""Words of the shared memory."""
_QUEUE_AT = 64


class Kernel:
    """To be called as `syscall` is."""

    def __init__(self) -> None:
        self.sent: dict[int, list[bytes]] = {}
        """By file descriptor."""
        self.receives: dict[int, int] = {}
        """Numbers of operations that receive, by file descriptor."""
        self.waiting: deque[tuple[int, bytes]] = deque()
        """Datagrams that have come, and the sockets to which."""

        self.is_short_of_memory = False
        """Then it begins nothing; what has come is told all the same."""

    def arrive(self, fd: int, data: bytes) -> None:
        """It is received by the next system call that there is a buffer for."""
        self.waiting.append((fd, data))

    def refuse(self, fd: int) -> None:
        """The peer's machine says that nobody is there."""
        number = self.receives.pop(fd, None)
        if number is not None:
            self._complete(number, -errno.ECONNREFUSED, 0)

    def __call__(self, call: int, *arguments: int) -> int:
        if call == _SETUP:
            return self._set_up(arguments[0], arguments[1])
        if call == _REGISTER:
            self._buffers_at, count, *_ = struct.unpack("<QIHHQQQ", ctypes.string_at(arguments[2], 40))
            self._mask, self._taken = count - 1, 0
            return 0
        assert call == _ENTER
        for _ in range(0 if self.is_short_of_memory else arguments[1]):
            head = self._words[_HEAD]
            self._begin(self._words[_QUEUE_AT // 4 + (head & self._entries - 1)])
            self._words[_HEAD] = head + 1 & 0xFFFFFFFF
        self._receive()
        return arguments[1]

    def _set_up(self, entries: int, params_at: int) -> int:
        entries = 1 << (entries - 1).bit_length()
        self._entries, self._most = entries, 2 * entries
        fd = os.memfd_create("ring")
        os.truncate(fd, _OPERATIONS_AT + _OPERATION_BYTES * entries)
        self._completions_at = _QUEUE_AT + 4 * entries
        self._shared = mmap.mmap(fd, self._completions_at + _COMPLETION.size * self._most)
        self._words = memoryview(self._shared).cast("I")
        self._operations = mmap.mmap(fd, _OPERATION_BYTES * entries, offset=_OPERATIONS_AT)
        params = (ctypes.c_uint32 * 30).from_address(params_at)
        params[0], params[1] = entries, self._most
        params[10], params[11], params[16] = 4 * _HEAD, 4 * _TAIL, _QUEUE_AT
        params[20], params[21], params[25] = 4 * _COMPLETED_HEAD, 4 * _COMPLETED_TAIL, self._completions_at
        return fd

    def _complete(self, number: int, result: int, flags: int) -> None:
        tail = self._words[_COMPLETED_TAIL]
        place = self._completions_at + (tail & self._most - 1) * _COMPLETION.size
        _COMPLETION.pack_into(self._shared, place, number, result, flags)
        self._words[_COMPLETED_TAIL] = tail + 1 & 0xFFFFFFFF

    def _begin(self, index: int) -> None:
        code, flags, _, fd, _, address, length = struct.unpack_from(
            "<BBHiQQI", self._operations, index * _OPERATION_BYTES
        )
        [number] = struct.unpack_from("<Q", self._operations, index * _OPERATION_BYTES + 32)
        if code == _RECEIVE:
            self.receives[fd] = number
        elif code == _SEND:
            if fd < 0:
                self._complete(number, -errno.EBADF, 0)
            else:
                self.sent.setdefault(fd, []).append(ctypes.string_at(address, length))
            assert flags & _SKIPS_SUCCESS
        elif code == _CANCEL:
            for receiving in [each for each, other in self.receives.items() if other == address]:
                del self.receives[receiving]
                self._complete(address, -errno.ECANCELED, 0)
        else:
            assert code == _POLL  # nothing else ever comes

    def _receive(self) -> None:
        held = deque[tuple[int, bytes]]()
        while self.waiting:
            fd, data = self.waiting.popleft()
            number = self.receives.get(fd)
            if number is None:
                held.append((fd, data))
                continue
            tail = int.from_bytes(ctypes.string_at(self._buffers_at + 14, 2), "little")
            if self._taken & 0xFFFF == tail:
                del self.receives[fd]
                self._complete(number, -errno.ENOBUFS, 0)
                held.append((fd, data))
                continue
            place = self._buffers_at + 16 * (self._taken & self._mask)
            address, size, buffer = struct.unpack("<QIH", ctypes.string_at(place, 14))
            ctypes.memmove(address, data, min(size, len(data)))
            self._taken += 1
            self._complete(number, min(size, len(data)), buffer << 16 | _HOLDS_DATAGRAM | _GOES_ON)
        self.waiting = held
