"""Media keys in session descriptions: the `crypto` attribute (RFC 4568), as far as we can serve it."""

from __future__ import annotations

import base64
import re
from dataclasses import field
from enum import Enum

from sipcore.sdp.description import MediaDescription
from values import dataclass

KEY_BYTES = 30
"""Master key of 128 bits and master salt of 112, of either suite (section 6.2)."""
MAX_CRYPTOS = 20
"""Attributes of one media section that are looked at."""
MAX_LIFETIME = 2**48
"""Packets under one key (section 6.1)."""

_ATTRIBUTE = re.compile(
    r"(?P<tag>0|[1-9][0-9]{0,8})[ \t]+(?P<suite>[A-Z0-9_]{1,64})[ \t]+"
    r"inline:(?P<key>[A-Z0-9+/]{40})(?:\|(?P<power>2\^)?(?P<lifetime>[1-9][0-9]{0,14}))?"
    r"(?P<parameters>(?:[ \t]+[\x21-\x7E]{1,64}){0,10})",
    re.IGNORECASE | re.ASCII,
)
"""One key without an MKI: what else the grammar of section 9.1 allows we could not serve. 40 characters of base64
are KEY_BYTES, so nothing is padded."""


class CryptoSuite(Enum):
    """How packets are enciphered and authenticated (section 6.2)."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Crypto:
    """One `crypto` attribute: the key for what its sender sends."""

    tag: int
    """Chosen by the offerer, and repeated in the answer that takes it (section 5.1.2)."""
    suite: CryptoSuite
    key: bytes = field(repr=False)
    """Master key and master salt."""
    lifetime: int | None = None
    """After so many packets its sender takes another key; None: it says nothing."""

    @classmethod
    def parse(cls, value: str) -> Crypto | None:
        """The value of an attribute; None if it is malformed, or asks for what we cannot do.

        That may be another suite, more than one key, an MKI, or a session parameter that must be understood.
        """
        found = _ATTRIBUTE.fullmatch(value.strip(" \t"))
        if found is None or not all(map(_is_harmless, found["parameters"].split())):
            return None
        suite, lifetime = _SUITES.get(found["suite"].upper()), _lifetime(found["power"], found["lifetime"])
        if suite is None or (lifetime is not None and lifetime > MAX_LIFETIME):
            return None
        return cls(int(found["tag"]), suite, base64.b64decode(found["key"]), lifetime)

    def __str__(self) -> str:
        key = base64.b64encode(self.key).decode("ascii")
        lifetime = "" if self.lifetime is None else f"|{self.lifetime}"
        return f"{self.tag} {self.suite.value} inline:{key}{lifetime}"


_SUITES = {suite.value: suite for suite in CryptoSuite}


def cryptos(media: MediaDescription) -> list[Crypto]:
    """Those of a media section that we can serve, the sender's preferred first."""
    values = [value for name, value in media.attributes if name == "crypto" and value][:MAX_CRYPTOS]
    return [crypto for value in values if (crypto := Crypto.parse(value)) is not None]


def _lifetime(power: str | None, number: str | None) -> int | None:
    """Written as a number or as a power of two."""
    if number is None:
        return None
    value = int(number)
    return 2 ** min(value, 64) if power else value


def _is_harmless(parameter: str) -> bool:
    """A hint (WSH), or marked by its sender as one that need not be understood (section 6.3.7)."""
    return parameter.startswith("-") or parameter.upper().startswith("WSH=")
