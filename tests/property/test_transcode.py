"""Whatever a source sends, its sink gets whole packets of 20 ms, in order, that its codec can decode."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media.codecs.codec import make_decoder
from media.plan import Codec
from media.rtp import RtpPacket
from media.transcode import Transcoder

PAIRS = st.sampled_from([(one, other) for one in Codec for other in Codec if one is not other])
PACKETS = st.lists(
    st.builds(
        RtpPacket,
        payload_type=st.just(0),
        marker=st.booleans(),
        sequence=st.integers(0, 0xFFFF) | st.integers(0, 20),
        timestamp=st.integers(0, 0xFFFFFFFF) | st.integers(0, 20).map(lambda frame: 160 * frame),
        ssrc=st.integers(0, 1),
        payload=st.binary(max_size=40) | st.binary(min_size=160, max_size=160),
    ),
    max_size=12,
)


@settings(max_examples=50)
@given(PAIRS, PACKETS)
def test_any_packets_become_a_stream(pair: tuple[Codec, Codec], packets: list[RtpPacket]) -> None:
    source, target = pair
    transcoder, decoder = Transcoder(source, target), make_decoder(target.encoding_name)
    made = [each for packet in packets for each in transcoder.sound(packet)]
    for before, after in pairwise(made):
        assert after.sequence == before.sequence + 1
        assert target.frame_ticks <= (after.timestamp - before.timestamp & 0xFFFFFFFF)
    for packet in made:
        assert len(decoder.decode(packet.payload)) == decoder.frame_samples
