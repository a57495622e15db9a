"""What does a basic call through the switch cost (INVITE, 401, INVITE, 180, 200, ACK, BYE, 200; media ports set up)?

python -m benchmarks.call [--calls 500] [--rounds 5] [--pairs 10]

The pairs of phones call all at once: each phone sends, then each waits for its answer.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import chain

from benchmarks.harness import bare_b2bua, measure, print_table, resident_bytes, server
from benchmarks.load import BarePhone, calling, in_step
from benchmarks.signalling import CALL, pure_cost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=500, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=10, help="at once (default: %(default)s)")
    options = parser.parse_args()
    numbers = range(1000, 1000 + 2 * options.pairs)
    with server(numbers) as running, bare_b2bua() as bare:
        offices = [[BarePhone(number, each.address) for number in numbers] for each in (running, bare)]
        for phone in chain(*offices):
            phone.register()

        def unit(phones: list[BarePhone]) -> int:
            times = options.calls // options.pairs
            pairs = list(zip(phones[::2], phones[1::2], strict=True))
            return sum(in_step([calling(*pair) for pair in pairs]) for _ in range(times))

        ours, theirs = (partial(unit, phones) for phones in offices)
        ours()  # the first round warms caches up and is not counted
        theirs()
        before = resident_bytes(running.pid)
        measured = measure(options.rounds, ours, running.pid, (theirs, bare.pid))
        grown = resident_bytes(running.pid) - before
        pure = pure_cost(CALL, options.calls, options.rounds)
        print_table(
            f"basic call through the switch, {options.pairs} pairs at once, CPU of all server processes",
            [
                ("per call", str(measured)),
                ("bare Python UDP receive and send", f"{measured.yardstick * 1e3:.4f} ms"),
                (
                    "ratio to eight of these (what the call receives)",
                    f"{measured.seconds / (8 * measured.yardstick):.1f}",
                ),
                ("the least that a B2BUA does", f"{measured.reference * 1e3:.3f} ms"),
                ("without sockets, in one process", str(pure)),
                measured.stolen_row,
                (
                    "memory grown meanwhile",
                    f"{grown / 1e6:.1f} MB over {options.rounds * options.calls} calls",
                ),
            ],
        )
        for phone in chain(*offices):
            phone.close()


if __name__ == "__main__":
    main()
