"""Offers, answers, and the stream plans that come of them."""

from __future__ import annotations

from random import Random

import pytest

from media.plan import Codec, Direction, StreamPlan
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
    return Negotiation(*OURS, Random(1), tuple(Codec))


def attributes(description: SessionDescription, name: str) -> list[str | None]:
    return [value for key, value in description.media[0].attributes if key == name]


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
    assert audio.formats == ("8", "0", "9", "111", "101", "110")
    assert audio.rtpmap == {
        "0": "PCMU/8000",
        "8": "PCMA/8000",
        "9": "G722/8000",
        "111": "OPUS/48000/2",
        "101": "TELEPHONE-EVENT/8000",
        "110": "TELEPHONE-EVENT/48000",
    }


def test_an_offer_names_only_what_the_side_speaks() -> None:
    side = Negotiation(*OURS, Random(1), (Codec.G722, Codec.PCMA))
    assert side.offer([Codec.OPUS, Codec.PCMA]).media[0].formats == ("8", "9", "101")


def test_the_answer_takes_the_callers_first_codec_and_its_telephone_events() -> None:
    side, answer = answered(BOTH)
    assert answer.media[0].formats == ("8", "101")
    plan = side.plan(PHONE)
    assert plan.codec is Codec.PCMA
    assert plan.send_payload_type == plan.receive_payload_type == 8
    assert plan.dtmf_send_payload_type == plan.dtmf_receive_payload_type == 101
    assert plan.remote == (PHONE, 4000)
    assert plan.direction is Direction.SENDRECV


def test_telephone_events_are_agreed_on_by_both_or_not_at_all() -> None:
    """Where only we have named them, digits come in the sound (RFC 3264 section 6.1)."""
    side = negotiation()
    side.offer()
    side.receive_answer(sdp("m=audio 4000 RTP/AVP 8"))
    plan = side.plan(PHONE)
    assert plan.dtmf_send_payload_type is None
    assert plan.dtmf_receive_payload_type is None


def test_a_side_that_knows_no_telephone_events_names_none() -> None:
    side = negotiation()
    side.telephone_events = False
    assert not any("telephone-event" in (value or "") for value in attributes(side.offer(), "rtpmap"))
    side.receive_offer(BOTH)
    assert side.answer().media[0].formats == ("8",)
    assert side.plan(PHONE).dtmf_send_payload_type is None


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
        "m=audio 4000 RTP/AVP 97\na=rtpmap:97 speex/16000",
        "m=audio 4000 RTP/AVP 97\na=rtpmap:97 opus/48000",
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


# -- Opus ------------------------------------------------------------------------------------------

OPUS = "m=audio 4000 RTP/AVP 107 96 97\na=rtpmap:107 opus/48000/2\na=rtpmap:96 telephone-event/48000"
OPUS += "\na=rtpmap:97 telephone-event/8000"


def events(plan: StreamPlan) -> tuple[int | None, int | None, int]:
    return plan.dtmf_send_payload_type, plan.dtmf_receive_payload_type, plan.dtmf_clock_rate


def test_opus_is_answered_by_the_numbers_of_the_offer_with_events_of_its_clock() -> None:
    side, answer = answered(sdp(OPUS))
    assert answer.media[0].formats == ("107", "96")
    assert attributes(answer, "rtpmap") == ["107 opus/48000/2", "96 telephone-event/48000"]
    plan = side.plan(PHONE)
    assert plan.codec is Codec.OPUS
    assert (plan.send_payload_type, plan.receive_payload_type) == (107, 107)
    assert events(plan) == (96, 96, 48000)


def test_each_side_of_opus_is_sent_its_own_numbers() -> None:
    side = negotiation()
    side.offer()
    side.receive_answer(sdp(OPUS))
    plan = side.plan(PHONE)
    assert (plan.send_payload_type, plan.receive_payload_type) == (107, 111)
    assert events(plan) == (96, 110, 48000)


@pytest.mark.parametrize("we_offer", [False, True])
def test_beside_opus_events_of_another_clock_are_better_than_none(we_offer: bool) -> None:
    theirs = sdp("m=audio 4000 RTP/AVP 107 97\na=rtpmap:107 opus/48000/2\na=rtpmap:97 telephone-event/8000")
    side = negotiation()
    if we_offer:
        side.offer()
        side.receive_answer(theirs)
    else:
        side, _ = answered(theirs)
    assert events(side.plan(PHONE)) == (97, 101 if we_offer else 97, 8000)


def test_beside_g711_events_of_the_clock_of_opus_are_not_taken() -> None:
    side, answer = answered(
        sdp("m=audio 4000 RTP/AVP 0 107 96\na=rtpmap:107 opus/48000/2\na=rtpmap:96 telephone-event/48000")
    )
    assert answer.media[0].formats == ("0",)
    assert events(side.plan(PHONE)) == (None, None, 8000)


def test_a_number_means_the_same_through_the_whole_session() -> None:
    """RFC 3264 section 8.3.2; the peer has given 111 to something of its own, and 9 to what is usually 0."""
    side, _ = answered(
        sdp(
            "m=audio 4000 RTP/AVP 9 111 107\na=rtpmap:9 PCMU/8000\na=rtpmap:111 telephone-event/8000"
            "\na=rtpmap:107 opus/48000/2"
        )
    )
    offer = side.offer()
    numbers = {encoding: number for number, encoding in offer.media[0].rtpmap.items()}
    assert numbers["PCMU/8000"] == "9"
    assert numbers["TELEPHONE-EVENT/8000"] == "111"
    assert numbers["OPUS/48000/2"] == "107"
    assert len(set(numbers.values())) == len(numbers) == 6
    assert side.offer().media == offer.media


@pytest.mark.parametrize(
    "taken", ["opus/48000/2", "telephone-event/48000", "PCMA/8000"], ids=["a codec", "events", "another"]
)
def test_a_number_that_the_peer_takes_for_something_else_is_offered_once(taken: str) -> None:
    """Which it may not do (RFC 3264 section 8.3.2)."""
    side, _ = answered(sdp("m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000"))
    side.receive_offer(sdp(f"m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 {taken}"))
    side.answer()
    [media] = side.offer().media
    assert len(set(media.formats)) == len(media.formats) == len(media.rtpmap)
    assert media.rtpmap["101"] == taken.upper()
    assert "TELEPHONE-EVENT/8000" in media.rtpmap.values()


def test_how_a_phone_wants_its_opus_is_passed_on() -> None:
    side, _ = answered(
        sdp(f"{OPUS}\na=fmtp:97 0-15\na=fmtp:107 useinbandfec=1; MaxAverageBitrate=20000; x=y;1")
    )
    assert side.remote_opus_parameters == "useinbandfec=1;maxaveragebitrate=20000"
    other = negotiation()
    assert attributes(other.offer(), "fmtp") == ["101 0-16", "110 0-16"]
    other.opus_parameters = side.remote_opus_parameters
    assert "111 useinbandfec=1;maxaveragebitrate=20000" in attributes(other.offer(), "fmtp")


@pytest.mark.parametrize("media", ["m=audio 4000 RTP/AVP 0\na=fmtp:0 stereo=1", OPUS, f"{OPUS}\na=fmtp:107"])
def test_who_says_nothing_of_opus_wants_nothing_of_it(media: str) -> None:
    assert answered(sdp(media))[0].remote_opus_parameters == ""
    assert negotiation().remote_opus_parameters == ""


# -- offers that change where we receive --------------------------------------------------------------


def test_another_port_changes_nothing_else_of_what_was_agreed() -> None:
    held = sdp("m=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\na=sendonly")
    side, answer = answered(held)
    before = side.plan(PHONE)
    side.port = 30000
    offer = side.offer_again(before.codec)
    assert (offer.media[0].port, offer.media[0].formats[0]) == (30000, "8")
    assert offer.direction_of(offer.media[0]) == answer.direction_of(answer.media[0]) == "recvonly"
    assert int(offer.origin.version) == int(answer.origin.version) + 1
    side.receive_answer(held)
    assert side.plan(PHONE) == before


def test_after_a_refused_offer_what_was_agreed_before_holds() -> None:
    side, _ = answered(BOTH)
    before, agreed = side.plan(PHONE), side.local
    side.port = 30000
    side.offer_again(Codec.PCMU)
    refused = side.offer()
    side.port = OURS[1]
    side.withdraw()
    assert side.local == agreed
    assert side.has_remote_offer
    assert side.plan(PHONE) == before
    assert int(side.offer().origin.version) > int(refused.origin.version)


def test_after_the_answer_there_is_nothing_to_withdraw() -> None:
    side, _ = answered(BOTH)
    offer = side.offer()
    side.receive_answer(BOTH)
    side.withdraw()
    assert side.local == offer
