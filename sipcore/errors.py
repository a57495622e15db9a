"""What can go wrong in SIP, and whose fault it is.

SipError
+-- PeerError(status)    the other side broke the rules; `status` is what a server answers
|   +-- ParseError       bytes that are no SIP message; carries what is needed to answer all the same
+-- UsageError           this program asked for something the protocol does not allow: our bug
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipcore.syntax.message import Request


class SipError(Exception):
    """Root of everything this package raises."""


class PeerError(SipError):
    """The peer broke the protocol. `status` (RFC 3261 section 21) is the response it deserves."""

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class ParseError(PeerError):
    """Bytes that are not an acceptable message.

    `request` is what could be read of a request, good enough to build a response from
    (Via, From, To, Call-ID, CSeq); None where no answer is possible or allowed.
    """

    def __init__(self, reason: str, *, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason, status=status)
        self.request = request


class UsageError(SipError):
    """A call this program made in a state that does not allow it."""
