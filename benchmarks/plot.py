"""Draw the cost of the conference mix against rooms and parties.

python -m benchmarks.mixer --rooms 1,2,4,8,16 --parties 32 --json mixer-32.json   (and so on, for each size)
python -m benchmarks.plot mixer-*.json [--output docs/mixer.png]

Needs the extra `bench`: pip install 'myphone-pbx[bench]'.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib import pyplot

TICK_US = 20_000
Line = list[dict[str, Any]]
"""Figures of one size of room (benchmarks.mixer.Figures), by number of rooms."""


def read(paths: list[Path]) -> dict[int, Line]:
    """Lines by the number of parties in a room."""
    lines: dict[int, Line] = defaultdict(list)
    for path in paths:
        for figures in json.loads(path.read_text()):
            lines[figures["parties"]].append(figures)
    return {parties: sorted(lines[parties], key=lambda each: each["rooms"]) for parties in sorted(lines)}


def draw(lines: dict[int, Line], output: Path) -> None:
    """Left: microseconds per party and frame, beside C. Right: how much of a tick's 20 ms that is, for all rooms."""
    figure, (each, whole) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for index, (parties, line) in enumerate(lines.items()):
        rooms, colour = [found["rooms"] for found in line], f"C{index}"
        label = f"rooms of {parties}"
        each.plot(rooms, [found["kernel_us"] for found in line], "o-", color=colour, label=label)
        if all(found["c_us"] is not None for found in line):
            each.plot(rooms, [found["c_us"] for found in line], ":", color=colour)
        shares = [100 * found["kernel_us"] * found["rooms"] * parties / TICK_US for found in line]
        whole.plot(rooms, shares, "o-", color=colour, label=label)
    each.set_title("CPU per party and frame of 20 ms (dotted: plain C)")
    each.set_ylabel("µs")
    each.set_ylim(bottom=0)
    whole.set_yscale("log")
    whole.yaxis.set_major_formatter("{x:g}")
    whole.set_title("CPU of all rooms")
    whole.set_ylabel("% of one core")
    for axes in (each, whole):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("rooms")
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend()
    figure.savefig(output, dpi=110)


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="written by benchmarks.mixer --json")
    parser.add_argument("--output", type=Path, default=Path("docs/mixer.png"), help="(default: %(default)s)")
    options = parser.parse_args()
    draw(read(options.files), options.output)


if __name__ == "__main__":
    main()
