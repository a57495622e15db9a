"""From session descriptions to stream plans: the one file that knows both SDP and media.

A leg has one `Negotiation`. It makes offers, answers the peer's (RFC 3264), and says in a `StreamPlan` what the
media engine has to do. One audio stream is taken; all other media lines are declined, in their places.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from random import Random
from types import MappingProxyType

from media.plan import G711, Codec, Direction, SrtpKeys, SrtpSuite, StreamPlan
from pbx.media_formats import (
    DYNAMIC,
    ENCODINGS,
    REMEMBERED,
    TELEPHONE_EVENT,
    USUAL_PAYLOAD_TYPES,
    MediaFormats,
    media_formats,
)
from pbx.media_keys import MediaKeys, Srtp, agreed
from sipcore.sdp.description import Attributes, MediaDescription, Origin, Printed, SessionDescription
from sipcore.sdp.security import Crypto, cryptos
from sipcore.syntax.remember import kept
from values import maker

CLEAR, SECURE = "RTP/AVP", "RTP/SAVP"
MAX_ADDRESS = 64
"""Characters that are looked at: no IP address has more."""
OPUS, REQUIRED = Codec.OPUS, Srtp.REQUIRED
_REVERSE = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}


class NotAcceptable(Exception):
    """Nothing in the description can be used: 488 (RFC 3261 section 21.4.26)."""


Usable = tuple[SessionDescription, MediaDescription, MediaFormats, str, Direction, bool]
"""What can be taken of a description: the description itself; its media section, and what that says of codecs; where
its sender wants the packets, as it is written; which way sound goes, as its sender sees it; and whether it has a key
that we can serve. No class has these: they are made and taken apart twice in each leg, which costs a third so."""
_new = tuple.__new__
"""Makes a named tuple of all its values, without a call of Python."""
_make_plan = maker(StreamPlan)
_NO_NUMBERS: Mapping[str, int] = MappingProxyType({})


class Negotiation:
    """The media of one leg, as both sides have described it."""

    def __init__(
        self,
        host: str,
        port: int,
        random: Random,
        codecs: Sequence[Codec] = G711,
        entropy: Callable[[], bytes] | None = None,
        srtp: Srtp = Srtp.OFF,
    ) -> None:
        """`host` and `port` are where we receive; `codecs` what we speak, preferred ones first; `entropy` gives 32
        unpredictable bytes for a key, and without it we know no SRTP."""
        self._host = host
        self.port = port
        """Where we receive, in what we say from now on."""
        self._session_id = str(random.getrandbits(48))
        self._entropy = entropy
        self.codecs: tuple[Codec, ...] = tuple(codecs)
        """What we speak, preferred ones first."""
        self.srtp = srtp
        self.telephone_events = True
        """Whether we take and send telephone-events."""
        self.opus_parameters = ""
        """What we say of Opus: of the phone at the other end of the call, since sound goes through as it is where both
        speak it."""
        self._numbers = _NO_NUMBERS
        """Payload types of this session by encoding: none ever means another (RFC 3264 section 8.3.2)."""
        self.moves = self._version = 0
        """How often the peer has been found elsewhere; and of what we say (RFC 8866 section 5.2)."""
        self.has_remote_offer = self.offers_srtp = self._secured = False
        """Whether the peer made the last offer; whether our offers have SRTP though it is not required, until something
        is agreed on; and whether SRTP was agreed on last."""
        self.local: SessionDescription | None = None
        """What we last said."""
        self._ours: Usable | None = None
        """What can be taken of that."""
        self._theirs: Usable | None = None
        """The same of the peer."""
        self._before_offer: tuple[Usable | None, bool] | None = None
        """What we had said, and whether it was an answer, before an offer that is not answered yet."""

    @property
    def remote(self) -> SessionDescription | None:
        """What the peer last said."""
        return None if self._theirs is None else self._theirs[0]

    @kept
    def keys(self) -> MediaKeys | None:
        """Ours; None: we know no SRTP."""
        return MediaKeys(self._entropy) if self._entropy else None

    # -- what the peer says -------------------------------------------------------------------------------

    def receive_offer(self, offer: SessionDescription) -> None:
        """Take an offer; `answer` goes with it. Raises NotAcceptable, and then nothing has changed."""
        self._theirs = self._usable_audio(offer)
        self._before_offer, self.has_remote_offer = None, True

    def receive_answer(self, answer: SessionDescription) -> None:
        """Take the answer to our offer. Raises NotAcceptable, and then nothing has changed."""
        theirs, ours = self._usable_audio(answer), self._ours
        secured = ours is not None and (ours[-1] or theirs[1].protocol == SECURE)
        if secured and ours is not None:
            _, key = _pair(ours[1], theirs[1])
            if self.keys is not None:
                self.keys.answered(key)
        self._secured, self.offers_srtp = secured, False
        self._theirs, self._before_offer, self.has_remote_offer = theirs, None, False

    @property
    def offered_codecs(self) -> tuple[Codec, ...]:
        """The codecs of the peer that we know too, in its order; empty before it has said anything."""
        return () if self._theirs is None else tuple(self._theirs[2].spoken[self.codecs])

    @property
    def remote_opus_parameters(self) -> str:
        """How the peer wants its Opus (RFC 7587 section 6.1); empty if it says nothing of it."""
        parameters = "" if self._theirs is None else self._theirs[2].opus_parameters
        return parameters if parameters and OPUS in self.codecs else ""

    # -- what we say --------------------------------------------------------------------------------------

    def offer(
        self, codecs: Iterable[Codec] = (), direction: Direction = Direction.SENDRECV
    ) -> SessionDescription:
        """An offer of `codecs` first, then of all others we speak."""
        known = self._numbers
        section, self._numbers = _offered(
            tuple(codecs),
            self.codecs,
            self.telephone_events,
            tuple(known.items()) if known is not _NO_NUMBERS else (),
            direction,
            self.opus_parameters,
        )
        if self._before_offer is None:
            self._before_offer = self._ours, self.has_remote_offer
        self.has_remote_offer = False
        wanted = self._secured or self.offers_srtp or self.srtp is REQUIRED
        keys = self.keys if wanted else None
        if keys is None:
            return self._describe(section, direction)
        return self._describe(section, direction, (), SECURE, keys.offer())

    def offer_again(self, codec: Codec | None) -> SessionDescription:
        """An offer that changes nothing but where we receive: who holds goes on to, `codec` is preferred."""
        assert self._ours is not None, "nothing is agreed yet"
        _, _, _, _, direction, _ = self._ours
        return self.offer([codec] if codec else (), direction)

    def withdraw(self) -> None:
        """Our offer was refused: what was agreed before holds (RFC 3261 section 14.1)."""
        if self._before_offer is not None:
            self._version += 1  # the peer has seen that of the offer
            (self._ours, self.has_remote_offer), self._before_offer = self._before_offer, None
            self.local = None if self._ours is None else self._ours[0]

    def answer(self, preferred: Codec | None = None) -> SessionDescription:
        """The answer to the peer's offer: one codec, `preferred` if it is among those offered (RFC 3264 section 6)."""
        theirs = self._theirs
        assert theirs is not None, "there is no offer to answer"
        description, chosen, formats, _, direction, secure = theirs
        direction = _REVERSE[direction]
        section = _answered(
            formats, self.codecs, preferred, self.telephone_events, direction, self.opus_parameters
        )
        known = self._numbers
        self._numbers = formats.numbers if known is _NO_NUMBERS else _numbered(known, formats.numbers)
        self._secured, self.offers_srtp = secure, False
        media = description.media
        lines = media if len(media) > 1 else ()
        if not secure or self.keys is None:
            return self._describe(section, direction, lines)
        return self._describe(section, direction, lines, chosen.protocol, self.keys.answer(chosen))

    def plan(self, signalling_host: str) -> StreamPlan:
        """What both sides have agreed on, for the media engine.

        `signalling_host` is where the peer's SIP comes from: a phone behind a NAT sends its media from there,
        whatever address it has written.
        """
        ours, theirs = self._ours, self._theirs
        assert ours is not None, "nothing is agreed yet"
        assert theirs is not None, "nothing is agreed yet"
        _, own_media, said, _, own_direction, secure = ours
        _, media, formats, address, direction, _ = theirs
        codec, send_type, receive_type, events_to, events_from, clock, packet_ms = _terms(
            said, formats, self.codecs, self.has_remote_offer
        )
        host, trusted = _reached(address[:MAX_ADDRESS], signalling_host)
        port = media.port
        return _make_plan(
            codec,
            send_type,
            receive_type,
            None if host is None else (host, port),
            None if host is None or port == 65535 else (host, port + 1),
            trusted,
            _FLOWS[own_direction, direction],
            events_to,
            events_from,
            clock,
            packet_ms,
            _srtp_keys(own_media, media) if secure or media.protocol == SECURE else None,
            self.moves,
        )

    # -- helpers --------------------------------------------------------------------------------------------

    def _usable_audio(self, description: SessionDescription) -> Usable:
        """The first media section that we can take with SRTP; else the first in the clear. Raises NotAcceptable."""
        clear = None
        for media in description.media:
            kind, port, protocol, _, own, _, _ = media
            if kind != "audio" or not port:
                continue
            formats = media_formats(media)
            secure = not formats.keyless and self._can_secure(media)
            plain = protocol == CLEAR and self.srtp is not REQUIRED
            if not formats.spoken[self.codecs] or not (secure or (plain and clear is None)):
                continue
            address, direction = own or description.connection or "", formats.direction
            if direction is None or address == "0.0.0.0":
                direction = Direction(description.direction_of(media))
            usable = description, media, formats, address, direction, secure
            if secure:
                return usable
            clear = usable
        if clear is None:
            raise NotAcceptable("no audio in a codec we know, or none that is as secure as it has to be")
        return clear

    def _can_secure(self, media: MediaDescription) -> bool:
        """Whether it has a key that we can serve. Many phones that would rather have SRTP, but need not, write it
        below RTP/AVP, where the letter of RFC 4568 has none; they take an answer of the same kind."""
        return self.keys is not None and media.protocol in (CLEAR, SECURE) and bool(cryptos(media))

    def _describe(
        self,
        section: _Section,
        direction: Direction,
        lines: tuple[MediaDescription, ...] = (),
        protocol: str = CLEAR,
        key: Crypto | None = None,
    ) -> SessionDescription:
        """Our next description; the version rises only if it says something new (RFC 3264 section 8). It answers the
        media `lines`, if there are several: it takes one and declines all others."""
        host, port, before, version = self._host, self.port, self.local, str(self._version)
        numbers, attributes, said, behind_port = section
        if key is not None:
            attributes = (("crypto", str(key)), *attributes)
        audio = _new(MediaDescription, ("audio", port, protocol, numbers, None, attributes, 1))
        media: tuple[MediaDescription, ...] = (audio,)
        if lines:
            taken = None if self._theirs is None else self._theirs[1]
            media = tuple([audio if line is taken else _decline(line) for line in lines])
        origin = _new(Origin, ("-", self._session_id, version, host))
        described = _new(Printed, (origin, "-", host, "0 0", (), media))
        if before is not None and described != before._replace(origin=origin):
            self._version += 1
            described = described._replace(origin=origin._replace(version=str(self._version)))
        elif key is None and not lines:
            where = f"IN IP6 {host}" if ":" in host else f"IN IP4 {host}"
            described.data = (
                f"v=0\r\no=- {self._session_id} {version} {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\n"
                f"m=audio {port}{behind_port}"
            ).encode()
        self._ours = described, audio, said, host, direction, key is not None
        self.local = described
        return described


_Formats = tuple[tuple[int, Codec], ...]
_Events = tuple[tuple[int, int], ...]
"""Payload types of telephone-events, and the clock rate of each."""
_Section = tuple[tuple[str, ...], Attributes, MediaFormats, str]
"""What a media section of ours says, but for its port and its key: payload types; what is said of them; both as they
are read; and as they are written behind the port, in the clear."""


@lru_cache(REMEMBERED)
def _offered(
    preferred: tuple[Codec, ...],
    spoken: tuple[Codec, ...],
    telephone_events: bool,
    known: tuple[tuple[str, int], ...],
    direction: Direction,
    opus_parameters: str,
) -> tuple[_Section, Mapping[str, int]]:
    """What is offered, the preferred codecs first, and the payload types of the session then; `known` are those that
    it has."""
    numbers = dict(known)

    def number(encoding: str) -> int:
        if encoding not in numbers:
            usual, taken = USUAL_PAYLOAD_TYPES[encoding], numbers.values()
            numbers[encoding] = next(free for free in (usual, *DYNAMIC) if free not in taken)
        return numbers[encoding]

    codecs = [codec for codec in dict.fromkeys((*preferred, *spoken)) if codec in spoken]
    formats = tuple([(number(ENCODINGS[codec]), codec) for codec in codecs])
    # Events are counted by the clock of the sound that they interrupt (RFC 4733 section 2.1).
    clocks = dict.fromkeys(codec.clock_rate for codec in codecs if telephone_events)
    events = tuple([(number(f"{TELEPHONE_EVENT}/{clock}"), clock) for clock in clocks])
    return _described(formats, events, direction, opus_parameters), numbers


@lru_cache(REMEMBERED)
def _answered(
    theirs: MediaFormats,
    spoken: tuple[Codec, ...],
    preferred: Codec | None,
    telephone_events: bool,
    direction: Direction,
    opus_parameters: str,
) -> _Section:
    """What is answered: one codec, and the events that go with it."""
    offered = theirs.spoken[spoken]
    codec = preferred if preferred is not None and preferred in offered else next(iter(offered))
    events = theirs.events_with(codec) if telephone_events else None
    return _described(((offered[codec], codec),), (events,) if events else (), direction, opus_parameters)


@lru_cache(REMEMBERED)
def _described(formats: _Formats, events: _Events, direction: Direction, opus_parameters: str) -> _Section:
    attributes: list[tuple[str, str | None]] = []
    for number, codec in formats:
        attributes.append(("rtpmap", f"{number} {codec.rtpmap}"))
        if codec is Codec.OPUS and opus_parameters:
            attributes.append(("fmtp", f"{number} {opus_parameters}"))
    for number, clock in events:
        attributes += [("rtpmap", f"{number} telephone-event/{clock}"), ("fmtp", f"{number} 0-16")]
    numbers = tuple([str(number) for number, _ in (*formats, *events)])
    attributes += [("ptime", "20"), (direction.value, None)]
    media = MediaDescription("audio", 1, CLEAR, numbers, attributes=tuple(attributes))
    return numbers, media.attributes, media_formats(media), media.behind_port


_Terms = tuple[Codec, int, int, int | None, int | None, int, int]
"""What two media sections agree on, as `StreamPlan` has it: codec, payload types to send and to receive, those of
events, their clock, and ms in a packet."""


@lru_cache(REMEMBERED)
def _terms(ours: MediaFormats, theirs: MediaFormats, spoken: tuple[Codec, ...], we_answered: bool) -> _Terms:
    """The same for all calls between phones that say the same."""
    answer = (ours if we_answered else theirs).spoken[spoken]
    codec, send_type = next(iter(answer.items()))
    receive_type = ours.spoken[spoken].get(codec, send_type)
    events_to, clock = theirs.events_with(codec) or (None, codec.clock_rate)
    events_from = ours.events.get(clock)
    if events_to is None or events_from is None:  # only one side has said that it knows them
        events_to = events_from = None
    return codec, send_type, receive_type, events_to, events_from, clock, theirs.packet_ms


def _numbered(known: Mapping[str, int], theirs: Mapping[str, int]) -> Mapping[str, int]:
    """The payload types of a session after an offer of the peer. One that it takes for something else, though it may
    not, means that alone from now on: a server between us may have put another phone on the line."""
    taken = theirs.values()
    return {**{encoding: number for encoding, number in known.items() if number not in taken}, **theirs}


def _pair(ours: MediaDescription, theirs: MediaDescription) -> tuple[Crypto, Crypto]:
    """Our key and the peer's, where one of both has said that it wants keys. Raises NotAcceptable where the other has
    another opinion: sound is not in the clear by accident."""
    pair = agreed(ours, theirs)
    if pair is None:
        raise NotAcceptable("the answer does not take the key that was offered")
    return pair


def _srtp_keys(ours: MediaDescription, theirs: MediaDescription) -> SrtpKeys:
    own, peer = _pair(ours, theirs)
    return SrtpKeys(SrtpSuite[own.suite.name], own.key, peer.key)


def _decline(media: MediaDescription) -> MediaDescription:
    """The same media section with port 0 (RFC 3264 section 6)."""
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _flow(ours: Direction, theirs: Direction) -> Direction:
    """What flows, as we see it: both sides have to want it."""
    return _DIRECTIONS[ours.sends and theirs.receives, ours.receives and theirs.sends]


_DIRECTIONS = {(direction.sends, direction.receives): direction for direction in Direction}
_FLOWS = {(ours, theirs): _flow(ours, theirs) for ours in Direction for theirs in Direction}


@lru_cache(1024)
def _reached(written: str, signalling_host: str) -> tuple[str | None, frozenset[str]]:
    """Where a peer wants its packets, as sockets write it, None for nowhere; and where its own may come from.

    A name is not looked up, for sound cannot wait: its owner is found by what it sends.
    """
    try:
        host = str(ipaddress.ip_address(written))
    except ValueError:
        host = signalling_host
    return None if _is_unspecified(host) else host, frozenset({host, signalling_host})


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
