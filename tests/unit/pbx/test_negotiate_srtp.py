"""Keys for SRTP in offers and answers (RFC 4568), and the stream plans that come of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random

import pytest

from media.plan import Direction, SrtpSuite
from pbx.media_keys import Srtp
from pbx.negotiate import Negotiation, NotAcceptable
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.security import Crypto, cryptos

PHONE = "192.0.2.7"
THEIRS, RENEWED = b"t" * 30, b"r" * 30
SUITE = "AES_CM_128_HMAC_SHA1_80"
SHORT_TAG = "AES_CM_128_HMAC_SHA1_32"


def crypto(key: bytes = THEIRS, tag: int = 1, suite: str = SUITE, rest: str = "") -> str:
    """A line of a phone."""
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(key).decode()}{rest}\n"


def audio(*lines: str, protocol: str = "RTP/SAVP", port: int = 4000) -> str:
    """A media section of a phone."""
    return f"m=audio {port} {protocol} 0\n{''.join(lines)}"


def sdp(*media: str) -> SessionDescription:
    head = f"v=0\no=- 1 1 IN IP4 {PHONE}\ns=-\nc=IN IP4 {PHONE}\nt=0 0\n"
    return SessionDescription.parse((head + "".join(media)).encode())


SECURE = sdp(audio(crypto()))
CLEAR = sdp(audio(protocol="RTP/AVP"))


def entropy() -> Callable[[], bytes]:
    """Each key is another."""
    dice = Random(1)
    return lambda: dice.randbytes(32)


def negotiation(srtp: Srtp = Srtp.OFF) -> Negotiation:
    side = Negotiation("198.51.100.1", 20000, Random(2), entropy=entropy())
    side.srtp = srtp
    return side


def answer(side: Negotiation, offer: SessionDescription) -> MediaDescription:
    """What `side` answers, as the phone reads it."""
    side.receive_offer(offer)
    return next(
        media for media in SessionDescription.parse(side.answer().to_bytes()).media if media.port != 0
    )


def offer(side: Negotiation) -> MediaDescription:
    """What `side` offers, as the phone reads it."""
    return SessionDescription.parse(side.offer().to_bytes()).media[0]


def key_of(media: MediaDescription) -> Crypto:
    """Its only key."""
    [key] = cryptos(media)
    return key


# -- the phone offers ------------------------------------------------------------------------------


@pytest.mark.parametrize("srtp", Srtp)
@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/AVP"])
@pytest.mark.parametrize("suite", [SUITE, SHORT_TAG])
def test_an_offer_with_a_key_is_always_answered_with_one(srtp: Srtp, protocol: str, suite: str) -> None:
    side = negotiation(srtp)
    media = answer(side, sdp(audio(crypto(tag=7, suite=suite), protocol=protocol)))
    assert media.protocol == protocol
    assert (key_of(media).tag, key_of(media).suite.value) == (7, suite)
    keys = side.plan(PHONE).srtp
    assert keys is not None
    assert (keys.suite, keys.send, keys.receive) == (SrtpSuite(suite), key_of(media).key, THEIRS)


def test_the_first_key_that_can_be_served_is_taken() -> None:
    side = negotiation()
    unknown = crypto(b"u" * 30, 1, "AEAD_AES_256_GCM")
    with_mki = crypto(b"m" * 30, 2, rest="|2^20|1:4")
    media = answer(side, sdp(audio(unknown, with_mki, crypto(tag=3, suite=SHORT_TAG), crypto(tag=4))))
    assert key_of(media).tag == 3


def test_of_two_sections_the_secure_one_is_taken_wherever_it_stands() -> None:
    side = negotiation()
    side.receive_offer(sdp(audio(protocol="RTP/AVP"), audio(crypto(), port=4002)))
    assert [media.port for media in side.answer().media] == [0, 20000]
    plan = side.plan(PHONE)
    assert plan.remote == (PHONE, 4002)
    assert plan.srtp is not None


def test_a_section_without_a_usable_key_gives_way_to_one_in_the_clear() -> None:
    side = negotiation()
    media = answer(side, sdp(audio(crypto(rest="|1:4")), audio(protocol="RTP/AVP", port=4002)))
    assert media.protocol == "RTP/AVP"
    assert cryptos(media) == []
    assert side.plan(PHONE).srtp is None


@pytest.mark.parametrize("srtp", Srtp)
@pytest.mark.parametrize(
    "unusable",
    [
        audio(),
        audio("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short\n"),
        audio(crypto(), protocol="UDP/TLS/RTP/SAVPF"),
        audio(crypto(), port=0),
    ],
)
def test_secure_sound_without_a_usable_key_is_not_acceptable(srtp: Srtp, unusable: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiation(srtp).receive_offer(sdp(unusable))


def test_without_entropy_there_is_no_srtp() -> None:
    side = Negotiation("198.51.100.1", 20000, Random(2))
    with pytest.raises(NotAcceptable):
        side.receive_offer(SECURE)
    assert answer(side, sdp(audio(crypto(), protocol="RTP/AVP"))).attribute("crypto") is None
    assert side.plan(PHONE).srtp is None


@pytest.mark.parametrize("srtp", [Srtp.OFF, Srtp.OFFERED])
def test_an_offer_in_the_clear_is_answered_in_the_clear(srtp: Srtp) -> None:
    side = negotiation(srtp)
    media = answer(side, CLEAR)
    assert (media.protocol, cryptos(media)) == ("RTP/AVP", [])
    assert side.plan(PHONE).srtp is None


def test_where_srtp_is_required_an_offer_in_the_clear_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptable):
        negotiation(Srtp.REQUIRED).receive_offer(CLEAR)


# -- we offer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("srtp", [Srtp.OFF, Srtp.OFFERED])
def test_an_offer_is_in_the_clear_unless_something_else_is_asked_for(srtp: Srtp) -> None:
    media = offer(negotiation(srtp))
    assert (media.protocol, cryptos(media)) == ("RTP/AVP", [])


def secure_offer() -> tuple[Negotiation, Crypto]:
    side = negotiation(Srtp.REQUIRED)
    media = offer(side)
    assert media.protocol == "RTP/SAVP"
    return side, key_of(media)


def test_where_srtp_is_required_it_is_offered() -> None:
    side, own = secure_offer()
    side.receive_answer(SECURE)
    keys = side.plan(PHONE).srtp
    assert keys is not None
    assert (keys.send, keys.receive) == (own.key, THEIRS)


@pytest.mark.parametrize(
    "media",
    [
        audio(),
        audio(crypto(tag=2)),
        audio(crypto(suite=SHORT_TAG)),
        audio(crypto(rest="|1:4")),
        audio(protocol="RTP/AVP"),
    ],
)
@pytest.mark.parametrize("srtp", [Srtp.OFFERED, Srtp.REQUIRED])
def test_an_answer_that_does_not_take_the_key_is_not_acceptable(srtp: Srtp, media: str) -> None:
    side = negotiation(srtp)
    side.offers_srtp = True
    side.offer()
    with pytest.raises(NotAcceptable):
        side.receive_answer(sdp(media))


def test_an_answer_with_a_key_that_nobody_offered_is_not_acceptable() -> None:
    side = negotiation()
    side.offer()
    with pytest.raises(NotAcceptable):
        side.receive_answer(SECURE)


# -- again -----------------------------------------------------------------------------------------


def test_hold_keeps_both_keys() -> None:
    side = negotiation()
    first = answer(side, SECURE)
    before = side.plan(PHONE)
    held = answer(side, sdp(audio(crypto(tag=2), "a=sendonly\n")))
    assert (key_of(held).tag, key_of(held).key) == (2, key_of(first).key)
    assert side.plan(PHONE).srtp == before.srtp
    assert side.plan(PHONE).direction is Direction.RECVONLY


@pytest.mark.parametrize("again", [crypto(RENEWED), crypto(THEIRS, suite=SHORT_TAG)])
def test_who_renews_its_key_gets_a_new_one(again: str) -> None:
    side = negotiation()
    first = key_of(answer(side, SECURE))
    second = key_of(answer(side, sdp(audio(again))))
    assert second.key != first.key


def test_our_next_offer_is_as_secure_as_the_agreement_and_keeps_the_key() -> None:
    side = negotiation()
    own = key_of(answer(side, sdp(audio(crypto(tag=5, suite=SHORT_TAG)))))
    media = offer(side)
    assert media.protocol == "RTP/SAVP"
    assert (key_of(media).tag, key_of(media).suite, key_of(media).key) == (1, own.suite, own.key)


def test_the_keys_of_our_offer_go_on_when_the_peer_offers_its_own_again() -> None:
    side, own = secure_offer()
    side.receive_answer(SECURE)
    assert key_of(answer(side, SECURE)).key == own.key


def test_a_refused_renewal_leaves_the_agreement_as_it_was() -> None:
    side = negotiation()
    answer(side, SECURE)
    before = side.plan(PHONE)
    with pytest.raises(NotAcceptable):
        side.receive_offer(sdp(audio(crypto(RENEWED, rest="|1:4"))))
    assert side.plan(PHONE) == before


def test_a_phone_may_go_back_to_sound_in_the_clear_where_it_need_not_be_secure() -> None:
    side = negotiation()
    answer(side, SECURE)
    answer(side, CLEAR)
    assert side.plan(PHONE).srtp is None
    assert offer(side).protocol == "RTP/AVP"


def test_two_calls_never_have_the_same_key() -> None:
    makes = entropy()
    sides = [Negotiation("198.51.100.1", 20000, Random(2), entropy=makes) for _ in range(2)]
    first, second = (key_of(answer(side, SECURE)) for side in sides)
    assert first.key != second.key


def test_the_plan_does_not_show_its_keys() -> None:
    side = negotiation()
    answer(side, SECURE)
    assert "ttt" not in repr(side.plan(PHONE))
