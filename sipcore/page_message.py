"""MESSAGE in pager mode (RFC 3428): what of it is taken, and the request that passes it on."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from email.utils import format_datetime
from random import Random

from sipcore.dialog.dialog import MAX_FORWARDS
from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.identifiers import Identifiers
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from values import dataclass

PLAIN = "text/plain"
IS_COMPOSING = "application/im-iscomposing+xml"
"""That somebody types (RFC 3994): of interest now or never."""
CONTENT_TYPES = (PLAIN, IS_COMPOSING)
"""What is passed on; none of it is looked into. Not message/cpim, which names a sender of its own (RFC 3862)."""
ACCEPT = ", ".join(CONTENT_TYPES)
MAX_DATAGRAM_BYTES = 1300
"""Of a whole request over UDP, which knows no congestion (section 8)."""
MAX_BYTES = 16 * 1024
"""Of the content, by whatever way."""


@dataclass(frozen=True, slots=True)
class PageMessage:
    """The content of a MESSAGE."""

    content_type: str
    """As it was written, with its parameters."""
    body: bytes = field(repr=False)
    expires_seconds: int | None = None
    """After so long it is of no use (section 4); None where the sender does not say."""

    @classmethod
    def of(cls, request: Request, *, datagram: bool) -> PageMessage:
        """Read a MESSAGE, which came as a `datagram` or over a stream. Raises PeerError(400, 413 or 415)."""
        if not request.body:
            raise PeerError("an empty MESSAGE")
        encoding = request.get("Content-Encoding") or "identity"
        if request.content_type not in CONTENT_TYPES or encoding.lower() != "identity":
            raise PeerError(f"a MESSAGE of type {request.content_type!s:.80}", status=415)
        if len(request.body) > MAX_BYTES or (datagram and len(request.to_bytes()) > MAX_DATAGRAM_BYTES):
            raise PeerError("too long for a MESSAGE", status=413)
        return cls(request.get("Content-Type") or PLAIN, request.body, request.expires)

    @property
    def text(self) -> str:
        """What people read; empty for what is no plain text."""
        kind = self.content_type.partition(";")[0].strip().lower()
        return self.body.decode("utf-8", "replace") if kind == PLAIN else ""

    @property
    def keeps(self) -> bool:
        """Whether it is still worth reading when the receiver comes back."""
        return IS_COMPOSING not in self.content_type.lower() and self.expires_seconds != 0

    def request(
        self,
        target: Uri,
        from_: NameAddress,
        to: NameAddress,
        random: Random,
        sent_at: datetime | None = None,
    ) -> Request:
        """A MESSAGE of ours, all but its Via. It has no Contact (section 4); `sent_at` (UTC) is told of old ones."""
        identifiers = Identifiers(random)
        headers = [
            ("Max-Forwards", str(MAX_FORWARDS)),
            ("From", str(from_.with_tag(identifiers.tag()))),
            ("To", str(to)),
            ("Call-ID", identifiers.call_id()),
            ("CSeq", f"{random.randrange(1, 2**16)} MESSAGE"),
            ("Content-Type", self.content_type),
        ]
        if sent_at is not None:
            headers.append(("Date", format_datetime(sent_at, usegmt=True)))
        return Request("MESSAGE", target, headers, self.body)
