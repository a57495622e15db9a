"""io_uring for sockets that wait: one system call sends what is to be sent, and waits for whatever comes
(io_uring_setup(2), io_uring_enter(2), io_uring_register(2)).

Every operation has a number, and stands ready at its place to be submitted by that. What a socket receives is written
to one of a few buffers that all share (a provided buffer ring), as long as it is asked to (a multishot receive).

The kernel touches the memory it shares with us within system calls of our own thread alone
(`IORING_SETUP_DEFER_TASKRUN`), so nothing here needs barriers. numpy is not needed either: workers without calls do not
carry it. `media.express` does the same for many packets at once, in the same memory.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
import weakref
from array import array
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_MACHINES: Final = {"x86_64", "aarch64", "riscv64", "ppc64le", "loongarch64"}
"""Where the system calls have these numbers, and the low byte comes first."""
_SETUP, _ENTER, _REGISTER = 425, 426, 427
_SUBMIT_ALL, _SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 7, 1 << 12, 1 << 13
_GETEVENTS, _EXT_ARG = 1, 8
_FEATURE_MIN_TIMEOUT = 1 << 15
_OFF_SQES: Final = 0x10000000
_REGISTER_BUFFERS: Final = 22
_POLL, _CANCEL, _SEND, _RECEIVE = 6, 14, 26, 27
_SELECT_BUFFER, _SKIP_SUCCESS = 1 << 5, 1 << 6
_MULTISHOT: Final = 2
_MSG_DONTWAIT: Final = 0x40
_POLLIN: Final = 1
HOLDS_DATAGRAM, GOES_ON = 1, 2
"""Flags of completions; the latter: there will be more of the same operation."""
BUFFER_SHIFT: Final = 16
"""The flags above are the number of the buffer."""

_OPERATION = struct.Struct("<BBHiQQIIQHHiQQ")
"""struct io_uring_sqe: code, flags, priority, fd, offset, address, length, the code's own flags, number, and others."""
OPERATION_BYTES: Final = _OPERATION.size
_COMPLETION = struct.Struct("<QiI")
"""struct io_uring_cqe: number, result, flags."""
_BUFFER = struct.Struct("<QIH")
"""struct io_uring_buf, but for its last two bytes: those of the first are where the kernel looks for the end."""
_BUFFER_BYTES: Final = 16
_BUFFERS_AT = struct.Struct("<QIHHQQQ")
"""struct io_uring_buf_reg."""

_WAIT_BYTES: Final = 24
_CANCEL_TRIES, _CANCEL_SECONDS = 10, 0.001
_FOREVER: Final = 3600.0
"""Seconds. The kernel takes no timeout for one that ends with the time to gather."""
SLOT_BYTES: Final = 2048
"""More than any RTP packet has: a longer datagram is cut, and refused above."""
STRIDE: Final = SLOT_BYTES + 64
"""From one buffer to the next. Were it a power of two, the beginnings of all would want the same few lines of the
processor's caches."""


class Completion(NamedTuple):
    """What has become of an operation."""

    number: int
    result: int
    """Below 0: an error."""
    flags: int


class Ring:
    """Receives, by number from 0, then sends, then forwards, one for each buffer, which send what is there; then one
    poll, and one cancellation."""

    def __init__(
        self, receives: int, sends: int, buffers: int, call: Callable[..., int] | None = None
    ) -> None:
        """`buffers` is a power of two; all together are less than one by two, else memory is wasted. `call`: how the
        system is called, if not as ever.

        Raises OSError where the kernel does not offer it, or does not allow it.
        """
        if sys.platform != "linux" or os.uname().machine not in _MACHINES:
            raise OSError(errno.ENOSYS, "not on this system")
        self.first_send, self._sends, self.first_forward = receives, sends, receives + sends
        self.poll, self._cancel = receives + sends + buffers, receives + sends + buffers + 1
        self._call = call or _system_call()
        self._open(receives + sends + buffers + 2)
        self._share_buffers(buffers)
        self._outgoing = memoryview(mmap.mmap(-1, sends * STRIDE))
        first = _address(self._outgoing)
        self._outgoing_at = [first + index * STRIDE for index in range(sends)]
        for index in range(sends):
            self._prepare(receives + index, _SEND, _SKIP_SUCCESS, special=_MSG_DONTWAIT)
        for index in range(buffers):
            address = self.incoming_at + index * STRIDE
            self._prepare(
                self.first_forward + index, _SEND, _SKIP_SUCCESS, address=address, special=_MSG_DONTWAIT
            )
        self._unsent = 0
        self._time, self._wait = array("q", [0, 0]), array("Q", [0, 0, 0])
        """struct __kernel_timespec, and struct io_uring_getevents_arg, which has its address."""
        self._wait[2], self._wait_at = self._time.buffer_info()[0], self._wait.buffer_info()[0]
        self._gathered = False
        """Whether several had come when it was waited last."""

    def _open(self, operations: int) -> None:
        params = (ctypes.c_uint32 * 30)()
        params[2] = _SUBMIT_ALL | _SINGLE_ISSUER | _DEFER_TASKRUN
        self._fd = self._called(_SETUP, operations, ctypes.addressof(params))
        self.close = weakref.finalize(self, os.close, self._fd)
        """Ends all operations, some time after."""
        self.gathers = bool(params[5] & _FEATURE_MIN_TIMEOUT)
        """Whether the kernel itself knows how to wait for more than the first."""
        entries, completions = params[0], params[1]
        head, tail, _, _, _, _, array = params[10:17]
        self._completed_head, self._completed_tail, _, _, _, completed = (at // 4 for at in params[20:26])
        size = max(array + 4 * entries, 4 * completed + _COMPLETION.size * completions)
        shared = memoryview(mmap.mmap(self._fd, size))
        self._words = shared.cast("I")
        self._head, self._tail = head // 4, tail // 4
        self.queue, self._queue_mask = self._words[array // 4 :][:entries], entries - 1
        self.completions = shared[4 * completed :][: _COMPLETION.size * completions]
        self._completions_mask = completions - 1
        self.operations = memoryview(mmap.mmap(self._fd, _OPERATION.size * entries, offset=_OFF_SQES))
        self._fds, self._lengths = self.operations.cast("i"), self.operations.cast("I")
        self._addresses = self.operations.cast("Q")

    def _share_buffers(self, buffers: int) -> None:
        self.incoming = mmap.mmap(-1, buffers * STRIDE)
        self._buffers = memoryview(mmap.mmap(-1, buffers * _BUFFER_BYTES))
        self.incoming_at = _address(memoryview(self.incoming))
        for index in range(buffers):
            address = self.incoming_at + index * STRIDE
            _BUFFER.pack_into(self._buffers, index * _BUFFER_BYTES, address, SLOT_BYTES, index)
        self._buffers_tail = self._buffers[14:16].cast("H")
        self._taken = self._most_at_once = buffers
        """Of the buffers, those that were given to the kernel so far, again and again."""
        registration = _BUFFERS_AT.pack(_address(self._buffers), buffers, 0, 0, 0, 0, 0)
        held = ctypes.create_string_buffer(registration)
        self._called(_REGISTER, self._fd, _REGISTER_BUFFERS, ctypes.addressof(held), 1)
        self.give_back()

    def _called(self, *arguments: int) -> int:
        result: int = self._call(*arguments, *[0] * (7 - len(arguments)))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def _prepare(
        self,
        number: int,
        code: int,
        flags: int,
        *,
        fd: int = -1,
        address: int = 0,
        special: int = 0,
        shots: int = 0,
    ) -> None:
        _OPERATION.pack_into(
            self.operations, number * _OPERATION.size,
            code, flags, shots, fd, 0, address, 0, special, number, 0, 0, 0, 0, 0,
        )  # fmt: skip

    # -- what is to be done ----------------------------------------------------------------------------

    def submit(self, number: int) -> None:
        """Begin an operation with the next system call. Nobody submits it again before it has ended."""
        words = self._words
        tail = words[self._tail]
        self.queue[tail & self._queue_mask] = number
        words[self._tail] = tail + 1 & 0xFFFFFFFF

    def receive(self, number: int, fd: int) -> None:
        """Receive from a connected socket, again and again."""
        self._prepare(number, _RECEIVE, _SELECT_BUFFER, fd=fd, shots=_MULTISHOT)
        self.submit(number)

    def watch(self, fd: int) -> None:
        """Tell once that something can be read: operation `poll` is done."""
        self._prepare(self.poll, _POLL, 0, fd=fd, special=_POLLIN)
        self.submit(self.poll)

    def send(self, fd: int, data: bytes) -> None:
        """Send a packet with the next system call, or lose it, as on any network."""
        if self._unsent == self._sends:
            self.flush()
        index, size = self._unsent, len(data)
        if (
            index == self._sends or size > SLOT_BYTES
        ):  # the kernel is short of memory; or it is no packet of sound
            return
        self._unsent = index + 1
        start, number = index * STRIDE, self.first_send + index
        self._outgoing[start : start + size] = data
        self._fds[16 * number + 1], self._lengths[16 * number + 6] = fd, size
        self._addresses[8 * number + 2] = self._outgoing_at[index]
        self.submit(number)

    def forward(self, numbers: memoryview[int]) -> None:
        """Submit these forwards, 4 bytes each: they send with the next system call what datagrams have become in their
        buffers, and need them no longer then. Whoever calls writes to `operations` where to, and how much."""
        words, count = self._words, len(numbers)
        tail = words[self._tail]
        begin = tail & self._queue_mask
        until_end = min(count, self._queue_mask + 1 - begin)
        self.queue[begin : begin + until_end] = numbers[:until_end]
        if until_end < count:
            self.queue[: count - until_end] = numbers[until_end:]
        words[self._tail] = tail + count & 0xFFFFFFFF
        self._taken += count

    def cancel(self, number: int) -> None:
        """End an operation. Once this has returned the kernel holds its socket no more; what was told of it until then
        is still among the completions."""
        before = self.told
        self._prepare(self._cancel, _CANCEL, _SKIP_SUCCESS, address=number)
        self.submit(self._cancel)
        for _ in range(_CANCEL_TRIES):  # as a rule the first time; its packet may be on its way here just now
            self._enter(self.told + 1, _CANCEL_SECONDS, 0)
            if any(_ends(each, number) or each.number == self._cancel for each in self._peek()[before:]):
                return

    def let_go(self, fd: int) -> None:
        """Send what is to be sent to a socket, or lose it: its file descriptor may soon be that of another."""
        self.flush()
        if self._words[self._tail] != self._words[self._head]:  # the kernel is short of memory
            for number in range(self.poll):
                if self._fds[16 * number + 1] == fd:
                    self._fds[16 * number + 1] = -1

    # -- system calls ----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Submit, and do not wait."""
        if self._words[self._tail] != self._words[self._head]:
            self._enter(0, 0.0, 0)

    def wait(self, timeout: float | None, gather: float) -> int:
        """Submit, and wait until something has come, at most so many seconds (None: forever). Returns `told`.

        What comes sooner than `gather` seconds after the last wait began stays there for so long, so that others
        come meanwhile: no more than one wake-up in that time.
        """
        if timeout is None:
            timeout = _FOREVER
        if timeout <= 0 or self.told:
            self._enter(0, 0.0, 0)
        elif self.gathers:
            self._enter(self._most_at_once, timeout, int(min(gather, timeout) * 1e6))
        else:
            if self._gathered:
                self._enter(self._most_at_once, min(gather, timeout), 0)
            if not self.told:
                self._enter(1, max(timeout - gather, 0.0) if self._gathered else timeout, 0)
            self._gathered = self.told > 1
        return self.told

    def _enter(self, least: int, timeout: float, gather_us: int) -> None:
        words, times = self._words, self._time
        times[0], times[1] = int(timeout), int(timeout % 1 * 1e9)
        self._wait[1] = gather_us << 32
        unsubmitted = words[self._tail] - words[self._head] & 0xFFFFFFFF
        self._call(_ENTER, self._fd, unsubmitted, least, _GETEVENTS | _EXT_ARG, self._wait_at, _WAIT_BYTES)
        if (
            words[self._tail] == words[self._head]
        ):  # else the kernel is short of memory, and the rest comes next time
            self._unsent = 0

    # -- what has come ---------------------------------------------------------------------------------

    def completed(self, most: int) -> Iterator[tuple[int, int, int]]:
        """What has ended, or been received, as far as it was not told yet: the fields of `Completion`."""
        words = self._words
        count = min(self.told, most)
        first = words[self._completed_head] & self._completions_mask
        data = self._between(first, count)
        words[self._completed_head] = words[self._completed_head] + count & 0xFFFFFFFF
        return _COMPLETION.iter_unpack(data)

    def take(self, most: int) -> tuple[int, int, int]:
        """Take completions that stand in `completions` without a break: where the first is, how many they are, and the
        buffer of their first datagram. They stay there until the next system call."""
        words, head_at = self._words, self._completed_head
        head = words[head_at]
        first = head & self._completions_mask
        count = min(words[self._completed_tail] - head & 0xFFFFFFFF, most, self._completions_mask + 1 - first)
        words[head_at] = head + count & 0xFFFFFFFF
        return first, count, self._taken & self._most_at_once - 1

    def datagram(self, result: int, flags: int) -> bytes:
        """What a receive tells of; until the next `give_back`."""
        self._taken += 1
        start = (flags >> BUFFER_SHIFT) * STRIDE
        return self.incoming[start : start + result]

    def give_back(self) -> None:
        """Let the kernel have the buffers again whose datagrams were asked for. It takes them in their order, round and
        round, so what stands in the table of buffers never changes: only how many there are is told."""
        self._buffers_tail[0] = self._taken & 0xFFFF

    @property
    def has_submitted_all(self) -> bool:
        """Whether nothing waits for the next system call."""
        return self._words[self._tail] == self._words[self._head]

    @property
    def told(self) -> int:
        """How many completions stand there that nobody has taken."""
        words = self._words
        return words[self._completed_tail] - words[self._completed_head] & 0xFFFFFFFF

    def _peek(self) -> list[Completion]:
        first = self._words[self._completed_head] & self._completions_mask
        return [Completion(*fields) for fields in _COMPLETION.iter_unpack(self._between(first, self.told))]

    def _between(self, first: int, count: int) -> bytes:
        size = _COMPLETION.size
        found = bytes(self.completions[first * size : (first + count) * size])
        beyond = first + count - self._completions_mask - 1
        return found + self.completions[: beyond * size] if beyond > 0 else found


def _system_call() -> Callable[..., int]:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.argtypes = [ctypes.c_long] * 7
    return call


def _ends(completion: Completion, number: int) -> bool:
    return completion.number == number and not completion.flags & GOES_ON


def _address(memory: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
