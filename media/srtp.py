"""SRTP (RFC 3711) for one stream: packets out are enciphered, packets in are deciphered or refused."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from pylibsrtp import Error, Policy, Session

from media.plan import SrtpKeys, SrtpSuite

MAX_SOURCES = 100
"""SSRCs under one key: the library remembers each that was heard, so a peer may not go on for ever."""
_STEP = 0x7FFF
"""The farthest that a sequence number can be ahead (section 3.3.1)."""
_MAX_WRAPS = 256
"""Of the sequence number: 93 hours."""
_GUESSED_WRAPS = 64
"""So often the sequence number may have wrapped before we heard it: 23 hours."""
_GUESSES = 20
"""Packets that are tried in that way; whatever else comes must not keep us busy."""
_REPLAYED = "replay"
"""How the library's words for a replayed packet begin."""
_PROFILES = {
    SrtpSuite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SrtpSuite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


class Srtp:
    """Both directions of a stream. What the peer sends can be refused, never fail; what is refused is counted."""

    __slots__ = (
        "_candidates",
        "_guesses",
        "_keys",
        "_receiver",
        "_sender",
        "_source",
        "_sources",
        "forged",
        "replayed",
    )

    def __init__(self, keys: SrtpKeys) -> None:
        self._keys = keys
        self._sender = _session(keys.suite, keys.send, Policy.SSRC_ANY_OUTBOUND)
        self._receiver = _session(keys.suite, keys.receive, Policy.SSRC_ANY_INBOUND)
        self._candidates: tuple[Session, ...] = ()
        """What the peer will use from its next packets on: the first that fits one becomes the receiver."""
        self._guesses = _GUESSES if keys.continues else 0
        """Packets that may still tell where the rollover counter of the peer stands."""
        self._source = b""
        """The SSRC heard last."""
        self._sources: set[bytes] = set()
        self.forged = 0
        """Packets that were not made with the peer's key."""
        self.replayed = 0
        """Packets that came again, or far too late."""

    def change(self, keys: SrtpKeys, heard: tuple[int, int] | None = None) -> bool:
        """Go on with other keys; whether the one for sending is another: then a new SSRC is due.

        Until the peer is heard to use its new key, the old one holds: packets are on their way. `heard` is its
        SSRC and the highest extended sequence number. By section 3.3.1 the rollover counter goes on under a new
        key; many a phone begins again at 0 all the same, so both are listened for.
        """
        before, self._keys = self._keys, keys
        same_suite = before.suite is keys.suite
        if not same_suite or before.receive != keys.receive:
            self._candidates = (_session(keys.suite, keys.receive, Policy.SSRC_ANY_INBOUND),)
            if heard is not None and 0 < heard[1] >> 16 < _MAX_WRAPS:
                self._candidates += (_wound_forward(keys, *heard),)
            self._sources.clear()
            self._source = b""
        if same_suite and before.send == keys.send:
            return False
        self._sender = _session(keys.suite, keys.send, Policy.SSRC_ANY_OUTBOUND)
        return True

    def protect(self, data: bytes) -> bytes | None:
        """An RTP packet as it travels. None where its number has been used already, or is too far back: to encipher
        two packets alike would give both away (section 9.1)."""
        try:
            return self._sender.protect(data)
        except (Error, ValueError):
            return None

    def protect_rtcp(self, data: bytes) -> bytes | None:
        """An RTCP packet as it travels."""
        try:
            return self._sender.protect_rtcp(data)
        except (Error, ValueError):
            return None

    def unprotect(self, data: bytes) -> bytes | None:
        """The RTP packet in a datagram; None if it is not the peer's, or came before."""
        plain = self._unprotect(data, data[8:12], Session.unprotect)
        if self._guesses:
            if plain is not None:
                self._guesses = 0
            elif self._guess(data):
                self.forged -= 1
                plain = self._unprotect(data, data[8:12], Session.unprotect)
        return plain

    def _guess(self, data: bytes) -> bool:
        """Find the rollover counter with which the packet is the peer's, who has counted before we heard it."""
        self._guesses -= 1
        sequence, _, ssrc = struct.unpack_from("!HII", data, 2)
        there = _session(self._keys.suite, self._keys.receive, Policy.SSRC_ANY_OUTBOUND)
        here = _session(self._keys.suite, self._keys.receive, Policy.SSRC_ANY_INBOUND)
        reached = -_STEP
        for index in range(0x10000 + sequence - 1, _GUESSED_WRAPS << 16, 0x10000):
            _wind(there, here, ssrc, [*range(reached + _STEP, index, _STEP), index])
            reached = index
            try:
                here.unprotect(data)
            except (Error, ValueError):
                continue
            self._receiver = _wound_forward(self._keys, ssrc, index)
            return True
        return False

    def unprotect_rtcp(self, data: bytes) -> bytes | None:
        """The RTCP packet in a datagram; None if it is not the peer's, or came before."""
        return self._unprotect(data, data[4:8], Session.unprotect_rtcp)

    def _unprotect(
        self, data: bytes, source: bytes, unprotect: Callable[[Session, bytes], bytes]
    ) -> bytes | None:
        new = source != self._source and source not in self._sources
        if new and len(self._sources) >= MAX_SOURCES:
            self.forged += 1
            return None
        for candidate in self._candidates:
            try:
                plain = unprotect(candidate, data)
            except (Error, ValueError):
                continue
            self._receiver, self._candidates = candidate, ()
            break
        else:
            try:
                plain = unprotect(self._receiver, data)
            except (Error, ValueError) as error:
                if str(error).startswith(_REPLAYED):
                    self.replayed += 1
                else:
                    self.forged += 1
                return None
        if new:
            self._sources.add(source)
        self._source = source
        return plain


def _session(suite: SrtpSuite, key: bytes, direction: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[suite]))


def _wound_forward(keys: SrtpKeys, ssrc: int, highest: int) -> Session:
    """A receiver whose rollover counter stands where the peer's does: packets that nobody sent led it there."""
    there = _session(keys.suite, keys.receive, Policy.SSRC_ANY_OUTBOUND)
    here = _session(keys.suite, keys.receive, Policy.SSRC_ANY_INBOUND)
    _wind(there, here, ssrc, [*range(0, highest, _STEP), highest])
    return here


def _wind(there: Session, here: Session, ssrc: int, indexes: Iterable[int]) -> None:
    for index in indexes:
        header = struct.pack("!BBHII", 0x80, 0, index & 0xFFFF, 0, ssrc)
        here.unprotect(there.protect(header))
