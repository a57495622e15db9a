"""Branches, tags and Call-IDs, from injected dice (RFC 3261 sections 8.1.1.4, 8.1.1.7 and 19.3)."""

from __future__ import annotations

from random import Random

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

    def first_cseq(self) -> int:
        """Where the numbers of a dialog begin: far below 2**31 (section 8.1.1.5)."""
        return self._bits(16) + 1
