"""From session descriptions to stream plans: the one file that knows both SDP and media.

A leg has one `Negotiation`. It makes offers, answers the peer's (RFC 3264), and says in a `StreamPlan` what the
media engine has to do. One audio stream is taken; all other media lines are declined, in their places.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from media.plan import Codec, Direction, StreamPlan
from sipcore.sdp.description import MediaDescription, Origin, SessionDescription

TELEPHONE_EVENT = "TELEPHONE-EVENT/8000"
OFFERED_DTMF_PAYLOAD_TYPE = 101
_DYNAMIC = range(96, 128)
_REVERSE = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}


class NotAcceptable(Exception):
    """Nothing in the description can be used: 488 (RFC 3261 section 21.4.26)."""


class Negotiation:
    """The media of one leg, as both sides have described it."""

    def __init__(self, host: str, port: int, random: Random) -> None:
        """`host` and `port` are where we receive."""
        self._host = host
        self._port = port
        self._session_id = str(random.getrandbits(48))
        self._version = 0
        self._remote_offered = False
        self.codecs: tuple[Codec, ...] = tuple(Codec)
        """What we speak, preferred ones first."""
        self.local: SessionDescription | None = None
        """What we last said."""
        self.remote: SessionDescription | None = None
        """What the peer last said."""

    # -- what the peer says -------------------------------------------------------------------------------

    def receive_offer(self, offer: SessionDescription) -> None:
        """Take an offer; `answer` goes with it. Raises NotAcceptable, and then nothing has changed."""
        self._usable_audio(offer)
        self.remote = offer
        self._remote_offered = True

    def receive_answer(self, answer: SessionDescription) -> None:
        """Take the answer to our offer. Raises NotAcceptable, and then nothing has changed."""
        self._usable_audio(answer)
        self.remote = answer
        self._remote_offered = False

    @property
    def has_remote_offer(self) -> bool:
        """Whether the peer made the last offer."""
        return self._remote_offered

    @property
    def offered_codecs(self) -> tuple[Codec, ...]:
        """The codecs of the peer that we know too, in its order; empty before it has said anything."""
        if self.remote is None:
            return ()
        return tuple(codec for codec, _ in self._known(self._usable_audio(self.remote)))

    # -- what we say --------------------------------------------------------------------------------------

    def offer(
        self, codecs: Iterable[Codec] = (), direction: Direction = Direction.SENDRECV
    ) -> SessionDescription:
        """An offer of `codecs` first, then of all others we speak."""
        ordered = dict.fromkeys([*codecs, *self.codecs])
        formats = {codec.static_payload_type: codec for codec in ordered if codec in self.codecs}
        self._remote_offered = False
        return self._describe([self._audio(formats, OFFERED_DTMF_PAYLOAD_TYPE, direction)])

    def answer(self, preferred: Codec | None = None) -> SessionDescription:
        """The answer to the peer's offer: one codec, `preferred` if it is among those offered (RFC 3264 section 6)."""
        assert self.remote is not None, "there is no offer to answer"
        chosen = self._usable_audio(self.remote)
        offered = dict(self._known(chosen))
        codec = preferred if preferred in offered else next(iter(offered))
        direction = _REVERSE[Direction(self.remote.direction_of(chosen))]
        audio = self._audio({offered[codec]: codec}, _dtmf(chosen), direction)
        return self._describe([audio if media is chosen else _decline(media) for media in self.remote.media])

    def plan(self, signalling_host: str) -> StreamPlan:
        """What both sides have agreed on, for the media engine.

        `signalling_host` is where the peer's SIP comes from: a phone behind a NAT sends its media from there,
        whatever address it has written.
        """
        assert self.local is not None, "nothing is agreed yet"
        assert self.remote is not None, "nothing is agreed yet"
        theirs, ours = self._usable_audio(self.remote), self._usable_audio(self.local)
        codec, send_type = next(self._known(ours if self._remote_offered else theirs))
        receive_type = next((number for known, number in self._known(ours) if known is codec), send_type)
        host = _literal(self.remote.address_of(theirs)) or signalling_host
        remote = None if _is_unspecified(host) else (host, theirs.port)
        return StreamPlan(
            codec=codec,
            send_payload_type=send_type,
            receive_payload_type=receive_type,
            remote=remote,
            remote_rtcp=None if remote is None or theirs.port == 65535 else (host, theirs.port + 1),
            trusted_hosts=frozenset({host, signalling_host}),
            direction=_direction(self.local.direction_of(ours), self.remote.direction_of(theirs)),
            dtmf_send_payload_type=_dtmf(theirs),
            dtmf_receive_payload_type=_dtmf(ours),
            packet_ms=_packet_ms(theirs),
        )

    # -- helpers --------------------------------------------------------------------------------------------

    def _usable_audio(self, description: SessionDescription) -> MediaDescription:
        """The first media section that we can take. Raises NotAcceptable."""
        for media in description.media:
            if (
                media.kind == "audio"
                and media.protocol == "RTP/AVP"
                and media.port
                and any(self._known(media))
            ):
                return media
        raise NotAcceptable("no audio over RTP/AVP in a codec we know")

    def _known(self, media: MediaDescription) -> Iterator[tuple[Codec, int]]:
        """The codecs we speak and their payload types, in the order of the media section."""
        mapping = media.rtpmap
        for number in media.formats:
            codec = _BY_ENCODING.get(mapping.get(number, "").removesuffix("/1"))
            if codec in self.codecs:
                yield codec, int(number)

    def _describe(self, media: Sequence[MediaDescription]) -> SessionDescription:
        """Our next description; the version rises only if it says something new (RFC 3264 section 8)."""
        origin = Origin("-", self._session_id, str(self._version), self._host)
        described = SessionDescription(origin, "-", self._host, media=tuple(media))
        if self.local is not None and described != replace(self.local, origin=origin):
            self._version += 1
            described = replace(described, origin=replace(origin, version=str(self._version)))
        self.local = described
        return described

    def _audio(self, formats: dict[int, Codec], dtmf: int | None, direction: Direction) -> MediaDescription:
        attributes: list[tuple[str, str | None]] = [
            ("rtpmap", f"{number} {codec.encoding_name}/{codec.clock_rate}")
            for number, codec in formats.items()
        ]
        if dtmf is not None:
            attributes += [("rtpmap", f"{dtmf} telephone-event/8000"), ("fmtp", f"{dtmf} 0-16")]
        attributes += [("ptime", "20"), (direction.value, None)]
        numbers = [*formats, *([] if dtmf is None else [dtmf])]
        return MediaDescription(
            "audio", self._port, "RTP/AVP", tuple(map(str, numbers)), attributes=tuple(attributes)
        )


_BY_ENCODING = {f"{codec.encoding_name}/{codec.clock_rate}": codec for codec in Codec}


def _dtmf(media: MediaDescription) -> int | None:
    """The payload type of telephone-events (RFC 4733); None where the peer does not take them."""
    for number, encoding in media.rtpmap.items():
        if encoding == TELEPHONE_EVENT and number in media.formats and int(number) in _DYNAMIC:
            return int(number)
    return None


def _decline(media: MediaDescription) -> MediaDescription:
    """The same media section with port 0 (RFC 3264 section 6)."""
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _direction(ours: str, theirs: str) -> Direction:
    """What flows, as we see it: both sides have to want it."""
    sends = ours in ("sendrecv", "sendonly") and theirs in ("sendrecv", "recvonly")
    receives = ours in ("sendrecv", "recvonly") and theirs in ("sendrecv", "sendonly")
    return {
        (True, True): Direction.SENDRECV,
        (True, False): Direction.SENDONLY,
        (False, True): Direction.RECVONLY,
        (False, False): Direction.INACTIVE,
    }[sends, receives]


def _packet_ms(media: MediaDescription) -> int:
    """How much sound the peer wants in a packet (RFC 8866 section 6.4); 20 ms unless it says otherwise."""
    text = media.attribute("ptime") or ""
    return min(max(int(text), 10), 60) if text.isdecimal() and len(text) < 4 else 20


def _literal(written: str | None) -> str | None:
    """An IP address as sockets write it. A name is not looked up, for sound cannot wait: its owner is found by what
    it sends."""
    try:
        return str(ipaddress.ip_address(written or ""))
    except ValueError:
        return None


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
