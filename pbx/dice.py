"""The kernel's dice, thrown many at once."""

from __future__ import annotations

import os
from random import SystemRandom

POOL_BYTES = 1024


class Dice(SystemRandom):
    """A `SystemRandom` that asks for a heap of bits where another asks for each identifier: a call draws ten of these,
    and a system call costs more than all else about one. No bit is given twice, nor to a forked process as well.

    For one thread alone, that of the loop: two that ask at once might be given the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pool, self._drawn = b"", 0

    def getrandbits(self, k: int, /) -> int:
        """So many bits that nobody can guess. Raises ValueError for less than none."""
        if k < 0:
            raise ValueError(f"{k} bits")
        size = (k + 7) // 8
        end = self._drawn + size
        if end > len(self._pool):
            self._pool, self._drawn, end = os.urandom(max(POOL_BYTES, size)), 0, size
        drawn = int.from_bytes(self._pool[self._drawn : end])
        self._drawn = end
        return drawn >> (8 * size - k)
