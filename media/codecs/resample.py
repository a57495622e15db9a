"""Resampling between 8, 16 and 48 kHz, 20 ms at a time, many channels at once.

The filter is linear, so 2 ms of output are a product of a matrix with those 2 ms of input and what the filter
remembers of the time before. The same matrix serves all of a frame's ten pieces and all channels: one product a batch.
The matrix is a band; longer pieces would waste time on its zeros, and shorter ones on reading the filter's memory.

The product is small, and a second thread would take longer to wake than it helps: `media/worker.py` allows one.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from media.codecs.codec import FRAMES_PER_SECOND, Samples

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

PASS_BAND_HZ = {8000: 3400, 16000: 7000}
"""By the lower of the two rates. The stop-band begins at its half: nothing is folded back or mirrored."""
STOP_BAND_DB = 54
PIECES = 10
"""In a frame."""


class Resampler:
    """So many channels, from one rate to another; each remembers the sound before."""

    def __init__(self, from_hz: int, to_hz: int, channels: int = 1) -> None:
        """Raises ValueError for rates that are alike or not ours."""
        if from_hz == to_hz or {from_hz, to_hz} - {8000, 16000, 48000}:
            raise ValueError(f"no resampling from {from_hz} to {to_hz} Hz")
        self.channels = channels
        low_hz, high_hz = sorted((from_hz, to_hz))
        self.delay_samples = len(_filter(low_hz, high_hz)) // 2 * to_hz // high_hz
        """By which the output is late, at `to_hz`; a whole number."""
        self._matrix = _band_matrix(from_hz, to_hz)
        window, piece = self._matrix.shape
        samples = from_hz // FRAMES_PER_SECOND
        self._shape = (channels, samples)
        self._memory = window - samples // PIECES
        self._sound = np.zeros((channels, self._memory + samples), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(self._sound, window, axis=1)
        self._views = views[:, :: samples // PIECES]
        self._windows = np.empty((channels, PIECES, window), np.float32)
        self._output = np.empty((channels * PIECES, piece), np.float32)

    def resample(self, frames: Samples) -> Samples:
        """The next 20 ms, of shape (channels, samples) at each rate; zeros for a channel that is not in use.

        Raises ValueError for another shape.
        """
        if frames.shape != self._shape:  # numpy would stretch some of these
            raise ValueError(f"frames of shape {frames.shape}, not {self._shape}")
        sound = self._sound
        sound[:, : self._memory] = sound[:, -self._memory :]
        sound[:, self._memory :] = frames
        self._windows[...] = self._views  # in one piece, as the product wants it
        output = np.matmul(self._windows.reshape(len(self._output), -1), self._matrix, out=self._output)
        np.rint(output, out=output)
        np.clip(output, -32768, 32767, out=output)
        return output.reshape(self.channels, -1).astype(np.int16)

    def reset(self, channel: int) -> None:
        """Forget what was heard: the channel has a new call."""
        self._sound[channel] = 0


# -- the low-pass filter, here and of files of sound (`media.prompts.resample`) ----------------------------


def reach_of(pass_hz: float, stop_hz: float, rate_hz: int, stop_db: float) -> float:
    """To how many samples on either side a low-pass in Kaiser's window has to reach: his formula."""
    return (stop_db - 7.95) / (14.36 * (stop_hz - pass_hz) / rate_hz) / 2


def low_pass(
    times: Doubles, reach: int, pass_hz: float, stop_hz: float, rate_hz: int, stop_db: float
) -> Doubles:
    """The filter at these times, in samples from its middle: a sinc in Kaiser's window. Its gain is not 1 yet."""
    beta = 0.1102 * (stop_db - 8.7)
    window = np.i0(beta * np.sqrt(np.clip(1 - (times / reach) ** 2, 0, 1))) * (np.abs(times) <= reach)
    taps: Doubles = np.sinc((pass_hz + stop_hz) / rate_hz * times) * window
    return taps


@cache
def _filter(low_hz: int, high_hz: int) -> Doubles:
    """The low-pass at `high_hz`, of unit gain."""
    ratio, band = high_hz // low_hz, (PASS_BAND_HZ[low_hz], low_hz / 2)
    reach = ratio * math.ceil(
        reach_of(*band, high_hz, STOP_BAND_DB) / ratio
    )  # so the delay is whole at both rates
    taps = low_pass(np.arange(-reach, reach + 1.0), reach, *band, high_hz, STOP_BAND_DB)
    unit: Doubles = taps / taps.sum()
    return unit


@cache
def _band_matrix(from_hz: int, to_hz: int) -> Floats:
    """Of shape (memory and input, output) of one piece."""
    high_hz = max(from_hz, to_hz)
    step_in, step_out = high_hz // from_hz, high_hz // to_hz
    taps = _filter(min(from_hz, to_hz), high_hz) * step_in
    memory = (len(taps) - 1) // step_in
    pieces_per_second = FRAMES_PER_SECOND * PIECES
    times_in = step_in * np.arange(-memory, from_hz // pieces_per_second)
    times_out = step_out * np.arange(to_hz // pieces_per_second)
    index = times_out - times_in[:, None]
    inside = (index >= 0) & (index < len(taps))
    return np.where(inside, taps[np.where(inside, index, 0)], 0).astype(np.float32)
