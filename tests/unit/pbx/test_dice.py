"""Dice of the kernel that are thrown in heaps: every bit once, in whatever portions."""

from __future__ import annotations

import os
from random import Random

import pytest

from pbx.dice import POOL_BYTES, Dice


@pytest.fixture
def thrown(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the kernel has given."""
    thrown: list[bytes] = []
    source = Random(1)

    def urandom(size: int) -> bytes:
        thrown.append(source.randbytes(size))
        return thrown[-1]

    monkeypatch.setattr("pbx.dice.os.urandom", urandom)
    return thrown


def test_each_bit_is_given_once_and_the_kernel_is_seldom_asked(thrown: list[bytes]) -> None:
    drawn = Dice()
    for_branches, for_calls = POOL_BYTES // 10, POOL_BYTES // 33
    given = [drawn.getrandbits(bits).to_bytes(33) for _ in range(for_calls) for bits in (80, 264, 80)]
    given += [drawn.getrandbits(80).to_bytes(33) for _ in range(2 * for_branches - 2 * for_calls)]
    assert len(thrown) == 3
    heaps = [(heap, 10 if len(heap) % 33 else 33) for heap in thrown]
    pieces = [heap[start : start + size] for heap, size in heaps for start in range(0, len(heap), size)]
    assert sorted(given) == sorted(piece.rjust(33, b"\0") for piece in pieces)


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 72, 8 * POOL_BYTES + 3])
def test_as_many_bits_as_are_asked_for(bits: int) -> None:
    drawn = Dice()
    numbers = [drawn.getrandbits(bits) for _ in range(200)]
    assert max(numbers) < 2**bits
    assert bits < 7 or (len(set(numbers)) > 50 and max(numbers) >= 2 ** (bits - 1))
    with pytest.raises(ValueError, match="-1"):
        drawn.getrandbits(-1)


def test_a_forked_process_throws_anew(thrown: list[bytes]) -> None:
    drawn = Dice()
    drawn.getrandbits(80)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, bytes([not drawn._heaps]))
        finally:
            os._exit(0)
    os.close(writing)  # or a child that fails would be waited for without end
    try:
        assert os.read(reading, 1) == b"\1"
        assert drawn._heaps[80], "the parent goes on with what it has"
    finally:
        os.waitpid(child, 0)
        os.close(reading)
