"""Messages that are written as nearly all phones write them: read in one go.

Via comes first, then From, To, Call-ID and CSeq, with few other lines between them. All other lines are mostly the same
from one message of a phone to the next, so they are read once. Whatever is written in another way, or wrong, is left to
`sipcore.syntax.parser`, which reads these alike; a property test compares the two.
"""

from __future__ import annotations

import re

from sipcore.errors import PeerError
from sipcore.syntax.fields import is_odd, read_field
from sipcore.syntax.headers import CSeq, NameAddress, Via
from sipcore.syntax.message import Request, Response
from sipcore.syntax.remember import Recent, remembered

MAX_BYTES = 60_000
MAX_HEAD_BYTES = 8192
MAX_FIELDS = 90
MAX_ROUTES = 50
"""No limit of the parser is lower; what is above these is left to it."""
MAX_PARAMETERS = 4
"""Of From and To behind the brackets. Who has more fills no memory of ours but that of the parser."""
MAX_KEPT_CHARACTERS = 1024
MAX_KEPT_FIELDS = 20
"""Longer ends of a head are read anew each time. So all that are remembered take no more than some 12 MB, if strangers
fill the memory with what takes the most."""
_METHODS = frozenset(
    {"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "INFO", "UPDATE", "PRACK", "MESSAGE", "NOTIFY",
     "SUBSCRIBE", "PUBLISH", "REFER"}
)  # fmt: skip
_STATUSES = {str(status): status for status in range(100, 700)}
_APART = r"((?:(?:Contact|Max-Forwards|Date|Session-ID): [^\r]*+\r\n)*+)"
"""Lines that some phones have between those that vary."""
_TOP = re.compile(
    r"([^\r]*+)\r\nVia: (([^;]++(?:;rport)?);branch=([A-Za-z0-9.~-]++)([^\r]*+))\r\n"
    rf"{_APART}(?:From: ([^\r]*+)\r\nTo: ([^\r]*+)|To: ([^\r]*+)\r\nFrom: ([^\r]*+))\r\n"
    rf"{_APART}(?:Call-ID: ([!-~]++)\r\n{_APART}CSeq: ([0-9]{{1,9}} [A-Z]++)"
    r"|CSeq: ([0-9]{1,9} [A-Z]++)\r\nCall-ID: ([!-~]++))\r\n"
)
"""The lines that vary, in the orders that phones have them. Nothing is given back once it has been matched, so whatever
a stranger writes takes linear time."""
_NEW_EACH_TIME = [(f"\r\n{name}: ", name) for name in ("Authorization", "Date", "Session-ID")]
_VARYING = dict.fromkeys(("Via", "From", "To", "Call-ID", "CSeq"), "")

End = tuple[dict[str, str], int | None]
"""Names and values of all lines but those that vary, with room for those; Content-Length."""
_ENDS: Recent[str, End] = Recent(512)


def read(data: bytes, *, stream: bool) -> Request | Response | None:
    """A message that is written as usual; None for any other."""
    size = data.rfind(b"\r\n\r\n", 0, MAX_HEAD_BYTES)  # from where most end; one in front of it is an odd line
    if size < 0 or len(data) > MAX_BYTES:
        return None
    try:
        head = data[: size + 2].decode()
        found = _TOP.match(head)
        if found is None:
            return None
        start, via, sent_by, branch, more, above, from_, to, to_2, from_2, middle, call_id, low, cseq, cseq_2, id_2 = (
            found.groups()
        )
        rest = f"{above}{middle}{low or ''}{head[found.end() :]}"
        if from_ is None:
            from_, to = from_2, to_2
        if cseq is None:
            call_id, cseq = id_2, cseq_2
        known, length = _ENDS[rest] or _read_end(rest)
        first = known.copy()
        first["Via"], first["From"], first["To"], first["Call-ID"], first["CSeq"] = via, from_, to, call_id, cseq
        what, of = _read_start(start)
        top, number = Via.usual(sent_by, branch, more), _read_cseq(cseq)
        message: Request | Response
        if isinstance(what, str):
            if what != number.method:
                return None
            message = Request.__new__(Request)
            message.method, message.uri_text = what, of
        else:
            message = Response.__new__(Response)
            message.status, message.reason = what, of
            message.vias = [top]  # nobody asks for those of a request
        message.from_, message.to = _read_address(from_), _read_address(to)
        message.via, message.call_id, message.cseq = top, call_id, number
        message.first, message._head = first, head
        body = data[size + 4 :]
    except (LookupError, ValueError, PeerError):
        return None
    if length is None:
        if stream:
            return None
    elif length != len(body):
        if length > len(body):
            return None
        body = body[:length]
    message.body = body
    return message


@remembered(1024)
def _read_start(line: str) -> tuple[int | str, str]:
    """Status and reason, or method and Request-URI. Raises PeerError."""
    if line.isprintable() and line[-1] != " ":
        if line.startswith("SIP/2.0 "):
            status = _STATUSES.get(line[8:11])
            if status is not None and line[11] == " ":
                return status, line[12:]
        method, _, rest = line.partition(" ")
        uri, _, version = rest.partition(" ")
        if method in _METHODS and version == "SIP/2.0" and uri[0] != "<":
            return method, uri
    raise PeerError("no usual start line")


@remembered(2048)  # the messages of a dialog all have the same two
def _read_address(text: str) -> NameAddress:
    """From or To. Raises PeerError."""
    address = NameAddress.parse_usual(text)
    if address is None and text.count(";") <= MAX_PARAMETERS:
        address = NameAddress.parse(text)
    if address is None or is_odd(text):
        raise PeerError("no usual address")
    return address


@remembered(512)
def _read_cseq(text: str) -> CSeq:
    """Raises PeerError."""
    cseq = CSeq.parse_usual(text)
    if cseq is None:
        raise PeerError("no usual CSeq")
    return cseq


def _read_end(text: str) -> End:
    """The other lines. Credentials and the like, which vary too, are put in anew. Raises ValueError or PeerError."""
    lines = f"\r\n{text}"
    for begin, name in _NEW_EACH_TIME:
        above, found, below = lines.partition(begin)
        if found:
            value, more, below = below.partition("\r\n")
            below = more + below
            if is_odd(value) or begin in below:
                raise PeerError("no usual credentials")
            without = f"{above}{below}"[2:]
            first, known = _ENDS[without] or _read_end(without)
            if name in first:  # spelled in another way
                raise PeerError("a header field is there twice")
            return first | {name: value}, known
    fields = [*map(read_field, text.split("\n")[:-1])]
    first = _VARYING | dict(fields)
    if len(first) != len(_VARYING) + len(fields) or len(fields) > MAX_FIELDS:
        raise PeerError("a header field is there twice")
    if first.get("Route", "").count(",") > MAX_ROUTES or not _is_number(first.get("Max-Forwards", "70"), 10):
        raise PeerError("no usual Route or Max-Forwards")
    length = first.pop("Content-Length", None)
    if length is not None and not _is_number(length, 5):
        raise PeerError("no usual Content-Length")
    end = first, int(length) if length is not None else None
    if len(text) <= MAX_KEPT_CHARACTERS and len(fields) <= MAX_KEPT_FIELDS:
        _ENDS.keep(text, end)
    return end


def _is_number(text: str, digits: int) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= digits
