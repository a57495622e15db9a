"""Lines of a head: header fields by the names that the RFCs give them, in whatever spelling (RFC 3261 section 7.3)."""

from __future__ import annotations

import re

from sipcore.errors import PeerError
from sipcore.syntax.remember import remembered

_COMPACT = {
    "i": "Call-ID", "m": "Contact", "e": "Content-Encoding", "l": "Content-Length", "c": "Content-Type",
    "f": "From", "s": "Subject", "k": "Supported", "t": "To", "v": "Via", "o": "Event", "u": "Allow-Events",
    "r": "Refer-To", "b": "Referred-By", "x": "Session-Expires", "j": "Reject-Contact", "d": "Request-Disposition",
    "a": "Accept-Contact", "y": "Identity",
}  # fmt: skip
_NAMES = [
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Answer-Mode",
    "Authorization",
    "Call-ID",
    "Call-Info",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Diversion",
    "Error-Info",
    "Event",
    "Expires",
    "Flow-Timer",
    "From",
    "History-Info",
    "In-Reply-To",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Replaces",
    "Reply-To",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Server",
    "Service-Route",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Supported",
    "Target-Dialog",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
    "WWW-Authenticate",
]
_CANONICAL = {name.lower(): name for name in _NAMES} | {name: name for name in _NAMES} | _COMPACT
"""Spellings -> the name as the RFCs write it."""
_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


@remembered(4096)  # most lines of a phone are in each of its messages
def read_field(line: str) -> tuple[str, str]:
    """Name and value. Raises ValueError or PeerError for whatever needs a closer look."""
    name, value = line.split(":", 1)
    value = value.strip()
    if "\r" in value or "\0" in value:
        raise PeerError("a control character in a header field")
    return _CANONICAL.get(name) or canonical_name(name), value


def canonical_name(name: str) -> str:
    """The name as the RFC writes it, however the peer does. Raises PeerError."""
    name = name.rstrip()
    if not _NAME.fullmatch(name):
        raise PeerError(f"not a header name: {name[:60]!r}")
    return _CANONICAL.get(name.lower(), name)


def is_odd(value: str) -> bool:
    """Whether a value, cut from its line by hand, needs a closer look."""
    return "\n" in value or "\r" in value or "\0" in value or value.strip() != value
