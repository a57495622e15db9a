"""Requests and responses (RFC 3261 sections 7, 8.1.1 and 8.2.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from sipcore.errors import PeerError, UsageError
from sipcore.syntax.fields import read_field
from sipcore.syntax.headers import CSeq, NameAddress, Via, split_values
from sipcore.syntax.remember import kept
from sipcore.syntax.uri import Uri

Value = TypeVar("Value")
_parse_address = NameAddress.parse
HeaderList = list[tuple[str, str]]

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK", 202: "Accepted", 204: "No Notification",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 439: "First Hop Lacks Outbound Support",
    469: "Bad Info Package",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops",
    484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending", 493: "Undecipherable",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip
"""Reason phrases (RFC 3261 section 21 and the RFCs of later codes)."""


class _Value(kept[Value]):
    """The value of a header field that is there once."""

    def __init__(self, header: str, parse: Callable[[str], Value]) -> None:
        self._header, self._parse = header, parse

    def __get__(self, message: Any, kind: type | None = None) -> Value:
        if message is None:
            return self  # type: ignore[return-value]  # as with `kept`
        text = message.first.get(self._header)
        if text is None:
            raise PeerError(f"{self._header} is missing")
        value: Value = self._parse(text)
        message.__dict__[self._name] = value
        return value


class _Values(kept[list[Value]]):
    """All values of a header field, on one line or several; none where its text is `none`."""

    def __init__(self, header: str, parse: Callable[[str], Value], none: str | None = None) -> None:
        self._header, self._parse, self._none = header, parse, none

    def __get__(self, message: Any, kind: type | None = None) -> list[Value]:
        if message is None:
            return self  # type: ignore[return-value]
        first, parse = message.first, self._parse
        text = first.get(self._header)
        values: list[Value] = []
        if text is None or text == self._none:
            pass
        elif "," in text or not message.has_each_once():
            lines = message.get_all(self._header)
            values = [parse(value) for line in lines for value in split_values(line)]
        elif text := text.strip():  # nearly always
            values = [parse(text)]
        message.__dict__[self._name] = values
        return values


class Slots:
    """Where values lie that each message has, or each that has been read as usual (`UsualRequest`)."""

    __slots__ = (
        "_head", "_recipient", "_sender", "asks_for_rport", "body", "branch", "call_id", "cseq_method", "cseq_number",
        "first", "from_tag", "method", "reason", "sent_by", "sole_via", "status", "to_tag", "uri",
        "uri_text",
    )  # fmt: skip


class Message(Slots):
    """What requests and responses share: header fields in order, and a body.

    Names are canonical ("Call-ID"), values unfolded and stripped. Typed properties parse on first use, keep the
    result, and raise PeerError(400) where the value is missing or malformed.
    """

    body: bytes
    _bytes: bytes | None = None
    _head: str | None = None
    """That of a message which was read as usual, each line a header field of its own, until `headers` is asked for."""
    asks_for_rport: bool = False
    """Whether Via is known to be one value that has nothing but a branch and, behind that, an empty `rport`."""

    def __init__(self, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        self.headers = list(headers)
        self.body = body

    # -- header fields as text ------------------------------------------------------------------------

    def get(self, name: str) -> str | None:
        """The first value of a header field; None if it is absent."""
        return self.first.get(name)

    @kept
    def headers(self) -> HeaderList:
        """Names and values in order."""
        head, self._head = self._head or "", None
        names = [read_field(line)[0] for line in head.split("\n")[1:]]
        return [(name, self.first[name]) for name in names if name in self.first]

    def has_each_once(self) -> bool:
        """Whether no header field is repeated, as nearly always."""
        return self._head is not None or len(self.first) == len(self.headers)

    @kept
    def first(self) -> dict[str, str]:
        """Name -> its first value, of all header fields. To be looked into only."""
        return dict(reversed(self.headers))

    def get_all(self, name: str) -> list[str]:
        """All values of a header field, a line each."""
        first = self.first
        if name not in first:
            return []
        if self._head is not None or len(first) == len(self.headers):  # nearly always: nothing is repeated
            return [first[name]]
        return [value for key, value in self.headers if key == name]

    def has(self, name: str) -> bool:
        """Whether the header field is there."""
        return self.get(name) is not None

    def add(self, name: str, value: str) -> None:
        """Append a header field. Raises UsageError if the value could break out of its line."""
        self.headers.append((name, checked(value)))
        self._changed(name)
        if (first := self.__dict__.get("first")) is not None:
            first.setdefault(name, value)

    def prepend(self, name: str, value: str) -> None:
        """Put a header field in front of all others."""
        self.headers.insert(0, (name, checked(value)))
        self._changed(name)
        if (first := self.__dict__.get("first")) is not None:
            first[name] = value

    def set(self, name: str, value: str) -> None:
        """Replace a header field, in its place; append it if it is new."""
        before = self.first.get(name)
        if before is None:
            self.add(name, value)
            return
        self.headers[self.headers.index((name, before))] = name, checked(value)
        self._changed(name)
        self.first[name] = value

    def remove(self, name: str) -> None:
        """Take all header fields of this name away."""
        if name in self.first:
            self.headers = [header for header in self.headers if header[0] != name]
            del self.first[name]
            self._changed(name)

    def _changed(self, name: str) -> None:
        self._bytes = None
        for value in _VALUES.get(name, ()):
            self.__dict__.pop(value, None)

    def repeated(self) -> list[str]:
        """Names that occur more than once."""
        if self.has_each_once():
            return []
        first = self.first
        names = [name for name, _ in self.headers]
        return [name for name in first if names.count(name) > 1]

    def replace_via(self, via: str) -> None:
        """Put another topmost Via in the place of the one there is. Raises KeyError where there is none."""
        first = self.first
        before = first["Via"]
        if "," in before:
            via = ", ".join([via, *split_values(before)[1:]])
        if self._head is None:
            headers = self.headers
            headers[headers.index(("Via", before))] = "Via", via
        first["Via"] = via
        self._changed("Via")

    # -- header fields as values ----------------------------------------------------------------------

    vias = _Values("Via", Via.parse)
    """All Via values, topmost first."""
    from_ = _Value("From", NameAddress.parse)
    to = _Value("To", NameAddress.parse)
    call_id = _Value("Call-ID", str)
    cseq = _Value("CSeq", CSeq.parse)
    contacts = _Values("Contact", NameAddress.parse, none="*")
    """Contact values; empty for `*`."""
    routes = _Values("Route", NameAddress.parse)
    """Route values, the next hop first."""
    record_routes = _Values("Record-Route", NameAddress.parse)
    """Record-Route values in the order of the message."""
    paths = _Values("Path", NameAddress.parse)
    """Path values (RFC 3327)."""
    require = _Values("Require", str.lower)
    """Option tags of Require, lower case."""
    supported = _Values("Supported", str.lower)
    """Option tags of Supported, lower case."""

    @kept
    def via(self) -> Via:
        """The topmost Via."""
        if not self.vias:
            raise PeerError("Via is missing")
        return self.vias[0]

    # -- what each layer looks at ---------------------------------------------------------------------

    @kept
    def branch(self) -> str:
        """That of the topmost Via; empty for RFC 2543 clients without one."""
        return self.via.branch

    @kept
    def sent_by(self) -> tuple[str, int | None]:
        """Host and port of the topmost Via."""
        via = self.via
        return via.host, via.port

    @kept
    def sole_via(self) -> bool:
        """Whether there is one Via value and no more."""
        return len(self.vias) == 1

    @kept
    def from_tag(self) -> str:
        """The tag of From; empty where it has none (RFC 2543)."""
        return self.from_.tag or ""

    @kept
    def to_tag(self) -> str:
        """The tag of To; empty where it has none."""
        return self.to.tag or ""

    @kept
    def cseq_number(self) -> int:
        """The sequence number of CSeq."""
        return self.cseq.number

    @kept
    def cseq_method(self) -> str:
        """The method of CSeq."""
        return self.cseq.method

    # -- other values -----------------------------------------------------------------------------------

    def supports(self, option: str) -> bool:
        """Whether Supported names an option tag, which is given in lower case."""
        first = self.first
        text = first.get("Supported")
        if text is None or (option not in text.lower() and (self._head is not None or self.has_each_once())):
            return False  # without a look at each tag
        return option in self.supported

    @property
    def sole_contact(self) -> NameAddress | None:
        """The Contact where there is exactly one; None where there is none, or more."""
        first = self.first
        text = first.get("Contact")
        if text and "," not in text and text != "*" and (self._head is not None or self.has_each_once()):
            return _parse_address(text)  # nearly always
        contacts = self.contacts
        return contacts[0] if len(contacts) == 1 else None

    @property
    def contact_star(self) -> bool:
        """Whether this is `Contact: *`."""
        return self.get("Contact") == "*"

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards; None if it is absent."""
        return self._number("Max-Forwards")

    @property
    def expires(self) -> int | None:
        """Expires in seconds; None if it is absent."""
        return self._number("Expires")

    @property
    def content_type(self) -> str | None:
        """Media type without parameters, lower case; None if it is absent."""
        value = self.get("Content-Type")
        return None if value is None else value.partition(";")[0].strip().lower()

    @property
    def user_agent(self) -> str:
        """User-Agent; empty if it is absent."""
        return self.get("User-Agent") or ""

    def _number(self, name: str) -> int | None:
        text = self.get(name)
        if text is None:
            return None
        if not (text.isdecimal() and text.isascii() and len(text) <= 10):
            raise PeerError(f"{name} is no number: {text[:40]!r}")
        return min(int(text), 2**32 - 1)

    # -- printing -------------------------------------------------------------------------------------

    def _start_line(self) -> str:
        raise UsageError("a message is a request or a response")

    def to_bytes(self) -> bytes:
        """The message as it is sent, with Content-Length; kept until it is changed. Raises UsageError where a value
        would break out of its line."""
        if self._bytes is None:
            text = _join([self._start_line(), *map(": ".join, self.headers), ""])
            if "\r\nContent-Length: " in text:  # which may be another body's
                self.remove("Content-Length")
                return self.to_bytes()
            text += f"Content-Length: {len(self.body)}\r\n\r\n"
            self._bytes = text.encode("utf-8", "surrogateescape") + self.body
        return self._bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())


_VALUES = {
    "Via": ("vias", "via", "branch", "sent_by", "sole_via"), "From": ("from_", "from_tag"), "To": ("to", "to_tag"),
    "Call-ID": ("call_id",), "CSeq": ("cseq", "cseq_number", "cseq_method"),
    "Contact": ("contacts",), "Route": ("routes",), "Record-Route": ("record_routes",), "Path": ("paths",),
    "Require": ("require",), "Supported": ("supported",),
}  # fmt: skip
"""Header field -> the typed properties that are kept of it."""

_BARE_NULL = re.compile(r"(?<!\\)\0")
"""Escaped in a quoted string it is allowed (section 25.1)."""


def checked(value: str) -> str:
    """The value, or a whole line, if it cannot break out of its line. Raises UsageError."""
    if "\r" in value or "\n" in value or ("\0" in value and _BARE_NULL.search(value)):
        raise UsageError(f"a header value with a line break: {value[:80]!r}")
    return value


def _join(lines: list[str]) -> str:
    """Lines of a message, the last of them empty. Raises UsageError where one has a break of its own."""
    text = "\r\n".join(lines)
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines) or "\0" in text:
        for line in lines:
            checked(line)
    return text


class Request(Message):
    """A request. `uri` is parsed on first use."""

    method: str
    uri_text: str
    """The Request-URI as it was received."""

    def __init__(
        self, method: str, uri: Uri | str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        self.headers = list(headers)
        self.body = body
        self.method = method
        self.uri_text = checked(str(uri))
        if isinstance(uri, Uri):
            self.uri = uri

    @kept
    def uri(self) -> Uri:
        """The Request-URI. Raises PeerError(400 or 416)."""
        return Uri.parse(self.uri_text)

    def _start_line(self) -> str:
        return f"{self.method} {self.uri_text} SIP/2.0"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text}>"


class Response(Message):
    """A response."""

    status: int
    reason: str

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        self.headers = list(headers)
        self.body = body
        self.status = status
        self.reason = REASONS.get(status, "") if reason is None else checked(reason)

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response by RFC 3261 section 8.2.6: Via, From, To (with our tag), Call-ID and CSeq of the request."""
    first = request.first
    if request.has_each_once() and "Via" in first:  # nearly always
        copied = [("Via", first["Via"])]
    else:
        copied = [("Via", via) for via in request.get_all("Via")]
    to = first.get("To", "")
    if to_tag and to and status != 100 and not has_tag(request, to):
        to = f"{to};tag={to_tag}"
    try:
        copied += [
            ("From", first["From"]),
            ("To", to or first["To"]),
            ("Call-ID", first["Call-ID"]),
            ("CSeq", first["CSeq"]),
        ]
    except KeyError:  # a 400 says so
        copied += [(name, first[name]) for name in ("From", "Call-ID", "CSeq") if name in first]
        copied += [("To", to)] if to else []
    copied += headers
    return Response(status, reason, copied, body)


def print_response(
    request: Request, status: int, via: str, to_tag: str, headers: Iterable[tuple[str, str]]
) -> bytes:
    """`response_to` with `via` in the place of the topmost line, as it is sent; `headers` are printed as they are.

    An empty `to_tag` is none.
    """
    first = request.first
    to = first.get("To", "")
    more = "\r\n".join([*map(": ".join, headers), ""]) if headers else ""
    if to and (request._head is not None or request.has_each_once()):  # there is no second line of Via
        try:
            return (
                f"SIP/2.0 {status} {REASONS.get(status, '')}\r\nVia: {via}\r\nFrom: {first['From']}\r\n"
                f"To: {to if not to_tag or has_tag(request, to) else f'{to};tag={to_tag}'}\r\n"
                f"Call-ID: {first['Call-ID']}\r\nCSeq: {first['CSeq']}\r\n{more}Content-Length: 0\r\n\r\n"
            ).encode("utf-8", "surrogateescape")
        except KeyError:  # a 400 says so
            pass
    response = response_to(request, status, to_tag=to_tag, headers=headers)
    response.set("Via", via)
    return response.to_bytes()


_new = tuple.__new__


class Printed(NamedTuple):
    """A response of which nothing more is to be known than what is sent."""

    status: int
    data: bytes

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return self.data


def print_answer(
    status: int, reason: str | None, copied: str, fields: str = "", body: bytes = b""
) -> Printed:
    """A response of what it copies from its request (`print_copied`), and of `fields` (`print_fields`)."""
    head = (
        f"SIP/2.0 {status} {REASONS.get(status, '') if reason is None else checked(reason)}\r\n"
        f"{copied}{fields}Content-Length: {len(body)}\r\n\r\n"
    )
    return _new(Printed, (status, head.encode("utf-8", "surrogateescape") + body))


def print_copied(request: Request, to_tag: str) -> str:
    """What all responses above 100 copy from a request that has all it needs (RFC 3261 section 8.2.6)."""
    first = request.first
    to = first["To"]
    vias = first["Via"] if request.has_each_once() else "\r\nVia: ".join(request.get_all("Via"))
    if not has_tag(request, to):
        to = f"{to};tag={to_tag}"
    return (
        f"Via: {vias}\r\nFrom: {first['From']}\r\nTo: {to}\r\n"
        f"Call-ID: {first['Call-ID']}\r\nCSeq: {first['CSeq']}\r\n"
    )


def print_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Header fields, each with its line break. Raises UsageError where a value would break out of its line."""
    return _join([*map(": ".join, fields), ""])


def has_tag(message: Message, to: str) -> bool:
    """Whether To has a tag; a guess where it cannot be read, as a 400 says so with To in it."""
    if "tag" not in to.lower():
        return False
    try:
        return message.to.tag is not None
    except PeerError:
        return ";tag=" in to.lower()


def ack_for(request: Request, response: Response) -> Request:
    """The ACK for a final response >= 300 (RFC 3261 section 17.1.1.3)."""
    return _of_transaction(request, "ACK", response.get("To") or "")


def cancel_for(request: Request, headers: Iterable[tuple[str, str]] = ()) -> Request:
    """The CANCEL for an INVITE (RFC 3261 section 9.1)."""
    cancel = _of_transaction(request, "CANCEL", request.get("To") or "")
    for name, value in headers:
        cancel.add(name, value)
    return cancel


def _of_transaction(request: Request, method: str, to: str) -> Request:
    headers = [("Via", request.get("Via") or ""), ("Max-Forwards", "70")]
    headers += [("Route", value) for value in request.get_all("Route")]
    headers += [
        ("From", request.get("From") or ""),
        ("To", to),
        ("Call-ID", request.call_id),
        ("CSeq", f"{request.cseq.number} {method}"),
    ]
    return Request(method, request.uri_text, headers)
