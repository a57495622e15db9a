"""Codecs under any bytes: sound or a CodecError, and the stream goes on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.codecs.codec import FORMATS, MAX_PACKET_FRAMES, CodecError, Samples, make_decoder, make_encoder
from tests.unit.media.codecs.sound import decoded, encoded, snr, speech_like

GOOD = {name: encoded(make_encoder(name), speech_like(FORMATS[name].rate, 1.0)) for name in FORMATS}
RIGHT = {name: decoded(make_decoder(name), payloads) for name, payloads in GOOD.items()}

headers = st.sampled_from(
    sorted({payload[:1] for payload in GOOD["OPUS"]} | {bytes([toc]) for toc in range(256)})
)
payloads = st.one_of(
    st.binary(max_size=300),
    st.builds(bytes.__add__, headers, st.binary(max_size=60)),
    st.integers(1, 1000).flatmap(
        lambda size: st.binary(min_size=1, max_size=1).map(lambda byte: byte * size)
    ),
)
per_codec = pytest.mark.parametrize("name", sorted(FORMATS))


@per_codec
@given(st.lists(payloads, min_size=1, max_size=8))
def test_any_bytes_are_sound_or_an_error(name: str, hostile: list[bytes]) -> None:
    decoder = make_decoder(name)
    for payload in hostile:
        try:
            sound = decoder.decode(payload)
        except CodecError:
            sound = decoder.conceal()
            assert len(sound) == decoder.frame_samples
        assert sound.dtype == np.int16
        assert 0 < len(sound) <= MAX_PACKET_FRAMES * decoder.frame_samples


@per_codec
@given(st.lists(payloads, min_size=1, max_size=8))
def test_what_is_an_error_leaves_no_trace(name: str, hostile: list[bytes]) -> None:
    """Each is tried on a decoder of its own first: those that decode are none of this test's."""
    refused = [payload for payload in hostile if not is_sound(name, payload)]
    decoder = make_decoder(name)
    sound = [decoder.decode(payload) for payload in GOOD[name][:5]]
    for payload in refused:
        with pytest.raises(CodecError):
            decoder.decode(payload)
    sound += [decoder.decode(payload) for payload in GOOD[name][5:10]]
    assert (np.concatenate(sound) == RIGHT[name][: 10 * decoder.frame_samples]).all()


def is_sound(name: str, payload: bytes) -> bool:
    try:
        make_decoder(name).decode(payload)
    except CodecError:
        return False
    return True


@per_codec
@settings(max_examples=30)
@given(st.lists(payloads, min_size=1, max_size=8))
def test_the_good_sound_comes_back_half_a_second_after_any_bytes(name: str, hostile: list[bytes]) -> None:
    decoder = make_decoder(name)
    for payload in hostile:
        try:
            decoder.decode(payload)
        except CodecError:
            decoder.conceal()
    size = decoder.frame_samples
    assert snr(last(RIGHT[name], 25 * size), last(decoded(decoder, GOOD[name]), 25 * size)) > 15


def last(sound: Samples, count: int) -> Samples:
    return sound[-count:]
