"""Our keys for the sound of one leg, as they are offered and answered (SDES, RFC 4568)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from sipcore.sdp.description import MediaDescription
from sipcore.sdp.security import KEY_BYTES, Crypto, CryptoSuite, cryptos

DEFAULT_SUITE = CryptoSuite.AES_CM_128_HMAC_SHA1_80
"""What everybody who knows SRTP knows (RFC 4568 section 6.2)."""


class Srtp(Enum):
    """When sound is secured with SRTP. It always is where a phone offers that."""

    OFF = "off"
    OFFERED = "offered"
    """Also offered to phones that are reached over TLS, so that nobody on the way reads the keys."""
    REQUIRED = "required"
    """No sound in the clear."""

    __hash__ = object.__hash__


class MediaKeys:
    """A key is made when it is first described, and goes on as long as the peer's does: one who renews its key may
    begin everything anew, so ours is renewed with it."""

    __slots__ = ("_entropy", "_own", "_theirs")

    def __init__(self, entropy: Callable[[], bytes]) -> None:
        """`entropy` gives 32 unpredictable bytes."""
        self._entropy = entropy
        self._own: Crypto | None = None
        self._theirs: Crypto | None = None

    def offer(self) -> Crypto:
        """What our offer says."""
        own = self._own
        self._own = self._made(1, DEFAULT_SUITE) if own is None else Crypto(1, own.suite, own.key)
        return self._own

    def answer(self, media: MediaDescription) -> Crypto:
        """What our answer says to a media section of an offer: the first of its keys that we can serve is taken."""
        theirs = cryptos(media)[0]
        own, before = self._own, self._theirs
        if own is None or before is None or (before.suite, before.key) != (theirs.suite, theirs.key):
            self._own = self._made(theirs.tag, theirs.suite)
        else:
            self._own = Crypto(theirs.tag, own.suite, own.key)
        self._theirs = theirs
        return self._own

    def answered(self, theirs: Crypto) -> None:
        """The peer's answer has this key."""
        self._theirs = theirs

    def _made(self, tag: int, suite: CryptoSuite) -> Crypto:
        return Crypto(tag, suite, self._entropy()[:KEY_BYTES])


def agreed(ours: MediaDescription, theirs: MediaDescription) -> tuple[Crypto, Crypto] | None:
    """The pair that an answer has taken: it has the tag and the suite of the offer (RFC 4568 section 5.1.3)."""
    for own in cryptos(ours)[:1]:
        for peer in cryptos(theirs):
            if (peer.tag, peer.suite) == (own.tag, own.suite):
                return own, peer
    return None
