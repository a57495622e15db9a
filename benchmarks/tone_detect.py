"""What does listening for in-band digits cost, in CPU time per channel and 20 ms, on one thread?

python -m benchmarks.tone_detect [--seconds 4] [--rounds 5]

The yardstick is what cannot be saved: the same matrix product, twice a frame, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import numpy as np
import numpy.typing as npt

from benchmarks.harness import print_table
from media.tone_detect import DIGITS, FRAME_SAMPLES, HIGH_HZ, LOW_HZ, RATE_HZ, WINDOW, DtmfDetector, Samples

CHANNELS = (1, 32, 128, 512)
TONES = len(LOW_HZ) + len(HIGH_HZ)
LEVEL = 4000


def quiet(channels: int, frames: int) -> Samples:
    """Nobody speaks; frames first, then channels."""
    return np.zeros((frames, channels, FRAME_SAMPLES), np.int16)


def talk(channels: int, frames: int) -> Samples:
    """Everybody speaks, as far as energies go: noise."""
    noise = np.random.default_rng(1).normal(0, LEVEL, (frames, channels, FRAME_SAMPLES))
    return noise.astype(np.int16)


def dial(channels: int, frames: int) -> Samples:
    """Everybody dials all the time: 100 ms of tones, 100 ms of pause, each with a digit and a begin of its own."""
    times = np.arange(frames * FRAME_SAMPLES)
    sound = np.zeros((channels, len(times)))
    for channel in range(channels):
        row, column = divmod(channel % len(DIGITS), 4)
        sounds = (times + 13 * channel) % 1600 < 800
        for hertz in (LOW_HZ[row], HIGH_HZ[column]):
            sound[channel] += sounds * LEVEL * np.sin(2 * np.pi * hertz / RATE_HZ * times)
    return np.ascontiguousarray(sound.astype(np.int16).reshape(channels, frames, -1).swapaxes(0, 1))


def listen(sound: Samples) -> Callable[[], None]:
    """A function that hears all of it."""
    detector = DtmfDetector(sound.shape[1])

    def hear() -> None:
        for frame in sound:
            detector.detect(frame)

    return hear


def multiply(channels: int, frames: int) -> Callable[[], None]:
    """The yardstick."""
    correlators = np.ones((2 * TONES, WINDOW), np.float32)
    windows = np.ones((channels, WINDOW), np.float32)
    product: npt.NDArray[np.float32] = np.empty((2 * TONES, channels), np.float32)

    def work() -> None:
        for _ in range(2 * frames):
            np.matmul(correlators, windows.T, out=product)

    return work


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4, help="of sound a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    frames = max(1, round(options.seconds * RATE_HZ / FRAME_SAMPLES))
    for channels in CHANNELS:
        works = {
            "the matrix product (yardstick)": multiply(channels, frames),
            "silence": listen(quiet(channels, frames)),
            "noise": listen(talk(channels, frames)),
            "digits all the time": listen(dial(channels, frames)),
        }
        figures: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.rounds):  # interleaved: what slows the machine slows all
            for name, work in works.items():
                figures[name].append(seconds(work) / frames / channels)
        medians = {name: statistics.median(found) for name, found in figures.items()}
        [yardstick, *_] = medians.values()
        rows = [
            (name, f"{median * 1e6:.2f} us, {median / yardstick:.1f} yardsticks")
            for name, median in medians.items()
        ]
        print_table(f"{channels} channels, each per 20 ms", rows)


if __name__ == "__main__":
    main()
