"""A phone that sends a call on to somebody else: 300, 301 and 302 (RFC 3261 sections 8.1.3.4 and 21.3)."""

from __future__ import annotations

import re

from pbx.dial_table import dialled_string
from pbx.routing import Redirected
from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Response

FOLLOWED = (300, 301, 302)
"""Not 305, which names a proxy between us and the phone, and not 380, which is for its user to read."""
MOST_TARGETS = 5
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_REASON = re.compile(r";\s*reason\s*=\s*\"?([a-z-]{1,20})", re.IGNORECASE)


def redirection(response: Response) -> Redirected | None:
    """Where the call is to go instead; None where the response sends it nowhere.

    Only the user part counts: a call goes where this system routes it, whatever host the phone has written.
    """
    if response.status not in FOLLOWED:
        return None
    try:
        contacts = sorted(response.contacts, key=_preference, reverse=True)
    except PeerError:
        return None
    users = (dialled_string(c.uri) for c in contacts if c.uri.scheme in ("sip", "sips", "tel"))
    targets = tuple(dict.fromkeys(user for user in users if user))[:MOST_TARGETS]
    return Redirected(targets, response.status, _why(response)) if targets else None


def _preference(contact: NameAddress) -> float:
    """Its q; one that is missing or malformed is 1 (RFC 3261 section 20.10)."""
    q = contact.parameter("q") or ""
    return float(q) if _QVALUE.fullmatch(q) else 1.0


def _why(response: Response) -> str:
    """What the phone tells of the reason, in Diversion (RFC 5806) or the History-Info it sends along (RFC 7044)."""
    found = _REASON.search(response.get("Diversion") or "")
    if found is not None:
        return found[1].lower()
    return "see its History-Info" if response.has("History-Info") else ""
