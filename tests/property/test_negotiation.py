"""Two sides negotiate: what is said, read and planned in the short ways is the same as in the plain ones."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from media.plan import Codec, Direction, StreamPlan
from pbx.media_keys import Srtp
from pbx.negotiate import Negotiation, NotAcceptable
from sipcore.sdp.description import SessionDescription, _read

HOSTS = st.sampled_from(["192.0.2.7", "198.51.100.1", "2001:db8::7", "0.0.0.0"])
CODECS = st.lists(st.sampled_from(list(Codec)), min_size=1, max_size=4, unique=True)
VIDEO = b"m=video 4002 RTP/AVP 99\r\n"


def read_twice(data: bytes) -> tuple[SessionDescription, SessionDescription]:
    return SessionDescription.parse(data), _read(data)


class Side:
    """One side twice: one negotiation reads in the short way, the other in the plain one. Both say the same."""

    def __init__(self, host: str, port: int, codecs: list[Codec], srtp: Srtp) -> None:
        self.both = [Negotiation(host, port, Random(1), codecs, lambda: bytes(range(32))) for _ in range(2)]
        for each in self.both:
            each.srtp = srtp
        self._last: tuple[int, SessionDescription] | None = None

    def move(self, port: int) -> None:
        for each in self.both:
            each.port = port

    def offer(self, codecs: list[Codec], direction: Direction) -> bytes:
        return self._said([each.offer(codecs, direction) for each in self.both])

    def answer(self, offer: bytes, preferred: Codec | None) -> bytes | None:
        for each, description in zip(self.both, read_twice(offer), strict=True):
            try:
                each.receive_offer(description)
            except NotAcceptable:
                return None
        return self._said([each.answer(preferred) for each in self.both])

    def take(self, answer: bytes) -> bool:
        taken = set()
        for each, description in zip(self.both, read_twice(answer), strict=True):
            try:
                each.receive_answer(description)
                taken.add(True)
            except NotAcceptable:
                taken.add(False)
        [same] = taken
        return same

    def withdraw(self) -> None:
        for each in self.both:
            each.withdraw()

    def plan(self, host: str) -> StreamPlan:
        short, plain = (each.plan(host) for each in self.both)
        assert short == plain
        return short

    def _said(self, said: list[SessionDescription]) -> bytes:
        short, plain = said
        assert short == plain
        assert short.to_bytes() == SessionDescription(*short).to_bytes()
        assert _read(short.to_bytes()) == short
        version = int(short.origin.version)
        if self._last is not None:
            before, last = self._last
            assert version >= before
            assert version > before or short == last  # RFC 3264 section 8
        self._last = version, short
        return short.to_bytes()


@given(
    st.data(),
    st.tuples(HOSTS, CODECS, st.sampled_from(Srtp)),
    st.tuples(HOSTS, CODECS, st.sampled_from(Srtp)),
)
def test_sides_agree_and_say_the_same_in_both_ways(
    data: st.DataObject, one: tuple[str, list[Codec], Srtp], other: tuple[str, list[Codec], Srtp]
) -> None:
    sides = [
        Side(host, port, codecs, srtp)
        for port, (host, codecs, srtp) in zip((20000, 30000), (one, other), strict=True)
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        offers = data.draw(st.integers(0, 1))
        offerer, answerer = sides[offers], sides[1 - offers]
        offerer.move(data.draw(st.integers(1, 65535)))
        offer = offerer.offer(data.draw(CODECS), data.draw(st.sampled_from(Direction)))
        if data.draw(st.booleans()):
            offer += VIDEO
        answer = answerer.answer(offer, data.draw(st.none() | st.sampled_from(Codec)))
        if answer is None:
            offerer.withdraw()
            continue
        assert [media.port for media in _read(answer).media][1:] == [0] * offer.count(VIDEO)
        if not offerer.take(answer):
            return  # such a call ends
        ours, theirs = offerer.plan("203.0.113.9"), answerer.plan("203.0.113.9")
        assert ours.codec is theirs.codec
        assert (ours.send_payload_type, ours.receive_payload_type) == (
            theirs.receive_payload_type,
            theirs.send_payload_type,
        )
        if "0.0.0.0" not in (one[0], other[0]):  # which is not told of the direction, but held
            assert ours.direction.sends is theirs.direction.receives
            assert ours.direction.receives is theirs.direction.sends
        assert (ours.srtp is None) == (theirs.srtp is None)
