"""Digits in SIP INFO: application/dtmf-relay and application/dtmf, as phones write them (no RFC defines either)."""

from __future__ import annotations

import re

from sipcore.syntax.message import Request
from values import dataclass

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
INFO_REMEDIES = {415: (("Accept", f"{RELAY}, {PLAIN}"),), 469: (("Recv-Info", ""),)}
"""What the answer to an INFO says that we take (RFC 3261 section 21.4.13, RFC 6086 section 4.2.2)."""
MAX_BODY_BYTES = 200
USUAL_MS = 100
"""Where no duration is written."""
LONGEST_MS = 5000

_SIGNALS = {signal: signal for signal in "0123456789*#ABCD"} | dict(
    zip(("10", "11", "12", "13", "14", "15"), "*#ABCD", strict=True)
)
"""Characters, or the numbers that RFC 4733 gives the same events (section 3.2)."""
_LINE = re.compile(r"[ \t]*([A-Za-z]+)[ \t]*=[ \t]*([^ \t]*)[ \t]*")
_NUMBER = re.compile(r"[0-9]{1,6}")


class BadInfo(Exception):
    """The INFO cannot be taken: `status` is the answer to it."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class InfoDigit:
    """A digit (0-9 * # A-D), and how long its key has been pressed."""

    digit: str
    milliseconds: int = USUAL_MS


def read_info(request: Request) -> InfoDigit | None:
    """The digit in an INFO; None if it has no body (RFC 2976 section 2.2). Raises BadInfo with 400, 415 or 469."""
    body = request.body
    if request.has("Info-Package"):
        raise BadInfo(469, "we take no Info Packages (RFC 6086 section 4.2.2)")
    if not body:
        return None
    kind, encoding = request.content_type, request.get("Content-Encoding") or "identity"
    if kind not in (RELAY, PLAIN) or encoding.lower() != "identity":
        raise BadInfo(415, f"a body of type {kind}, encoding {encoding}")
    if len(body) > MAX_BODY_BYTES or not body.isascii():
        raise BadInfo(400, "no digit is written like that")
    text = body.decode("ascii")
    return _relayed(text) if kind == RELAY else InfoDigit(_signal(text.strip()))


def _relayed(text: str) -> InfoDigit:
    """`Signal` and, if the phone likes, `Duration`, a line each; other lines mean nothing to us."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise BadInfo(400, f"not a line of {RELAY}: {line!r}")
        name = match[1].lower()
        if name in fields:
            raise BadInfo(400, f"{name} is written twice")
        fields[name] = match[2]
    digit = _signal(fields.get("signal", ""))
    duration = fields.get("duration", str(USUAL_MS))
    if not _NUMBER.fullmatch(duration):
        raise BadInfo(400, f"no duration: {duration!r}")
    return InfoDigit(digit, min(int(duration), LONGEST_MS))


def _signal(text: str) -> str:
    digit = _SIGNALS.get(text.upper())
    if digit is None:
        raise BadInfo(400, f"no digit: {text!r}")
    return digit
