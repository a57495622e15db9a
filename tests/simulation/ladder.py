"""The message ladder: what passed over the simulated network, drawn like the figures in the RFCs.

1000.000  phone-100   >---------- INVITE sip:101@pbx ---------->  pbx
1000.001  phone-100   <---------- 100 Trying -------------------<  pbx
1000.004  pbx         >--X lost   INVITE sip:101@10.0.0.101 ---->  phone-101
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MAXIMUM_LINES = 2000
"""Older lines are forgotten: a ladder is read from its end."""

WIDTH = 44


class Rung(NamedTuple):
    """One message on its way."""

    at: float
    """Seconds, virtual."""
    sender: str
    receiver: str
    data: bytes
    fate: str
    """Empty if the network did nothing to it; otherwise "lost", "twice", "late", "refused" ..."""

    @property
    def label(self) -> str:
        """What is drawn of it, and worked out only then."""
        return label_of(self.data) or f"{len(self.data)} bytes"


class Ladder:
    """A bounded record of the messages on the network. `str()` draws it."""

    def __init__(self, *, media: bool = False) -> None:
        """`media` true records RTP and RTCP packets too."""
        self.media = media
        self.rungs: deque[Rung] = deque(maxlen=MAXIMUM_LINES)
        self.names: dict[str, str] = {}
        """Host address -> the name to draw, for example "phone-100"."""
        self.forgotten = 0

    def record(self, at: float, sender: str, receiver: str, data: bytes, fate: str = "") -> None:
        """Note one datagram or one write to a stream. Bytes that are no SIP text count as media."""
        if not self.media and is_media(data):
            return
        self.forgotten += len(self.rungs) == MAXIMUM_LINES
        self.rungs.append(Rung(at, sender, receiver, bytes(data), fate))

    def __str__(self) -> str:
        lines = [self._draw(rung) for rung in self.rungs]
        if self.forgotten:
            lines.insert(0, f"({self.forgotten} earlier messages not kept)")
        return "\n".join(lines)

    def _draw(self, rung: Rung) -> str:
        sender = self.names.get(rung.sender, rung.sender)
        receiver = self.names.get(rung.receiver, rung.receiver)
        middle = f" {rung.fate}: {rung.label} " if rung.fate else f" {rung.label} "
        head = "X" if rung.fate in ("lost", "refused", "filtered") else ">"
        return f"{rung.at:10.3f}  {sender:<14} {middle:-^{WIDTH}}{head}  {receiver}"


def is_media(data: bytes) -> bool:
    """Whether it is no SIP: RTP and RTCP have version 2 in the top bits (RFC 3550 section 5.1)."""
    return not data or data[0] >= 0x80


def label_of(data: bytes) -> str | None:
    """The start line, and what tells messages apart: CSeq for responses. None for bytes that are not SIP."""
    if is_media(data):
        return None
    head, _, rest = data.partition(b"\r\n")
    line = head.decode("utf-8", "backslashreplace")
    if line.startswith("SIP/2.0 "):
        return line[len("SIP/2.0 ") :] + cseq_of(rest)
    if line.endswith(" SIP/2.0"):
        return line[: -len(" SIP/2.0")]
    return f"{len(data)} bytes" if line else "keep-alive"


def cseq_of(headers: bytes) -> str:
    """` (2 INVITE)` from the header section, or nothing."""
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"cseq":
            return f" ({value.strip().decode('utf-8', 'backslashreplace')})"
    return ""
