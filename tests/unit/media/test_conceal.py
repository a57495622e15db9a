"""What is heard where sound is missing: more of the same, less and less, then nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from media.codecs import g711
from media.conceal import G711Concealer, is_quiet_g711
from media.plan import G711, Codec

Samples = npt.NDArray[np.float64]
FRAME = 160


def sine(amplitude: float, samples: int = FRAME) -> bytes:
    """400 Hz at 8 kHz: whole periods in 20 ms."""
    return (amplitude * np.sin(np.arange(samples) * 2 * np.pi * 400 / 8000)).astype("<i2").tobytes()


def values(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def level(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(values(pcm) ** 2)))


@pytest.mark.parametrize("codec", G711)
def test_g711_goes_on_and_fades_to_silence_in_60_ms(codec: Codec) -> None:
    concealer = G711Concealer(codec)
    frame = g711.encode(codec, sine(20000))
    concealer.heard(frame)
    heard = [g711.decode(codec, concealer.conceal()) for _ in range(5)]
    levels = [level(pcm) / level(sine(20000)) for pcm in heard]
    assert levels[:3] == pytest.approx([0.84, 0.51, 0.19], abs=0.03)
    assert [len(pcm) for pcm in heard] == [2 * FRAME] * 5
    silence = g711.decode(codec, g711.SILENCE[codec] * FRAME)
    assert heard[3:] == [silence, silence]
    fade = 1 - (np.arange(3 * FRAME) // 40 + 0.5) / 12
    expected = np.tile(values(g711.decode(codec, frame)), 3) * fade
    got = values(b"".join(heard[:3]))
    assert np.abs(got - expected).max() < 0.04 * 20000  # a step of G.711
    assert np.abs(got - expected).mean() < 0.01 * 20000


@pytest.mark.parametrize("codec", G711)
@pytest.mark.parametrize("sizes", [[160, 320, 320], [80] * 10, [800], [13] * 61 + [7]])
def test_it_matters_not_in_what_pieces_g711_is_concealed(codec: Codec, sizes: list[int]) -> None:
    concealer, another = G711Concealer(codec), G711Concealer(codec)
    frame = g711.encode(codec, sine(20000, 240))
    concealer.heard(frame)
    another.heard(frame)
    pieces = b"".join(concealer.conceal(size) for size in sizes)
    assert pieces == b"".join(another.conceal(FRAME) for _ in range(5))


def test_where_nothing_was_heard_there_is_silence() -> None:
    assert G711Concealer(Codec.PCMA).conceal() == b"\xd5" * FRAME
    assert G711Concealer(Codec.PCMU).conceal() == b"\xff" * FRAME


def test_after_sound_the_fading_begins_anew() -> None:
    coded = G711Concealer(Codec.PCMU)
    for _ in range(2):
        coded.heard(b"\x80" * FRAME)
        assert [coded.conceal() == b"\xff" * FRAME for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("codec", G711)
def test_quiet_is_what_holds_no_loud_sample(codec: Codec) -> None:
    is_quiet = is_quiet_g711(codec)
    assert is_quiet(g711.encode(codec, sine(200)))
    assert is_quiet(g711.SILENCE[codec] * FRAME)
    assert not is_quiet(g711.encode(codec, sine(2000)))
    assert not is_quiet(g711.SILENCE[codec] * 159 + g711.encode(codec, b"\x00\xfc"))
