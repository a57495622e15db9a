"""What does a digest registration cost (REGISTER, 401, REGISTER, 200)?

python -m benchmarks.registration [--registrations 2000] [--rounds 5]

Twenty phones register at the same time.
"""

from __future__ import annotations

import argparse

from benchmarks.harness import measure, print_table, resident_bytes, server, together
from benchmarks.load import BarePhone

EXTENSIONS = range(1000, 1020)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--registrations", type=int, default=2000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    with server(EXTENSIONS) as running:
        idle = resident_bytes(running.pid)
        phones = [BarePhone(number, running.address) for number in EXTENSIONS]

        def unit() -> int:
            return together(BarePhone.register, phones, options.registrations // len(phones))

        unit()  # the first round warms caches up and is not counted
        figure, yardstick = measure(options.rounds, unit, running.pid)
        print_table(
            "digest registration (401 then 200), CPU of the server process",
            [
                ("per registration", f"{figure * 1e3:.3f} ms"),
                ("bare Python UDP receive and send", f"{yardstick * 1e3:.4f} ms"),
                ("ratio to two of these", f"{figure / (2 * yardstick):.1f}"),
                ("start to first answer", f"{running.ready_seconds:.2f} s"),
                ("memory idle, all processes (PSS)", f"{idle / 1e6:.0f} MB"),
            ],
        )
        for phone in phones:
            phone.close()


if __name__ == "__main__":
    main()
