"""What a NOTIFY carries: printed once, however many are told."""

from __future__ import annotations

from values import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """A body. Where `tail` is there, the version of each subscription goes between `head` and `tail`."""

    content_type: str
    head: bytes
    tail: bytes | None = None

    def body(self, version: int) -> bytes:
        """The body for a subscription that has been told `version` bodies before."""
        return self.head if self.tail is None else b"%b%d%b" % (self.head, version, self.tail)


@dataclass(frozen=True, slots=True)
class Printed:
    """The state of a resource in full, and where that is worth it what has changed since the state before."""

    full: Document
    change: Document | None = None
