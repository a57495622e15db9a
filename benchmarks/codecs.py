"""What do 20 ms of sound cost in each codec, from rate to rate, and in a relay between two codecs, on one thread?

python -m benchmarks.codecs [--seconds 4] [--rounds 5]

The yardstick copies a frame of 20 ms at 48 kHz with numpy, which is the least that anything in numpy could do.
"""

from __future__ import annotations

import os

# Before numpy loads, as in a media process: a second thread of the matrix product would be another worker's time.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import permutations

import numpy as np

from benchmarks.harness import print_table
from media.codecs.codec import FORMATS, FRAMES_PER_SECOND, Samples, make_decoder, make_encoder
from media.codecs.resample import Resampler
from media.plan import Codec
from media.rtp import RtpPacket
from media.transcode import Transcoder

Work = Callable[[], int]
"""Does a round of it, and returns how many frames of 20 ms of one channel that was."""

YARDSTICK = "copy a frame of 48 kHz (yardstick)"
RATES = [(8000, 16000), (16000, 8000), (8000, 48000), (48000, 8000), (16000, 48000), (48000, 16000)]
CHANNELS = (1, 32, 128)


def voice(rate: int, seconds: float) -> Samples:
    """Frames of harmonics in syllables, with some noise: an encoder has its work with them. (frames, samples)."""
    times = np.arange(round(seconds * FRAMES_PER_SECOND) * (rate // FRAMES_PER_SECOND)) / rate
    harmonics = np.arange(1, 25)[:, None]
    buzz = (np.sin(2 * np.pi * 120 * harmonics * times + harmonics**2) / harmonics).sum(axis=0)
    sound = buzz * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))
    sound += np.random.default_rng(1).normal(scale=0.1, size=len(times))
    frames: Samples = (8000 / np.abs(sound).max() * sound).astype(np.int16)
    return frames.reshape(-1, rate // FRAMES_PER_SECOND)


def copying(seconds: float) -> Work:
    """The yardstick."""
    frame, copy = voice(48000, 0.02)[0], np.empty(960, np.int16)
    repetitions = round(seconds * FRAMES_PER_SECOND) * 100

    def work() -> int:
        for _ in range(repetitions):
            np.copyto(copy, frame)
        return repetitions

    return work


def coding(name: str, seconds: float) -> tuple[Work, Work]:
    """An encoder at work on a voice, and a decoder on its payloads."""
    encoder, decoder = make_encoder(name), make_decoder(name)
    frames = list(voice(encoder.rate, seconds))
    payloads = [encoder.encode(frame) for frame in frames]

    def encode() -> int:
        for frame in frames:
            encoder.encode(frame)
        return len(frames)

    def decode() -> int:
        for payload in payloads:
            decoder.decode(payload)
        return len(payloads)

    return encode, decode


def resampling(from_hz: int, to_hz: int, channels: int, seconds: float) -> Work:
    """A resampler at work on so many channels."""
    resampler = Resampler(from_hz, to_hz, channels)
    batches = list(np.repeat(voice(from_hz, 0.2)[:, None], channels, axis=1))
    repetitions = max(1, round(seconds * FRAMES_PER_SECOND / len(batches)))

    def work() -> int:
        for _ in range(repetitions):
            for batch in batches:
                resampler.resample(batch)
        return repetitions * len(batches) * channels

    return work


def recoding(source: Codec, target: Codec, seconds: float) -> Work:
    """A relay's recoding of one direction, from packets to packets."""
    transcoder, encoder = Transcoder(source, target), make_encoder(source.encoding_name)
    payloads = [encoder.encode(frame) for frame in voice(encoder.rate, seconds)]
    sequence = 0

    def work() -> int:
        nonlocal sequence
        made = 0
        for payload in payloads:
            timestamp = sequence * source.frame_ticks & 0xFFFFFFFF
            packet = RtpPacket(0, False, sequence & 0xFFFF, timestamp, 1, payload)
            sequence += 1
            made += sum(1 for _ in transcoder.sound(packet))
        return made

    return work


def seconds_per_frame(work: Work) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    frames = work()
    return (time.process_time() - before) / frames


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4, help="of sound in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    works = {YARDSTICK: copying(options.seconds)}
    for format in FORMATS.values():
        name = format.encoding_name
        works[f"{name}: encode"], works[f"{name}: decode"] = coding(name, options.seconds)
    for from_hz, to_hz in RATES:
        for channels in CHANNELS:
            name = f"{from_hz // 1000} to {to_hz // 1000} kHz, a channel of {channels}"
            works[name] = resampling(from_hz, to_hz, channels, options.seconds)
    for source, target in permutations((Codec.PCMA, Codec.G722, Codec.OPUS), 2):
        name = f"relay from {source.encoding_name} to {target.encoding_name}"
        works[name] = recoding(source, target, options.seconds)
    figures: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):  # interleaved: what slows the machine slows all
        for name, work in works.items():
            figures[name].append(seconds_per_frame(work))
    medians = {name: statistics.median(row) for name, row in figures.items()}
    yardstick = medians.pop(YARDSTICK)
    rows = [(YARDSTICK, f"{yardstick * 1e6:.2f} us")]
    rows += [
        (name, f"{figure * 1e6:.2f} us, {figure / yardstick:.1f} yardsticks")
        for name, figure in medians.items()
    ]
    print_table("20 ms of sound", rows)


if __name__ == "__main__":
    main()
