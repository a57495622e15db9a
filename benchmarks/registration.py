"""What does a digest registration cost (REGISTER, 401, REGISTER, 200)?

python -m benchmarks.registration [--registrations 2000] [--rounds 5] [--phones 20]

The phones register all at once, as they do after a power cut: each sends, then each waits for its answer.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import chain

from benchmarks.harness import bare_b2bua, byte_code, measure, print_table, resident_bytes, server
from benchmarks.load import BarePhone, in_step
from benchmarks.signalling import REGISTRATION, pure_cost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--registrations", type=int, default=2000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--phones", type=int, default=20, help="at once (default: %(default)s)")
    options = parser.parse_args()
    numbers = range(1000, 1000 + options.phones)
    with byte_code(), server(numbers) as running, bare_b2bua() as bare:
        idle = resident_bytes(running.pid)
        offices = [[BarePhone(number, each.address) for number in numbers] for each in (running, bare)]

        def unit(phones: list[BarePhone]) -> int:
            times = options.registrations // len(phones)
            return sum(in_step([phone.registering() for phone in phones]) for _ in range(times))

        ours, theirs = (partial(unit, phones) for phones in offices)
        ours()  # the first round warms caches up and is not counted
        theirs()
        measured = measure(options.rounds, ours, running.pid, (theirs, bare.pid))
        pure = pure_cost(REGISTRATION, options.registrations, options.rounds)
        print_table(
            f"digest registration (401 then 200), {options.phones} phones at once, CPU of all server processes",
            [
                ("per registration", str(measured)),
                ("bare Python UDP receive and send", f"{measured.yardstick * 1e3:.4f} ms"),
                ("ratio to two of these", f"{measured.seconds / (2 * measured.yardstick):.1f}"),
                ("the least that a B2BUA does", f"{measured.reference * 1e3:.3f} ms"),
                ("without sockets, in one process", str(pure)),
                measured.stolen_row,
                ("start to first answer, with byte code", f"{running.ready_seconds:.2f} s"),
                ("memory idle, all processes (PSS)", f"{idle / 1e6:.0f} MB"),
            ],
        )
        for phone in chain(*offices):
            phone.close()


if __name__ == "__main__":
    main()
