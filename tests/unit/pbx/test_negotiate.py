"""Offers, answers, and the stream plans that come of them."""

from __future__ import annotations

from random import Random

import pytest

from media.plan import Codec, Direction
from pbx.negotiate import Negotiation, NotAcceptable
from sipcore.sdp.description import SessionDescription

PHONE = "192.0.2.7"
OURS = ("198.51.100.1", 20000)


def sdp(*media: str, connection: str = PHONE) -> SessionDescription:
    """A phone's description with these media sections, each a block of lines."""
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {PHONE}",
        "s=-",
        f"c=IN IP4 {connection}",
        "t=0 0",
        *"\n".join(media).split("\n"),
    ]
    return SessionDescription.parse("\r\n".join([*lines, ""]).encode())


BOTH = sdp("m=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000")


def negotiation() -> Negotiation:
    return Negotiation(*OURS, Random(1))


def answered(
    offer: SessionDescription, preferred: Codec | None = None
) -> tuple[Negotiation, SessionDescription]:
    """A negotiation that has answered `offer`, and its answer as the peer reads it."""
    side = negotiation()
    side.receive_offer(offer)
    return side, SessionDescription.parse(side.answer(preferred).to_bytes())


def test_an_offer_names_every_codec_the_preferred_first() -> None:
    audio = SessionDescription.parse(negotiation().offer([Codec.PCMA]).to_bytes()).media[0]
    assert audio.port == OURS[1]
    assert audio.formats == ("8", "0", "101")


def test_the_answer_takes_the_callers_first_codec_and_its_telephone_events() -> None:
    side, answer = answered(BOTH)
    assert answer.media[0].formats == ("8", "101")
    plan = side.plan(PHONE)
    assert plan.codec is Codec.PCMA
    assert plan.send_payload_type == plan.receive_payload_type == 8
    assert plan.dtmf_send_payload_type == plan.dtmf_receive_payload_type == 101
    assert plan.remote == (PHONE, 4000)
    assert plan.direction is Direction.SENDRECV


def test_the_answer_prefers_the_codec_of_the_other_leg() -> None:
    side, answer = answered(BOTH, Codec.PCMU)
    assert answer.media[0].formats[0] == "0"
    assert side.plan(PHONE).codec is Codec.PCMU


def test_a_preference_that_was_not_offered_changes_nothing() -> None:
    assert answered(sdp("m=audio 4000 RTP/AVP 0"), Codec.PCMA)[0].plan(PHONE).codec is Codec.PCMU


def test_a_dynamic_payload_type_is_sent_as_the_peer_numbered_it() -> None:
    side, answer = answered(sdp("m=audio 4000 RTP/AVP 97\na=rtpmap:97 pcma/8000/1"))
    assert answer.media[0].formats == ("97",)
    assert side.plan(PHONE).send_payload_type == 97


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 4000 RTP/AVP 18",
        "m=video 4000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 97\na=rtpmap:97 opus/48000/2",
    ],
)
def test_nothing_in_common_is_not_acceptable(media: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiation().receive_offer(sdp(media))


def test_a_refused_offer_leaves_the_agreement_as_it_was() -> None:
    side, _ = answered(BOTH)
    before = side.plan(PHONE)
    with pytest.raises(NotAcceptable):
        side.receive_offer(sdp("m=audio 4000 RTP/AVP 18"))
    assert side.plan(PHONE) == before


def test_other_media_lines_are_declined_in_their_places() -> None:
    offer = sdp("m=video 4002 RTP/AVP 99", "m=audio 4000 RTP/AVP 0", "m=audio 4004 RTP/AVP 0")
    _, answer = answered(offer)
    assert [(media.kind, media.port) for media in answer.media] == [
        ("video", 0),
        ("audio", OURS[1]),
        ("audio", 0),
    ]


@pytest.mark.parametrize(
    ("theirs", "answer", "flows"),
    [
        ("sendrecv", "sendrecv", Direction.SENDRECV),
        ("sendonly", "recvonly", Direction.RECVONLY),
        ("recvonly", "sendonly", Direction.SENDONLY),
        ("inactive", "inactive", Direction.INACTIVE),
    ],
)
def test_hold_by_direction(theirs: str, answer: str, flows: Direction) -> None:
    side, described = answered(sdp(f"m=audio 4000 RTP/AVP 0\na={theirs}"))
    assert described.direction_of(described.media[0]) == answer
    assert side.plan(PHONE).direction is flows


def test_hold_by_zero_address_sends_nowhere() -> None:
    plan = answered(sdp("m=audio 4000 RTP/AVP 0", connection="0.0.0.0"))[0].plan(PHONE)
    assert plan.direction is Direction.RECVONLY
    assert plan.remote is None


def test_the_answerer_of_our_offer_chooses_the_codec() -> None:
    side = negotiation()
    side.offer([Codec.PCMU])
    side.receive_answer(sdp("m=audio 4000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000"))
    plan = side.plan(PHONE)
    assert plan.codec is Codec.PCMA
    assert plan.dtmf_send_payload_type == 101


def test_media_is_trusted_from_where_signalling_comes_too() -> None:
    """A phone behind a NAT writes its private address."""
    side, _ = answered(sdp("m=audio 4000 RTP/AVP 0", connection="10.0.0.5"))
    assert side.plan("203.0.113.9").trusted_hosts == {"10.0.0.5", "203.0.113.9"}


def test_the_version_rises_only_when_the_description_changes() -> None:
    side, first = answered(BOTH)
    side.receive_offer(BOTH)
    assert side.answer() == first
    side.receive_offer(sdp("m=audio 4000 RTP/AVP 8 0\na=sendonly"))
    held = side.answer()
    assert held.origin.session_id == first.origin.session_id
    assert int(held.origin.version) == int(first.origin.version) + 1


@pytest.mark.parametrize(("ptime", "packet_ms"), [("20", 20), ("30", 30), ("500", 60), ("", 20), ("x", 20)])
def test_the_packet_time_is_the_peers_wish_within_reason(ptime: str, packet_ms: int) -> None:
    assert answered(sdp(f"m=audio 4000 RTP/AVP 0\na=ptime:{ptime}"))[0].plan(PHONE).packet_ms == packet_ms


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("phone.example.com", "203.0.113.9"),
        ("192.0.2.07", "203.0.113.9"),
        ("x" * 300, "203.0.113.9"),
    ],
)
def test_sound_goes_to_addresses_as_sockets_write_them(written: str, host: str) -> None:
    """Packets come from the canonical form; a name would have to be looked up for each that goes out."""
    family = "IP6" if ":" in written else "IP4"
    side, _ = answered(sdp(f"m=audio 4000 RTP/AVP 0\nc=IN {family} {written}"))
    plan = side.plan("203.0.113.9")
    assert plan.remote == (host, 4000)
    assert plan.remote_rtcp == (host, 4001)
    assert plan.trusted_hosts == {host, "203.0.113.9"}


def test_behind_the_last_port_there_is_none_for_reports() -> None:
    plan = answered(sdp("m=audio 65535 RTP/AVP 0"))[0].plan(PHONE)
    assert plan.remote == (PHONE, 65535)
    assert plan.remote_rtcp is None
