"""Messages that wait in a mailbox (RFC 3842)."""

from __future__ import annotations

import re

from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from values import dataclass

EVENT = "message-summary"
CONTENT_TYPE = "application/simple-message-summary"
_COUNTS = re.compile(
    r"(\d{1,9})/(\d{1,9})(?:\s*\((\d{1,9})/(\d{1,9})\))?", re.ASCII
)  # section 5.2: new/old (new urgent/old urgent)


@dataclass(frozen=True, slots=True)
class Messages:
    """How many voice messages there are, the urgent ones among them counted again."""

    new: int = 0
    old: int = 0
    new_urgent: int = 0
    old_urgent: int = 0


def print_messages(account: str, messages: Messages) -> Printed:
    """The summary for `account`, the URI of the mailbox."""
    waiting = "yes" if messages.new else "no"
    counts = f"{messages.new}/{messages.old} ({messages.new_urgent}/{messages.old_urgent})"
    text = f"Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {counts}\r\n"
    return Printed(Document(CONTENT_TYPE, text.encode()))


def read_messages(data: bytes) -> tuple[bool, Messages]:
    """Whether messages wait, and how many. Raises PeerError(400)."""
    lines = (line.partition(":") for line in data.decode("utf-8", "replace").splitlines())
    values = {name.strip().lower(): value.strip() for name, colon, value in lines if colon}
    waiting = values.get("messages-waiting", "").lower()
    counts = _COUNTS.fullmatch(values.get("voice-message", "0/0"))
    if waiting not in ("yes", "no") or counts is None:
        raise PeerError("no message summary")
    return waiting == "yes", Messages(*(int(count or 0) for count in counts.groups()))
