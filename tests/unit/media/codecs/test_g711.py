"""G.711 against the tables of the Recommendation (ITU-T G.711, 1988)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from media.codecs import g711
from media.plan import G711, Codec

CODES = bytes(range(256))
SAMPLES = np.arange(-32768, 32768)
Samples = npt.NDArray[np.int64]


def decoded(codec: Codec, payload: bytes) -> Samples:
    return np.frombuffer(g711.decode(codec, payload), "<i2").astype(np.int64)


def encoded(codec: Codec, samples: Samples) -> bytes:
    return g711.encode(codec, samples.astype("<i2").tobytes())


# Characters (for A-law before its even bits are inverted) and values of tables 1a and 2a; 13 and 14 bits there.
A_LAW = [
    (0b11111111, 4032),
    (0b11110000, 2112),
    (0b11100000, 1056),
    (0b11010000, 528),
    (0b11000000, 264),
    (0b10110000, 132),
    (0b10100000, 66),
    (0b10000000, 1),
]
MU_LAW = [
    (0b10000000, 8031),
    (0b10001111, 4191),
    (0b10011111, 2079),
    (0b10101111, 1023),
    (0b10111111, 495),
    (0b11001111, 231),
    (0b11011111, 99),
    (0b11101111, 33),
    (0b11111110, 2),
    (0b11111111, 0),
]
TABLE = [(Codec.PCMA, character ^ 0x55, 8 * value) for character, value in A_LAW] + [
    (Codec.PCMU, character, 4 * value) for character, value in MU_LAW
]


@pytest.mark.parametrize(("codec", "code", "sample"), TABLE)
def test_characters_have_the_values_of_the_tables(codec: Codec, code: int, sample: int) -> None:
    """Tables 1a and 2a; the tables of negative values differ in the first bit alone."""
    assert decoded(codec, bytes([code, code ^ 0x80])).tolist() == [sample, -sample]
    assert encoded(codec, np.array([sample])) == bytes([code])


@pytest.mark.parametrize(
    ("codec", "decision", "below", "above"),
    [
        (Codec.PCMU, 4 * 1, 0, 4 * 2),
        (Codec.PCMU, 4 * 31, 4 * 30, 4 * 33),
        (Codec.PCMU, 4 * 95, 4 * 93, 4 * 99),
        (Codec.PCMU, 4 * 4063, 4 * 3999, 4 * 4191),
        (Codec.PCMA, 8 * 2, 8 * 1, 8 * 3),
        (Codec.PCMA, 8 * 64, 8 * 63, 8 * 66),
        (Codec.PCMA, 8 * 128, 8 * 126, 8 * 132),
        (Codec.PCMA, 8 * 2048, 8 * 2016, 8 * 2112),
    ],
)
def test_samples_are_cut_at_the_decision_values(codec: Codec, decision: int, below: int, above: int) -> None:
    """Column 5 of tables 1a and 2a."""
    around = np.array([decision - 1, decision])
    assert decoded(codec, encoded(codec, around)).tolist() == [below, above]


def test_negative_samples_of_a_law_mirror_the_positive_ones() -> None:
    """There is no zero between them, as in the reference of ITU-T G.191: -1 is to 0 what -2 is to 1."""
    positive = np.arange(32768)
    mirrored = encoded(Codec.PCMA, -1 - positive)
    assert mirrored == bytes(code ^ 0x80 for code in encoded(Codec.PCMA, positive))


@pytest.mark.parametrize("codec", G711)
def test_every_code_comes_back(codec: Codec) -> None:
    """But for the negative zero of mu-law, which is a zero."""
    again = encoded(codec, decoded(codec, CODES))
    changed = {(before, after) for before, after in zip(CODES, again, strict=True) if before != after}
    assert changed == ({(0x7F, 0xFF)} if codec is Codec.PCMU else set())


@pytest.mark.parametrize("codec", G711)
def test_louder_is_never_quieter(codec: Codec) -> None:
    assert (np.diff(decoded(codec, encoded(codec, SAMPLES))) >= 0).all()


@pytest.mark.parametrize(
    ("codec", "bias", "least", "clip"), [(Codec.PCMU, 132, 4, 32635), (Codec.PCMA, 0, 8, 32767)]
)
def test_the_error_is_at_most_half_a_step(codec: Codec, bias: int, least: int, clip: int) -> None:
    """Sixteen steps a segment, and segments double: half a step is at most 1/32 of a sample."""
    samples = SAMPLES[np.abs(SAMPLES) <= clip]
    error = np.abs(decoded(codec, encoded(codec, samples)) - samples)
    assert (error <= np.maximum(least, (np.abs(samples) + bias) / 32)).all()


@pytest.mark.parametrize(("codec", "loudest"), [(Codec.PCMU, 32124), (Codec.PCMA, 32256)])
def test_what_is_too_loud_is_clipped(codec: Codec, loudest: int) -> None:
    assert decoded(codec, encoded(codec, np.array([32767, -32768]))).tolist() == [loudest, -loudest]


@pytest.mark.parametrize(("source", "target"), g711.TRANSLATE)
def test_translation_is_decoding_and_encoding(source: Codec, target: Codec) -> None:
    table = g711.TRANSLATE[source, target]
    assert CODES.translate(table) == encoded(target, decoded(source, CODES))


@pytest.mark.parametrize(("source", "target"), g711.TRANSLATE)
def test_translation_keeps_the_sample_within_half_a_step_of_the_coarser_law(
    source: Codec, target: Codec
) -> None:
    before = decoded(source, CODES)
    after = decoded(target, CODES.translate(g711.TRANSLATE[source, target]))
    assert (np.abs(after - before) <= np.maximum(8, (np.abs(before) + 132) / 32)).all()


def test_every_two_codecs_can_be_translated() -> None:
    assert set(g711.TRANSLATE) == {(one, other) for one in G711 for other in G711 if one is not other}


@pytest.mark.parametrize(("codec", "code"), [(Codec.PCMU, 0xFF), (Codec.PCMA, 0xD5)])
def test_silence(codec: Codec, code: int) -> None:
    assert g711.SILENCE[codec] == bytes([code])
    assert np.abs(decoded(codec, g711.SILENCE[codec])).max() <= 8


@pytest.mark.parametrize("codec", G711)
def test_nothing_is_nothing(codec: Codec) -> None:
    assert g711.encode(codec, b"") == g711.decode(codec, b"") == b""
