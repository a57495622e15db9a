"""What does it cost to encipher a packet of 20 ms of G.711, and to decipher one?

python -m benchmarks.srtp [--packets 50000] [--rounds 5]

The yardstick authenticates the same bytes with HMAC-SHA-1 of the standard library, which is one part of the work.
"""

from __future__ import annotations

import argparse
import hmac
import statistics
import time
from collections.abc import Callable
from random import Random

from benchmarks.harness import print_table
from media.plan import SrtpKeys, SrtpSuite
from media.rtp import RtpPacket, RtpSender
from media.srtp import Srtp

KEYS = SrtpKeys(SrtpSuite.AES_CM_128_HMAC_SHA1_80, bytes(range(30)), bytes(range(30)))
GOAL = "3 us"


def packets(count: int) -> list[bytes]:
    """Of one source, one after another."""
    sender, sound = RtpSender(Random(1)), bytes(160)
    return [
        sender.relayed(RtpPacket(0, False, number & 0xFFFF, number * 160, 1, sound), 0, sound, 160)
        for number in range(count)
    ]


def authenticate(data: list[bytes]) -> None:
    """The yardstick."""
    digest = hmac.digest
    for packet in data:
        digest(b"key of twenty bytes.", packet, "sha1")


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=50_000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    plain = packets(options.packets)
    times: dict[str, list[float]] = {"hmac": [], "protect": [], "unprotect": []}
    for _ in range(options.rounds):  # interleaved: what slows the machine slows them all
        here, there = Srtp(KEYS), Srtp(KEYS)
        enciphered = [here.protect(packet) or b"" for packet in plain]
        sender = Srtp(KEYS)
        times["hmac"].append(seconds(lambda: authenticate(plain)))
        times["protect"].append(seconds(lambda sender=sender: [sender.protect(each) for each in plain]))  # type: ignore[misc]
        times["unprotect"].append(
            seconds(lambda there=there, data=enciphered: [there.unprotect(each) for each in data])  # type: ignore[misc]
        )
        assert there.forged == there.replayed == 0
    yardstick, *figures = (statistics.median(measured) / len(plain) for measured in times.values())
    rows = [("HMAC-SHA-1 of the same bytes (yardstick)", f"{yardstick * 1e6:.2f} us")]
    for name, figure in zip(("protect", "unprotect"), figures, strict=True):
        rows.append((name, f"{figure * 1e6:.2f} us, {figure / yardstick:.1f} yardsticks"))
    rows.append(("goal for each", GOAL))
    print_table("SRTP, one packet of 20 ms", rows)


if __name__ == "__main__":
    main()
