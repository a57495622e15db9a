"""The E-model: known values, and that nothing bad makes it better."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from media.quality import (
    BEST_R,
    G711,
    G711_CONCEALED,
    G722,
    OPUS,
    CodecQuality,
    burst_ratio,
    mean_opinion,
    rating,
)

CODECS = [G711, G711_CONCEALED, G722, OPUS]


@pytest.mark.parametrize(
    ("rated", "opinion"),
    [
        # G.107 annex B, table B.1: the bounds of the classes of satisfaction, and the ends of the scale.
        pytest.param(90, 4.34, id="very satisfied"),
        pytest.param(80, 4.03, id="satisfied"),
        pytest.param(70, 3.60, id="some dissatisfied"),
        pytest.param(60, 3.10, id="many dissatisfied"),
        pytest.param(50, 2.58, id="nearly all dissatisfied"),
        pytest.param(93.2, 4.41, id="all defaults"),
        pytest.param(100, 4.5, id="best"),
        pytest.param(130, 4.5, id="off the scale"),
        pytest.param(0, 1.0, id="worst"),
        pytest.param(-5, 1.0, id="below"),
        pytest.param(3, 1.0, id="where the polynomial dips below 1"),
    ],
)
def test_the_opinion_of_a_rating(rated: float, opinion: float) -> None:
    assert mean_opinion(rated) == pytest.approx(opinion, abs=0.0075)  # the table rounds 4.024 up


def test_opinions_rise_with_the_rating() -> None:
    opinions = [mean_opinion(tenths / 10) for tenths in range(-10, 1011)]
    assert opinions == sorted(opinions)


@pytest.mark.parametrize("codec", CODECS)
def test_a_call_without_loss_and_delay_has_the_default_rating(codec: CodecQuality) -> None:
    assert rating(codec) == BEST_R == 93.2
    assert mean_opinion(rating(codec)) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize("delay_ms", range(0, 301, 10))
def test_delay_costs_what_the_published_approximation_says(delay_ms: int) -> None:
    """Cole and Rosenbluth (2001) fitted two straight lines to G.107's curve: Id = 0.024 d + 0.11 (d - 177.3)."""
    lines = 0.024 * delay_ms + 0.11 * max(delay_ms - 177.3, 0)
    assert rating(G711, delay_ms=delay_ms) == pytest.approx(93.2 - lines, abs=1.2)


@pytest.mark.parametrize(
    ("codec", "loss", "rated"),
    [
        # Ie,eff = 95 Ppl / (Ppl + Bpl): at a loss of Bpl, half of 95 is gone.
        (G711, 0.043, 93.2 - 47.5),
        (G711_CONCEALED, 0.251, 93.2 - 47.5),
        (G711, 0.01, 93.2 - 95 / 5.3),
        (G711_CONCEALED, 0.01, 93.2 - 95 / 26.1),
    ],
)
def test_loss_costs_what_the_robustness_of_the_codec_says(
    codec: CodecQuality, loss: float, rated: float
) -> None:
    assert rating(codec, loss=loss) == pytest.approx(rated)


def test_a_codec_with_an_impairment_begins_lower_and_has_less_to_lose() -> None:
    g729 = CodecQuality(11, 19)  # G.729A (G.113 appendix I)
    assert rating(g729) == pytest.approx(82.2)
    assert rating(g729, loss=0.19) == pytest.approx(82.2 - 84 / 2)


@pytest.mark.parametrize("codec", CODECS)
def test_more_delay_never_helps(codec: CodecQuality) -> None:
    ratings = [rating(codec, delay_ms=delay / 2, loss=0.01) for delay in range(3000)]
    assert all(after <= before for before, after in pairwise(ratings))
    assert ratings[-1] < ratings[0] - 50


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bursts", [1.0, 2.0, 5.0])
def test_more_loss_never_helps(codec: CodecQuality, bursts: float) -> None:
    ratings = [rating(codec, delay_ms=120, loss=loss / 1000, burst_ratio=bursts) for loss in range(1001)]
    assert all(after <= before for before, after in pairwise(ratings))
    assert all(0 <= rated <= BEST_R for rated in ratings)


@pytest.mark.parametrize("codec", CODECS)
def test_loss_in_bursts_is_worse_than_the_same_loss_at_random(codec: CodecQuality) -> None:
    ratings = [rating(codec, loss=0.05, burst_ratio=bursts) for bursts in (0.5, 1, 2, 4)]
    assert ratings == sorted(ratings, reverse=True)
    assert len(set(ratings)) == 4


def test_concealment_helps() -> None:
    assert rating(G711_CONCEALED, loss=0.02) > rating(G711, loss=0.02) + 20


def test_random_losses_have_a_burst_ratio_of_one() -> None:
    dice = Random(1)
    lost = [dice.random() < 0.1 for _ in range(100_000)]
    runs = sum(after and not before for before, after in pairwise([False, *lost]))
    assert burst_ratio(runs, sum(lost), len(lost)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("losses", "lost", "packets", "ratio"),
    [
        pytest.param(10, 40, 1000, 4 * 0.96, id="four at a time"),
        pytest.param(0, 0, 1000, 1, id="none lost"),
        pytest.param(1, 1000, 1000, 1, id="all lost"),
        pytest.param(0, 0, 0, 1, id="no packets"),
    ],
)
def test_the_burst_ratio(losses: int, lost: int, packets: int, ratio: float) -> None:
    assert burst_ratio(losses, lost, packets) == pytest.approx(ratio)


@pytest.mark.parametrize(
    "network",
    [
        {"delay_ms": -1.0},
        {"loss": -0.01},
        {"loss": 1.01},
        {"burst_ratio": 0.0},
        {"delay_ms": float("nan")},
        {"loss": float("nan")},
    ],
)
def test_a_network_that_cannot_be_is_refused(network: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no such network"):
        rating(G711, **network)
