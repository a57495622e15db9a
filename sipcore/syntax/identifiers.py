"""Branches, tags and Call-IDs, from injected dice (RFC 3261 sections 8.1.1.4, 8.1.1.7 and 19.3)."""

from __future__ import annotations

import hashlib
from random import Random
from zlib import crc32

from sipcore.syntax.remember import remembered

MAGIC_COOKIE = "z9hG4bK"
"""Marks a branch as made by RFC 3261 rules."""


class Identifiers:
    """Identifiers of 64 random bits and more."""

    def __init__(self, random: Random, node: str = "") -> None:
        """`node` tells the nodes of a larger system apart."""
        self._bits = random.getrandbits
        self._node = node

    def branch(self) -> str:
        """A Via branch, unique across space and time."""
        return f"{MAGIC_COOKIE}{self._bits(80):x}"

    def tag(self) -> str:
        """A From or To tag."""
        return f"{self._node}{self._bits(72):x}"

    def call_id(self) -> str:
        """A Call-ID."""
        return f"{self._bits(96):x}{'@' + self._node if self._node else ''}"

    def of_call(self) -> tuple[str, str, str, int]:
        """Branch, tag and Call-ID of an INVITE, and where the numbers of its dialog begin: far below 2**31 (section
        8.1.1.5)."""
        text, node = f"{self._bits(264):066x}", self._node  # asked once: of each digit, four bits
        call_id = f"{text[38:62]}@{node}" if node else text[38:62]
        return MAGIC_COOKIE + text[:20], node + text[20:38], call_id, int(text[62:], 16) + 1


class StatelessTags:
    """To tags that are the same for each retransmission of a request, without remembering it (section 8.2.7)."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2s(key=key, digest_size=9)
        self._of_call = remembered(1024)(self._hashed)

    def tag(self, call_id: str, via: str) -> str:
        """The tag of the answer to a request; `via` is its topmost line.

        Nobody can guess it who has not seen another of the same Call-ID. No dialog has it, so that is enough.
        """
        return f"{self._of_call(call_id)}{crc32(via.encode('utf-8', 'surrogateescape')):08x}"

    def first(self, call_id: str, via: str) -> str:
        """The same, of a Call-ID that is not worth remembering: each call brings another."""
        digest = self._keyed.copy()
        digest.update(call_id.encode("utf-8", "surrogateescape"))
        return f"{digest.hexdigest()}{crc32(via.encode('utf-8', 'surrogateescape')):08x}"

    def _hashed(self, call_id: str) -> str:
        digest = self._keyed.copy()
        digest.update(call_id.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
