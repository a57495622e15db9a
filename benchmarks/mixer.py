"""What does a conference cost, per party and frame of 20 ms, on one thread?

python -m benchmarks.mixer [--scenario FILE] [--rooms 1,4,8,16] [--parties 32] [--codecs PCMA,PCMU] [--absent 0.1]

The yardsticks do the same work on the same sound, and are held to the same bytes: a plain C loop
(benchmarks/reference/mix.c, where there is gcc), and media/mixer_reference.py. All three take turns. Figures are the
CPU time of the thread, as medians over the ticks; allocations are Python's and numpy's.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import parse_with_scenario, print_table
from media import mixer_reference
from media.codecs import g711
from media.mixer import FRAME_SAMPLES, GAIN_ONE, Mixer
from media.plan import Codec

SOURCE = Path(__file__).parent / "reference" / "mix.c"
LAWS = (Codec.PCMA, Codec.PCMU)
SCRIPT_TICKS = 10
"""So many different frames of each party, in turn."""

Tick = list[bytes | None]
"""The payload of each row; None: absent."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds per party and frame; bytes per tick."""

    rooms: int
    parties: int
    kernel_us: float
    c_us: float | None
    reference_us: float
    allocated_bytes: int
    """At most at one time within a tick, freed again."""
    kept_bytes: int
    """More after many ticks than before, per tick."""


def script(codecs: list[Codec], absent: float) -> list[Tick]:
    """Frames of parties who all talk at once: harmonics of a voice that swell and fade, with some noise."""
    dice = np.random.default_rng(1)
    seconds = np.arange(SCRIPT_TICKS * FRAME_SAMPLES) / 8000
    rows = []
    for codec in codecs:
        pitch = dice.uniform(90, 250)
        voice = sum(np.sin(2 * np.pi * pitch * k * seconds + dice.uniform(0, 6)) / k for k in range(1, 12))
        swell = 1 + np.sin(2 * np.pi * dice.uniform(2, 5) * seconds + dice.uniform(0, 6))
        samples = 1200 * voice * swell + dice.normal(0, 60, len(seconds))
        pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
        sound = g711.encode(codec, pcm)
        rows.append([sound[at : at + FRAME_SAMPLES] for at in range(0, len(sound), FRAME_SAMPLES)])
    who = random.Random(1)
    gone = [who.random() < absent for _ in codecs]
    return [
        [None if away else row[tick] for row, away in zip(rows, gone, strict=True)]
        for tick in range(SCRIPT_TICKS)
    ]


# -- the three -------------------------------------------------------------------------------------


class Kernel:
    """media/mixer.py."""

    def __init__(self, rooms: int, codecs: list[Codec]) -> None:
        self.mixer = Mixer(len(codecs))
        parties = len(codecs) // rooms
        self._rows = []
        for number in range(rooms):
            room = self.mixer.add_room()
            for codec in codecs[number * parties :][:parties]:
                self._rows.append(self.mixer.add_party(room, codec))
        self._payloads = [self.mixer.payload(row) for row in self._rows]
        self._outputs = [self.mixer.output(row) for row in self._rows]

    def write(self, tick: Tick) -> None:
        """As RTP would: a payload and its byte in `present`."""
        present = self.mixer.present
        for row, target, payload in zip(self._rows, self._payloads, tick, strict=True):
            if payload is not None:
                target[:] = payload
                present[row] = 1

    def mix(self) -> None:
        """One tick."""
        self.mixer.mix()

    def heard(self) -> list[bytes]:
        """What each row hears."""
        return [bytes(output) for output in self._outputs]


class CLoop:
    """benchmarks/reference/mix.c."""

    def __init__(self, library: ctypes.CDLL, rooms: int, codecs: list[Codec]) -> None:
        self._library, self._rooms, self._parties = library, rooms, len(codecs) // rooms
        count = len(codecs)
        every_sample = np.arange(-0x8000, 0x8000).astype("<i2").tobytes()
        every_code = bytes(range(256))
        self._law = np.array([LAWS.index(codec) for codec in codecs], np.uint8)
        self._present = np.zeros(count, np.uint8)
        self._gains = np.full(count, GAIN_ONE, np.int32)
        self._payloads = np.zeros((count, FRAME_SAMPLES), np.uint8)
        self._outputs = np.zeros((count, FRAME_SAMPLES), np.uint8)
        self._levels = np.zeros(count, np.int32)
        self._decode = np.array(
            [np.frombuffer(g711.decode(law, every_code), "<i2") for law in LAWS], np.int16
        )
        self._encode = np.array([np.frombuffer(g711.encode(law, every_sample), np.uint8) for law in LAWS])
        arrays: list[npt.NDArray[np.generic]] = [
            self._law, self._present, self._gains, self._payloads, self._outputs, self._levels, self._decode,
            self._encode,
        ]  # fmt: skip
        self._arguments = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def write(self, tick: Tick) -> None:
        """Payloads of the next call."""
        for row, payload in enumerate(tick):
            self._present[row] = payload is not None
            if payload is not None:
                self._payloads[row] = np.frombuffer(payload, np.uint8)

    def mix(self) -> None:
        """One tick."""
        if self._library.mix(self._rooms, self._parties, *self._arguments):
            raise ValueError(f"rooms of {self._parties} are too large for {SOURCE}")

    def heard(self) -> list[bytes]:
        """What each row hears."""
        return [row.tobytes() for row in self._outputs]


class Reference:
    """media/mixer_reference.py."""

    def __init__(self, rooms: int, codecs: list[Codec]) -> None:
        self._parties, self._codecs = len(codecs) // rooms, codecs
        self._rooms: list[list[mixer_reference.Party]] = []
        self._heard: list[bytes] = []

    def write(self, tick: Tick) -> None:
        """The parties of the next call."""
        parties = [
            mixer_reference.Party(codec, payload) for codec, payload in zip(self._codecs, tick, strict=True)
        ]
        size = self._parties
        self._rooms = [parties[at : at + size] for at in range(0, len(parties), size)]

    def mix(self) -> None:
        """One tick, with the levels that the others compute in it."""
        self._heard = []
        for room in self._rooms:
            self._heard += mixer_reference.mix(room)
            mixer_reference.levels(room)

    def heard(self) -> list[bytes]:
        """What each row hears."""
        return self._heard


Contender = Kernel | CLoop | Reference


def c_library(folder: str) -> ctypes.CDLL | None:
    """mix.c, compiled in a folder; None without gcc."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    target = Path(folder) / "mix.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE)], check=True)
    return ctypes.CDLL(str(target))


# -- measuring -------------------------------------------------------------------------------------


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this thread."""
    before = time.thread_time()
    work()
    return time.thread_time() - before


def allocations(kernel: Kernel, ticks: list[Tick]) -> tuple[int, int]:
    """(bytes at most at one time in one tick, bytes kept per tick)."""
    rounds, most = 50, 0
    tracemalloc.start()
    for tick in ticks:
        kernel.write(tick)
        kernel.mix()
    began = tracemalloc.get_traced_memory()[0]
    for number in range(rounds):
        kernel.write(ticks[number % len(ticks)])
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kernel.mix()
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
    kept = tracemalloc.get_traced_memory()[0] - began
    tracemalloc.stop()
    return most, max(kept, 0) // rounds


def measure(rooms: int, codecs: list[Codec], library: ctypes.CDLL | None, options: Options) -> Figures:
    """The three in turn, the plain reference less often: it takes its time."""
    ticks = script(codecs, options.absent)
    kernel, reference = Kernel(rooms, codecs), Reference(rooms, codecs)
    contenders: list[Contender] = [kernel, reference]
    if library is not None:
        contenders.append(CLoop(library, rooms, codecs))
    for contender in contenders:
        contender.write(ticks[0])
        contender.mix()
        if contender.heard() != kernel.heard():
            sys.exit(f"{type(contender).__doc__} gives another result than {Kernel.__doc__}")
    found: dict[type, list[float]] = {type(contender): [] for contender in contenders}
    gc.disable()
    for number in range(options.ticks):
        for contender in contenders:
            if contender is reference and number % (options.ticks // 5 or 1):
                continue
            contender.write(ticks[number % len(ticks)])
            found[type(contender)].append(seconds(contender.mix))
    gc.enable()
    microseconds = {kind: statistics.median(times) / len(codecs) * 1e6 for kind, times in found.items()}
    most, kept = allocations(kernel, ticks)
    return Figures(
        rooms,
        len(codecs) // rooms,
        microseconds[Kernel],
        microseconds.get(CLoop),
        microseconds[Reference],
        most,
        kept,
    )


def line_of(figures: Figures) -> tuple[str, str]:
    """A line of the table."""
    kernel = figures.kernel_us
    c = f"{kernel / figures.c_us:.1f} C ({figures.c_us:.3f})" if figures.c_us else "no C: gcc is missing"
    reference = f"reference/{figures.reference_us / kernel:.0f} ({figures.reference_us:.1f})"
    memory = f"{figures.allocated_bytes} bytes in a tick, {figures.kept_bytes} kept"
    return f"{figures.rooms} x {figures.parties}", f"{kernel:.3f} us = {c} = {reference}; {memory}"


class Options(argparse.Namespace):
    """Of the command line."""

    rooms: str
    parties: int
    codecs: str
    absent: float
    ticks: int
    json: Path | None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", default="1,4,8,16", help="how many, one or more (default: %(default)s)")
    parser.add_argument("--parties", type=int, default=32, help="in each room (default: %(default)s)")
    parser.add_argument("--codecs", default="PCMA", help="of a room's parties in turn (default: %(default)s)")
    parser.add_argument("--absent", type=float, default=0.0, help="share that only listens (default: 0)")
    parser.add_argument("--ticks", type=int, default=500, help="the median of so many (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parse_with_scenario(parser, Options())
    laws = [Codec[name] for name in options.codecs.split(",")]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        library = c_library(folder)
        for rooms in map(int, options.rooms.split(",")):
            codecs = [laws[party % len(laws)] for _ in range(rooms) for party in range(options.parties)]
            results.append(measure(rooms, codecs, library, options))
    print_table(
        "Conference mix, per party and frame (rooms x parties)", [line_of(found) for found in results]
    )
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(found) for found in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
