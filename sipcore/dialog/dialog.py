"""Dialogs: what two user agents remember of each other (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import HeaderList, Request, Response, checked, print_fields
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow

MAX_FORWARDS = 70
DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


class Dialog:
    """One dialog, early or confirmed."""

    __slots__ = (
        "_lines", "_text", "_written", "call_id", "contact_scheme", "flow", "id", "local", "local_cseq", "local_tag",
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
        self._lines: HeaderList | None = None
        """What all requests within the dialog have, where no router is strict."""
        self._text = ""
        """The same, printed."""

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
        target, lines, _ = self._fixed()
        return Request(method, target, [*lines, ("CSeq", f"{cseq} {method}"), *headers], body)

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
        target, lines, text = self._fixed()
        uri, number = checked(str(target)), f"{cseq} {method}"
        more = [header for header in headers if header[0] != "Content-Length"]  # which may be another body's
        head = (
            f"{method} {uri} SIP/2.0\r\nVia: {via}\r\n{text}CSeq: {number}\r\n"
            f"{print_fields(more) if more else ''}Content-Length: {len(body)}\r\n\r\n"
        )
        data = head.encode("utf-8", "surrogateescape") + body
        return Request.printed(method, uri, [("Via", via), *lines, ("CSeq", number), *more], body, data)

    def _fixed(self) -> tuple[Uri, HeaderList, str]:
        """What is the same from one request to the next: Request-URI and header fields, which are printed, too."""
        routes = self.route_set
        if routes and not routes[0].uri.has_parameter("lr"):  # a strict router: it wants the Request-URI
            lines = self._lines_by((*routes[1:], NameAddress(None, self.remote_target)))
            return routes[0].uri, lines, print_fields(lines)
        if self._lines is None:
            self._lines = self._lines_by(routes)
            self._text = print_fields(self._lines)
        return self.remote_target, self._lines, self._text

    def _lines_by(self, routes: Iterable[NameAddress]) -> HeaderList:
        local, remote = self._written or (str(self.local), str(self.remote))
        return [
            ("Max-Forwards", str(MAX_FORWARDS)),
            *[("Route", str(route)) for route in routes],
            ("From", local),
            ("To", remote),
            ("Call-ID", self.call_id),
        ]

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
