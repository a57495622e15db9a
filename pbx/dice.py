"""The kernel's dice, thrown many at once."""

from __future__ import annotations

import os
from random import SystemRandom
from struct import unpack

POOL_BYTES = 1024


class Dice(SystemRandom):
    """A `SystemRandom` that asks for a heap of bits where another asks for each identifier: a call draws seven of
    these, and a system call costs more than all else about one. No bit is given twice, nor to a forked process as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._heaps: dict[int, list[int]] = {}
        """How many bits are asked for -> numbers of so many, which nobody has been given."""

    def getrandbits(self, k: int, /) -> int:
        """So many bits that nobody can guess. Raises ValueError for less than none."""
        try:
            return self._heaps[k].pop()
        except (KeyError, IndexError):
            return self._throw(k)

    def _throw(self, k: int) -> int:
        """The same, and as many others for who asks next."""
        if k < 0:
            raise ValueError(f"{k} bits")
        size = max(1, (k + 7) // 8)
        count = max(1, POOL_BYTES // size)
        spare = 8 * size - k
        heap = [*map(int.from_bytes, unpack(f"{size}s" * count, os.urandom(size * count)))]
        if spare:
            heap = [number >> spare for number in heap]
        drawn = heap.pop()
        self._heaps[k] = heap  # whatever another thread has put there meanwhile is lost, and nobody has it twice
        return drawn
