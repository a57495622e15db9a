"""To 8 kHz from the higher rate of a speech synthesiser, all at once. What goes on is for `media.codecs.resample`."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from media.codecs.resample import low_pass, reach_of

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
    step_in, taps = _taps(rate_hz)
    step_out, width = taps.shape
    samples = np.frombuffer(pcm, np.int16).astype(np.float32)
    blocks = -(-len(samples) // step_in)
    padded = np.zeros(blocks * step_in + width, np.float32)
    padded[width // 2 : width // 2 + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    resampled = np.empty((blocks, step_out), np.float32)
    for place in range(step_out):
        # Not a matrix product: for one the linear algebra library wakes its threads, which costs more than it saves.
        near = windows[place * step_in // step_out :: step_in][:blocks]
        np.einsum("ij,j->i", near, taps[place], out=resampled[:, place])
    whole = resampled.reshape(-1)[: -(-len(samples) * RATE_HZ // rate_hz)]
    converted: bytes = np.clip(np.rint(whole), -32768, 32767).astype(np.int16).tobytes()
    return converted


@cache
def _taps(rate_hz: int) -> tuple[int, Samples]:
    """After how many samples everything repeats, and the weights of the neighbours for each output until then.

    The rates are in the ratio of small whole numbers, such as 441 to 160.
    """
    common = math.gcd(rate_hz, RATE_HZ)
    step_in, step_out = rate_hz // common, RATE_HZ // common
    reach = math.ceil(reach_of(PASS_HZ, RATE_HZ / 2, rate_hz, STOP_DB))
    between = np.arange(step_out) * step_in % step_out / step_out
    times = np.arange(-reach, reach + 1) - between[:, None]
    weights = low_pass(times, reach, PASS_HZ, RATE_HZ / 2, rate_hz, STOP_DB)
    return step_in, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
