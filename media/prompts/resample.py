"""To 8 kHz from the higher rate of a speech synthesiser: a windowed sinc, as one matrix product."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 8000
PASS_HZ = 3400.0
"""Telephone speech ends here; from half the rate on, everything is stopped."""
STOP_DB = 60.0

Samples = npt.NDArray[np.float32]


def to_8_khz(pcm: bytes, rate_hz: int) -> bytes:
    """Mono int16 at `rate_hz` as mono int16 at 8 kHz, in time with it. Raises ValueError for a lower rate."""
    if rate_hz < RATE_HZ:
        raise ValueError(f"{rate_hz} Hz is less than {RATE_HZ} Hz")
    if rate_hz == RATE_HZ or not pcm:
        return pcm
    samples = np.frombuffer(pcm, np.int16).astype(np.float32)
    step_in, matrix = _matrix(rate_hz)
    reach = matrix.shape[0] - step_in
    blocks = -(-len(samples) // step_in)
    padded = np.zeros(blocks * step_in + reach, np.float32)
    padded[reach // 2 : reach // 2 + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, matrix.shape[0])[::step_in]
    resampled = (windows @ matrix).reshape(-1)[: -(-len(samples) * RATE_HZ // rate_hz)]
    return np.clip(np.rint(resampled), -32768, 32767).astype(np.int16).tobytes()


@cache
def _matrix(rate_hz: int) -> tuple[int, Samples]:
    """How many samples come in for each product, and the matrix: inputs with their neighbours x outputs.

    The rates are in the ratio of small whole numbers, such as 441 to 160, after which everything repeats.
    """
    common = math.gcd(rate_hz, RATE_HZ)
    step_in, step_out = rate_hz // common, RATE_HZ // common
    # Kaiser's formulas for the length and shape of a window, from the width of the transition.
    transition = 2 * math.pi * (RATE_HZ / 2 - PASS_HZ) / rate_hz
    reach = math.ceil((STOP_DB - 8) / (2.285 * transition) / 2)
    beta = 0.1102 * (STOP_DB - 8.7)
    cutoff = (RATE_HZ / 2 + PASS_HZ) / rate_hz
    """In half the rate."""

    times = np.arange(-reach, step_in + reach)[:, None] - np.arange(step_out) * (step_in / step_out)
    window = np.i0(beta * np.sqrt(np.clip(1 - (times / reach) ** 2, 0, 1))) * (np.abs(times) <= reach)
    weights = np.sinc(cutoff * times) * window
    return step_in, (weights / weights.sum(axis=0)).astype(np.float32)
