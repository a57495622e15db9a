"""What is read of a media section, and what is not remembered of it."""

from __future__ import annotations

import pytest

from media.plan import Codec
from pbx.media_formats import media_formats
from sipcore.sdp.description import MediaDescription, SessionDescription

CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + 40 * "A"


def section(*lines: str) -> MediaDescription:
    text = "\r\n".join(("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", *lines))
    [media] = SessionDescription.parse(text.encode()).media
    return media


def test_codecs_in_order_and_the_first_events_of_each_clock() -> None:
    formats = media_formats(
        section(
            "m=audio 4000 RTP/AVP 111 8 18 96 97 98",
            "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 useinbandfec=1; x=1",
            "a=rtpmap:96 telephone-event/8000",
            "a=rtpmap:97 telephone-event/8000",
            "a=rtpmap:98 telephone-event/48000",
            "a=ptime:30",
        )
    )
    assert formats.codecs == ((Codec.OPUS, 111), (Codec.PCMA, 8))
    assert formats.events == {8000: 96, 48000: 98}
    assert (formats.opus_parameters, formats.packet_ms) == ("useinbandfec=1", 30)
    assert formats.events_with(Codec.PCMA) == (96, 8000)
    assert formats.events_with(Codec.OPUS) == (98, 48000)


def test_each_parameter_of_opus_is_taken_once() -> None:
    """What one phone writes is told to another, and remembered as it was told: it is no longer than it can be."""
    many = ";".join(f"ptime={number}" for number in range(5000))
    formats = media_formats(
        section(
            "m=audio 4000 RTP/AVP 96",
            "a=rtpmap:96 opus/48000/2",
            f"a=fmtp:96 stereo=1;{many};stereo=1;cbr=0",
        )
    )
    assert formats.opus_parameters == "stereo=1;ptime=0;cbr=0"


def test_of_several_payload_types_of_a_codec_the_first_counts() -> None:
    formats = media_formats(
        section(
            "m=audio 4000 RTP/AVP 96 8 97",
            "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:97 opus/48000/2",
            "a=fmtp:96 stereo=1",
        )
    )
    assert formats.codecs == ((Codec.OPUS, 96), (Codec.PCMA, 8))
    assert formats.opus_parameters == "stereo=1"


def test_the_same_is_read_once_whatever_the_port_and_the_key() -> None:
    plain = media_formats(section("m=audio 4000 RTP/AVP 0"))
    assert media_formats(section("m=audio 6000 RTP/AVP 0")) is plain
    keyed = media_formats(section("m=audio 4000 RTP/SAVP 0", CRYPTO))
    assert media_formats(section("m=audio 4000 RTP/SAVP 0", CRYPTO.replace(":1 ", ":2 "))) is keyed
    assert (plain.keyless, keyed.keyless) == (True, False)


def test_the_same_attributes_of_other_payload_types_are_read_anew() -> None:
    media = section("m=audio 4000 RTP/AVP 0 8", "a=sendonly")
    assert media_formats(media).codecs == ((Codec.PCMU, 0), (Codec.PCMA, 8))
    assert media_formats(media) is media_formats(media)
    other = media._replace(formats=("8",))
    assert other.attributes is media.attributes
    assert media_formats(other).codecs == ((Codec.PCMA, 8),)
    assert media_formats(media).codecs == ((Codec.PCMU, 0), (Codec.PCMA, 8))


@pytest.mark.parametrize(
    "long", [["m=audio 4000 RTP/AVP 0", "a=x:" + 3000 * "x"], ["m=audio 4000 RTP/AVP" + 3000 * " 0"]]
)
def test_what_is_long_is_not_remembered(long: list[str]) -> None:
    media = section(*long)
    assert media_formats(media).codecs == media_formats(media).codecs
    assert media_formats(media) is not media_formats(media)
