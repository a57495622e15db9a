"""Messages that are written as nearly all phones write them: read in one go.

Via comes first, then From, To, Call-ID and CSeq, with few other lines between them. All other lines are mostly the same
from one message of a phone to the next, so they are read once. Whatever is written in another way, or wrong, is left to
`sipcore.syntax.parser`, which reads these alike; a property test compares the two.
"""

from __future__ import annotations

import re

from sipcore.errors import PeerError
from sipcore.syntax.fields import is_odd, read_field
from sipcore.syntax.headers import NameAddress, usual_brackets, usual_via
from sipcore.syntax.message import Request, Response
from sipcore.syntax.remember import Recent, memory, remembered
from sipcore.syntax.uri import Uri
from sipcore.syntax.usual_message import UsualRequest, UsualResponse

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
_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"
_APART = r"(?:(?:Contact|Max-Forwards|Date|Session-ID): [^\r]*+\r\n)*+"
"""Lines that some phones have between those that vary."""
_BEGIN = (
    r"(?P<start>[^\r]*+)\r\n"
    r"Via: (?P<via>(?P<sent_by>[^;]++(?:;rport)?);branch=(?P<branch>[A-Za-z0-9.~-]++)(?P<more>[^\r]*+))\r\n"
    rf"(?P<above>{_APART})"
)
_FROM, _TO = [
    rf"{header}: (?P<{name}>"
    rf"(?>(?P<{name}_named>[^\r<]*+<[^>]*+>)(?:;tag=(?P<{name}_tag>{_TOKEN}))?(?=\r)|[^\r]*+))\r\n"
    for header, name in (("From", "sender"), ("To", "recipient"))
]
_CALL_ID = r"Call-ID: (?P<call_id>[!-~]++)\r\n"
_CSEQ = r"CSeq: (?P<cseq>(?P<number>[0-9]{1,9}) (?P<method>[A-Z]++))\r\n"
_MIDDLE, _LOW, _END = rf"(?P<middle>{_APART})", rf"(?P<low>{_APART})", r"(?P<below>(?s:.++))"
_TOP, *_OTHER_TOPS = [
    re.compile("".join([_BEGIN, *addresses, _MIDDLE, *numbers, _END]))
    for numbers in ((_CALL_ID, _LOW, _CSEQ), (_CSEQ, _LOW, _CALL_ID))
    for addresses in ((_FROM, _TO), (_TO, _FROM))
]
"""The lines that vary, in the orders that phones have them; the first is that of nearly all. Nothing is given back once
it has been matched, so whatever a stranger writes takes linear time."""
_GROUPS = tuple(_TOP.groupindex)
_NEW_EACH_TIME = [(f"\r\n{name}: ", name) for name in ("Authorization", "Date", "Session-ID")]
_VARYING = dict.fromkeys(("Via", "From", "To", "Call-ID", "CSeq"), "")

End = tuple[dict[str, str], int | None]
"""Names and values of all lines but those that vary, with room for those; Content-Length."""
_ENDS: Recent[str, End] = Recent(512)


def read(data: bytes, stream: bool) -> Request | Response | None:
    """A message that is written as usual; None for any other."""
    if len(data) > MAX_BYTES:
        return None
    top, end, body = data.partition(b"\r\n\r\n")
    if len(top) > MAX_HEAD_BYTES or not end:
        return None
    try:
        head = top.decode()
        found = _TOP.match(head)
        (
            start, via, sent_by, branch, more, above, from_, sender, from_tag, to, recipient, to_tag, middle, call_id,
            low, cseq, number, method, below,
        ) = _in_another_order(head) if found is None else found.groups("")  # fmt: skip
        known, length = _ENDS[rest := f"{above}{middle}{low}{below}"] or _read_end(rest)
        first = known | {"Via": via, "From": from_, "To": to, "Call-ID": call_id, "CSeq": cseq}
        place, asks_for_rport = usual_via[f"{sent_by};branch={more}"]
        caller, called = usual_brackets[sender], usual_brackets[recipient]
        asked, status, of, uri = _start[start]
        message: UsualRequest | UsualResponse
        if uri is not None:
            if asked != method:
                return None
            message = request = UsualRequest()
            request.method, request.uri_text, request.uri = asked, of, uri
            request.first, request.body, request._head = first, body, head
            request.branch, request.sent_by, request.asks_for_rport = branch, place, asks_for_rport
            request.call_id, request.cseq_number = call_id, int(number)
            request._sender, request.from_tag = caller, from_tag
            request._recipient, request.to_tag = called, to_tag
        else:
            message = response = UsualResponse()
            response.status, response.reason = status, of
            response.first, response.body, response._head = first, body, head
            response.branch, response.sole_via = branch, True
            response.call_id, response.cseq_number, response.cseq_method = call_id, int(number), method
            response._recipient, response.to_tag = called, to_tag
        if caller is None or called is None:
            _read_addresses(message)
    except (LookupError, ValueError, PeerError):
        return None
    if length is None:
        if stream:
            return None
    elif length != len(body):
        if length > len(body):
            return None
        message.body = body[:length]
    return message


def _in_another_order(head: str) -> tuple[str, ...]:
    """What `_TOP` finds. Raises PeerError."""
    for pattern in _OTHER_TOPS:
        found = pattern.match(head)
        if found is not None:
            return tuple([found[name] or "" for name in _GROUPS])
    raise PeerError("no usual message")


@memory(1024)
def _start(line: str) -> tuple[str, int, str, Uri | None]:
    """Method, 0, Request-URI as it is written, and parsed; or none, status, reason and None. Raises PeerError."""
    if line.isprintable() and line[-1] != " ":
        if line.startswith("SIP/2.0 "):
            status = _STATUSES.get(line[8:11])
            if status is not None and line[11] == " ":
                return "", status, line[12:], None
        method, _, rest = line.partition(" ")
        uri, _, version = rest.partition(" ")
        if method in _METHODS and version == "SIP/2.0" and uri[0] != "<":
            return method, 0, uri, Uri.parse(uri)
    raise PeerError("no usual start line")


def _read_addresses(message: UsualRequest | UsualResponse) -> None:
    """From and To, where one of them has no brackets or more than a tag behind them. Raises PeerError."""
    first = message.first
    message.from_, message.to = from_, to = _read_address(first["From"]), _read_address(first["To"])
    message.from_tag, message.to_tag = from_.tag or "", to.tag or ""


@remembered(2048)
def _read_address(text: str) -> NameAddress:
    """Raises PeerError."""
    if text.count(";") > MAX_PARAMETERS or is_odd(text):
        raise PeerError("no usual address")
    return NameAddress.parse(text)


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
    fields = [*map(read_field, text.split("\n"))]
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
