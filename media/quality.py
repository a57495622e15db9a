"""How good a call sounds, from what the network does to it: the E-model (ITU-T G.107) and the MOS derived from it.

All that does not depend on the network has its default value (G.107 table 2: usual phones, quiet rooms, echo
65 dB down). What is left is R = 93.2 - Id - Ie,eff: the impairment by delay (of the conversation, and by the
echo that is heard later), and that by the codec and by loss.
"""

from __future__ import annotations

import math

from values import dataclass

BEST_R = 93.2
"""The rating of a connection without delay, with G.711 and without loss (G.107 section 7.7)."""

_TELR_DB = 65.0  # talker echo loudness rating, the default
_ROE = 94.77  # -1.5 (No - RLR): what masks echo, at the defaults
_UNHEARD_MS = 100.0  # delay below this hinders nobody (G.107 table 1: default delay sensitivity)


@dataclass(frozen=True, slots=True)
class CodecQuality:
    """What the E-model knows of a codec, on its scale for narrowband phones."""

    impairment: float
    """Ie, in units of R, without loss."""
    loss_robustness: float
    """Bpl, in per cent: so much random loss costs half of what is left."""


G711 = CodecQuality(0, 4.3)
"""Silence in place of what is lost (G.113 appendix I)."""
G711_CONCEALED = CodecQuality(0, 25.1)
"""With the concealment of G.711 appendix I (G.113 appendix I). Ours is simpler: this is an upper bound for it."""
G722 = CodecQuality(0, 4.3)
"""G.113 rates G.722 on the wideband scale alone (Ie,wb 13 of 129 at 64 kbit/s), where it is better than any
narrowband call. On this scale it is taken to be no worse than G.711, and no more robust: an assumption."""
OPUS = CodecQuality(0, 25.1)
"""G.113 has no values for Opus. Taken to be no worse than G.711, and its built-in concealment as good as that
of G.711 appendix I: an assumption."""


def rating(
    codec: CodecQuality, *, delay_ms: float = 0.0, loss: float = 0.0, burst_ratio: float = 1.0
) -> float:
    """R, from 0 to 93.2.

    `delay_ms` is one way, from mouth to ear: network, buffers, packets. `loss` (0 to 1) is the part of the packets
    that were not there to be played: lost ones and late ones. `burst_ratio` is the mean length of the losses, in
    packets, over that of random losses at this rate: 1 where losses are independent, more where they come
    together. Raises ValueError for what can be none.
    """
    if not (delay_ms >= 0 and 0 <= loss <= 1 and burst_ratio > 0):
        raise ValueError(f"no such network: delay {delay_ms} ms, loss {loss}, burst ratio {burst_ratio}")
    impairment = _delay_impairment(delay_ms) + _loss_impairment(codec, 100 * loss, burst_ratio)
    return max(BEST_R - impairment, 0.0)


def mean_opinion(rating: float) -> float:
    """The MOS (1 bad, 4.5 as good as it gets) of an R (G.107 annex B)."""
    if rating >= 100:
        return 4.5
    # The polynomial dips below 1 before it rises.
    return (
        max(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1.0) if rating > 0 else 1.0
    )


def burst_ratio(losses: int, lost_packets: int, packets: int) -> float:
    """The burst ratio of `losses` (runs of lost packets) in which `lost_packets` of `packets` were lost.

    At random, runs of lost packets are 1/(1 - loss) long on the mean (G.107 section 7.5).
    """
    if losses <= 0 or lost_packets <= 0 or lost_packets >= packets:
        return 1.0
    return lost_packets / losses * (1 - lost_packets / packets)


def _loss_impairment(codec: CodecQuality, loss_percent: float, burst_ratio: float) -> float:
    """Ie,eff (G.107 section 7.5)."""
    if loss_percent == 0:
        return codec.impairment
    share = loss_percent / (loss_percent / burst_ratio + codec.loss_robustness)
    return codec.impairment + (95 - codec.impairment) * share


def _delay_impairment(delay_ms: float) -> float:
    """Id = Idte + Idd (G.107 section 7.4), the echo being as late as the sound. On four wires there is no third part,
    the listener's echo."""
    return _echo_impairment(delay_ms) + _waiting_impairment(delay_ms)


def _echo_impairment(delay_ms: float) -> float:
    """Idte: talkers hear themselves, the sooner the less it disturbs."""
    lessened = 40 * math.log10((1 + delay_ms / 10) / (1 + delay_ms / 150)) - 6 * math.exp(-0.3 * delay_ms**2)
    echo = 80 + 2.5 * (_TELR_DB - lessened - 14)
    half = (_ROE - echo) / 2
    # Below 3 ms the formula undershoots.
    return max((half + math.hypot(half, 10) - 1) * (1 - math.exp(-delay_ms)), 0.0)


def _waiting_impairment(delay_ms: float) -> float:
    """Idd: people begin to talk at the same time."""
    if delay_ms <= _UNHEARD_MS:
        return 0.0
    x = math.log2(delay_ms / _UNHEARD_MS)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)
