"""What a link does to packets: sans-IO, seeded. Packets in, delays out; no delay at all means lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

MAXIMUM_RETRANSMISSIONS = 8
"""Of one stream segment; the next one then gets through (51 s later), however bad the link."""


@dataclass(frozen=True, slots=True)
class Bursts:
    """Loss that comes in bursts: the two-state model of Gilbert and Elliott, stepped once a packet."""

    start: float
    """Probability that a burst begins with a packet of a good stretch."""
    stop: float
    """Probability that it ends with a packet of the burst; its mean length is 1/stop packets."""
    loss: float = 1.0
    """Probability that a packet within a burst is lost."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How good a link is. Probabilities are per packet and independent of each other."""

    delay_seconds: float = 0.0005
    jitter_seconds: float = 0.0
    """Up to this much is added, evenly spread. Jitter above the spacing of packets reorders them."""
    loss: float = 0.0
    bursts: Bursts | None = None
    duplication: float = 0.0
    reordering: float = 0.0
    """Probability that a packet is held back by `reordering_seconds`, so that later ones overtake it."""
    reordering_seconds: float = 0.03
    segment_bytes: int = 1460
    """Streams are delivered in pieces of at most so many bytes (a TCP segment)."""


LAN = Profile()
WIRELESS = Profile(delay_seconds=0.003, jitter_seconds=0.01, bursts=Bursts(start=0.01, stop=0.5))
INTERNET = Profile(delay_seconds=0.02, jitter_seconds=0.005, loss=0.005, duplication=0.001, reordering=0.005)
AWFUL = Profile(
    delay_seconds=0.05,
    jitter_seconds=0.1,
    loss=0.1,
    bursts=Bursts(start=0.02, stop=0.2),
    duplication=0.05,
    reordering=0.1,
    reordering_seconds=0.7,
    segment_bytes=97,
)


class Channel:
    """One direction of a link: a profile, the dice, and whether a burst of loss is on."""

    def __init__(self, profile: Profile, random: Random) -> None:
        self.profile = profile
        self._random = random
        self._in_burst = False

    @property
    def profile(self) -> Profile:
        """How good this direction is now."""
        return self._profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._profile = profile
        plain = Profile(delay_seconds=profile.delay_seconds, segment_bytes=profile.segment_bytes)
        self._steady = [profile.delay_seconds] if profile == plain else None

    def carry(self) -> Sequence[float]:
        """The fate of one packet: the delays (seconds) of the copies that arrive, none if it is lost."""
        if self._steady is not None:
            return self._steady
        if self._loses():
            return []
        profile = self._profile
        copies = 2 if profile.duplication and self._random.random() < profile.duplication else 1
        return [self._delay() for _ in range(copies)]

    def carry_in_order(self) -> float:
        """The delay (seconds) of one segment of a stream, with the retransmissions that losses cost."""
        waited, retransmit_seconds = 0.0, 0.2
        for _ in range(MAXIMUM_RETRANSMISSIONS):
            if not self._loses():
                break
            waited += retransmit_seconds
            retransmit_seconds *= 2
        return waited + self._delay()

    def _delay(self) -> float:
        profile = self._profile
        delay = profile.delay_seconds
        if profile.jitter_seconds:
            delay += self._random.random() * profile.jitter_seconds
        if profile.reordering and self._random.random() < profile.reordering:
            delay += profile.reordering_seconds
        return delay

    def _loses(self) -> bool:
        profile = self._profile
        lost = bool(profile.loss) and self._random.random() < profile.loss
        bursts = profile.bursts
        if bursts is not None:
            turns = self._random.random() < (bursts.stop if self._in_burst else bursts.start)
            self._in_burst ^= turns
            lost |= self._in_burst and self._random.random() < bursts.loss
        return lost
