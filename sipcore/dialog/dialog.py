"""Dialogs: what two user agents remember of each other (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import HeaderList, Request, Response, checked, print_fields
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow

MAX_FORWARDS = 70
DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


class _Fixed(NamedTuple):
    """What is the same from one request within a dialog to the next, as long as the peer's target is."""

    target: Uri
    uri: str
    """Request-URI."""
    lines: HeaderList
    text: str
    """They, printed."""


class Dialog:
    """One dialog, early or confirmed."""

    __slots__ = (
        "_fixed", "_written", "call_id", "contact_scheme", "flow", "id", "local", "local_cseq", "local_tag",
        "remote", "remote_cseq", "remote_tag", "remote_target", "route_set",
    )  # fmt: skip

    def __init__(
        self,
        call_id: str,
        local: NameAddress,
        remote: NameAddress,
        remote_target: Uri,
        route_set: Iterable[NameAddress],
        flow: Flow,
        *,
        local_cseq: int = 0,
        remote_cseq: int | None = None,
        contact_scheme: str = "sip",
        written: tuple[str, str] | None = None,
    ) -> None:
        """`written` are `local` and `remote` as they were written before, if they are to be written so again."""
        self.call_id = call_id
        self.contact_scheme = contact_scheme
        """Of our Contact: `sips` where the dialog is to be secure on every hop."""
        self.local = local
        self.remote = remote
        self.local_tag = local.tag or ""
        self.remote_tag = remote.tag or ""
        self.id: DialogId = call_id, self.local_tag, self.remote_tag
        """What in-dialog requests are matched by."""
        self.remote_target = remote_target
        self.route_set = tuple(route_set)
        self.flow = flow
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self._written = written
        self._fixed: _Fixed | None = None

    @classmethod
    def of_client(cls, request: Request, response: Response, flow: Flow) -> Dialog:
        """The caller's side (section 12.1.2). Raises PeerError if the response names no target."""
        return cls(
            request.call_id,
            request.from_,
            response.to,
            _target(response),
            reversed(response.record_routes) if "Record-Route" in response.first else (),
            flow,
            local_cseq=request.cseq.number,
            contact_scheme=calling_scheme(request.uri, request.routes if "Route" in request.first else ()),
            written=(request.first["From"], response.first["To"]),
        )

    @classmethod
    def of_server(cls, request: Request, local_tag: str, flow: Flow) -> Dialog:
        """The called side (section 12.1.1). Raises PeerError if the request names no target."""
        return cls(
            request.call_id,
            request.to.with_tag(local_tag),
            request.from_,
            _target(request),
            request.record_routes if "Record-Route" in request.first else (),
            flow,
            remote_cseq=request.cseq.number,
            contact_scheme=_called_scheme(request),
        )

    def request(
        self,
        method: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        cseq: int | None = None,
    ) -> Request:
        """A request within the dialog, without Via (section 12.2.1.1). `cseq` is given for an ACK only."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        fixed = self._fix()
        return Request(method, fixed.uri, [*fixed.lines, ("CSeq", f"{cseq} {method}"), *headers], body)

    def printed(
        self,
        method: str,
        via: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        cseq: int | None = None,
    ) -> Request:
        """The same with a Via, as it is sent. Raises UsageError where one of `headers` has a line break."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        if headers:
            headers = [header for header in headers if header[0] != "Content-Length"]  # which may be another body's
        _, uri, lines, text = self._fix()
        number = f"{cseq} {method}"
        head = (
            f"{method} {uri} SIP/2.0\r\nVia: {via}\r\n{text}CSeq: {number}\r\n"
            f"{print_fields(headers) if headers else ''}Content-Length: {len(body)}\r\n\r\n"
        )
        data = head.encode("utf-8", "surrogateescape") + body
        return Request.printed(method, uri, [("Via", via), *lines, ("CSeq", number), *headers], body, data)

    def _fix(self) -> _Fixed:
        fixed, target = self._fixed, self.remote_target
        if fixed is not None and fixed.target is target:
            return fixed
        routes, uri = self.route_set, target
        if routes and not routes[0].uri.has_parameter("lr"):  # a strict router: it wants the Request-URI
            routes, uri = (*routes[1:], NameAddress(None, target)), routes[0].uri
        local, remote = self._written or (str(self.local), str(self.remote))
        lines = [
            ("Max-Forwards", str(MAX_FORWARDS)),
            *[("Route", str(route)) for route in routes],
            ("From", local),
            ("To", remote),
            ("Call-ID", self.call_id),
        ]
        self._fixed = fixed = _Fixed(target, checked(str(uri)), lines, print_fields(lines))
        return fixed

    def admit(self, request: Request) -> None:
        """Check and note the CSeq of a request within the dialog (section 12.2.2). Raises PeerError(500)."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            raise PeerError(f"CSeq {number} after {self.remote_cseq}", status=500)
        self.remote_cseq = number

    def refresh_target(self, message: Request | Response) -> None:
        """A target refresh request or its response may move the remote target (section 12.2)."""
        if "Contact" in message.first and message.contacts:
            self.remote_target = message.contacts[0].uri


def calling_scheme(uri: Uri, routes: Sequence[NameAddress]) -> str:
    """Of the Contact in a request that begins a dialog (section 8.1.1.8)."""
    return "sips" if "sips" in (uri.scheme, routes[0].uri.scheme if routes else "") else "sip"


def _called_scheme(request: Request) -> str:
    """Of the Contact in the response to it (section 12.1.1)."""
    routes = request.record_routes if "Record-Route" in request.first else ()
    before = (routes or request.contacts)[0].uri
    return "sips" if "sips" in (request.uri.scheme, before.scheme) else "sip"


def _target(message: Request | Response) -> Uri:
    contacts = message.contacts
    if len(contacts) != 1:
        raise PeerError("a dialog needs one Contact")
    return contacts[0].uri
