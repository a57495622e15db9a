"""What does a basic call through the switch cost (INVITE, 401, INVITE, 180, 200, ACK, BYE, 200; media ports set up)?

python -m benchmarks.call [--calls 500] [--rounds 5]

Ten pairs of phones call at the same time.
"""

from __future__ import annotations

import argparse

from benchmarks.harness import measure, print_table, resident_bytes, server, together
from benchmarks.load import BarePhone

EXTENSIONS = range(1000, 1020)


def one_call(pair: tuple[BarePhone, BarePhone]) -> None:
    """From the INVITE to the last 200."""
    caller, callee = pair
    call_id = caller.invite(callee.number, media_port=20000)
    callee.answer(media_port=20002)
    caller.acknowledge(call_id, callee.number)
    caller.hang_up(call_id, callee.number)
    callee.confirm_bye()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=500, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    with server(EXTENSIONS) as running:
        phones = [BarePhone(number, running.address) for number in EXTENSIONS]
        for phone in phones:
            phone.register()
        pairs = list(zip(phones[::2], phones[1::2], strict=True))

        def unit() -> int:
            return together(one_call, pairs, options.calls // len(pairs))

        unit()  # the first round warms caches up and is not counted
        before = resident_bytes(running.pid)
        figure, yardstick = measure(options.rounds, unit, running.pid)
        grown = resident_bytes(running.pid) - before
        print_table(
            "basic call through the switch, CPU of all server processes",
            [
                ("per call", f"{figure * 1e3:.3f} ms"),
                ("bare Python UDP receive and send", f"{yardstick * 1e3:.4f} ms"),
                ("ratio to eight of these (what the call receives)", f"{figure / (8 * yardstick):.1f}"),
                (
                    "memory grown meanwhile",
                    f"{grown / 1e6:.1f} MB over {options.rounds * options.calls} calls",
                ),
            ],
        )
        for phone in phones:
            phone.close()


if __name__ == "__main__":
    main()
