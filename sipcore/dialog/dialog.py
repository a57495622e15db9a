"""Dialogs: what two user agents remember of each other (RFC 3261 section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request, Response, checked, print_fields
from sipcore.syntax.printed import read_fields
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow

MAX_FORWARDS = 70
DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


class OurEnd(NamedTuple):
    """Our end of every dialog that one request may begin (section 12.1.2)."""

    call_id: str
    tag: str
    address: NameAddress
    """Our name and URI; other parameters than the tag do not count."""
    written: str
    """From as the request has it."""
    cseq: int
    contact_scheme: str

    @classmethod
    def of(cls, request: Request) -> OurEnd:
        """Raises PeerError where the request lacks what it has to have."""
        first = request.first
        scheme = calling_scheme(request.uri, request.routes if "Route" in first else ())
        return cls(request.call_id, request.from_tag, request.from_, first["From"], request.cseq_number, scheme)


class Dialog:
    """One dialog, early or confirmed."""

    __slots__ = (
        "_fixed", "_remote", "_written", "address", "contact_scheme", "flow", "id", "local_cseq", "remote_cseq",
        "remote_target", "route_set",
    )  # fmt: skip

    id: DialogId
    """What in-dialog requests are matched by."""
    address: NameAddress
    """Our name and URI."""
    contact_scheme: str
    """Of our Contact: `sips` where the dialog is to be secure on every hop."""
    local_cseq: int
    _remote: NameAddress | None
    """The address of the peer; None where `_written` has it."""
    remote_cseq: int | None
    remote_target: Uri
    route_set: tuple[NameAddress, ...]
    flow: Flow
    _written: tuple[str, str] | None
    """From and To of our requests, where they are to be as they were before."""
    _fixed: tuple[Uri, str, str] | None
    """The target, and as long as that is the same: the Request-URI, and the header fields of all our requests."""

    @classmethod
    def of_client(cls, request: Request, response: Response, flow: Flow) -> Dialog:
        """The caller's side (section 12.1.2). Raises PeerError if the response names no target."""
        if (contact := response.sole_contact) is None:
            raise PeerError("a dialog needs one Contact")
        return cls.of_response(OurEnd.of(request), response, contact.uri, flow)

    @classmethod
    def of_response(cls, ours: OurEnd, response: Response, target: Uri, flow: Flow) -> Dialog:
        """The same for who knows what the request says about us, and the target."""
        first = response.first
        dialog = cls()
        call_id, local_tag, dialog.address, written, dialog.local_cseq, dialog.contact_scheme = ours
        dialog.id = call_id, local_tag, response.to_tag
        dialog.remote_target = target
        dialog.route_set = tuple(reversed(response.record_routes)) if "Record-Route" in first else ()
        dialog.flow = flow
        dialog.remote_cseq = dialog._fixed = dialog._remote = None
        dialog._written = written, first["To"]
        return dialog

    @classmethod
    def of_server(cls, request: Request, local_tag: str, flow: Flow) -> Dialog:
        """The called side (section 12.1.1). Raises PeerError if the request names no target."""
        contact = request.sole_contact
        if contact is None:
            raise PeerError("a dialog needs one Contact")
        dialog = cls()
        dialog.id = request.call_id, local_tag, request.from_tag
        dialog.address, dialog._remote = request.to, request.from_
        dialog.remote_target = before = contact.uri
        dialog.route_set = ()
        if "Record-Route" in request.first and (routes := request.record_routes):
            dialog.route_set = tuple(routes)
            before = routes[0].uri
        dialog.contact_scheme = "sips" if request.uri.scheme == "sips" or before.scheme == "sips" else "sip"
        dialog.flow = flow
        dialog.local_cseq, dialog.remote_cseq = 0, request.cseq_number
        dialog._written = dialog._fixed = None
        return dialog

    @property
    def call_id(self) -> str:
        """The first part of `id`."""
        return self.id[0]

    @property
    def local_tag(self) -> str:
        """The second."""
        return self.id[1]

    @property
    def remote_tag(self) -> str:
        """The third; empty where the peer has none (RFC 2543)."""
        return self.id[2]

    @property
    def remote(self) -> NameAddress:
        """The address of the peer."""
        return self._remote or NameAddress.parse(self._written[1] if self._written else "")

    @property
    def local(self) -> NameAddress:
        """Our address, with our tag."""
        return self.address.with_tag(self.id[1])

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
        _, uri, fields = self._fix()
        lines = read_fields(fields.split("\r\n")[:-1])
        return Request(method, uri, [*lines, ("CSeq", f"{cseq} {method}"), *headers], body)

    def printed(
        self,
        method: str,
        via: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        cseq: int | None = None,
    ) -> bytes:
        """The same with a Via, as it is sent. Raises UsageError, and counts nothing, where one of `headers` has a line
        break."""
        more = ""
        if headers:  # Content-Length may be another body's
            more = print_fields([header for header in headers if header[0] != "Content-Length"])
        if cseq is None:
            self.local_cseq = cseq = self.local_cseq + 1
        fixed = self._fixed
        if fixed is None or fixed[0] is not self.remote_target:
            fixed = self._fix()
        _, uri, fields = fixed
        head = (
            f"{method} {uri} SIP/2.0\r\nVia: {via}\r\n{fields}CSeq: {cseq} {method}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("utf-8", "surrogateescape") + body

    def _fix(self) -> tuple[Uri, str, str]:
        target, routes, route_lines = self.remote_target, self.route_set, ""
        uri = str(target)
        if routes:
            if not routes[0].uri.has_parameter("lr"):  # a strict router: it wants the Request-URI
                routes, uri = (*routes[1:], NameAddress(None, target)), str(routes[0].uri)
            route_lines = print_fields([("Route", str(route)) for route in routes])
        local, remote = self._written or (str(self.local), str(self.remote))
        call_id = self.id[0]
        checked(f"{uri}{local}{remote}{call_id}")
        fields = (
            f"Max-Forwards: {MAX_FORWARDS}\r\n{route_lines}From: {local}\r\nTo: {remote}\r\n"
            f"Call-ID: {call_id}\r\n"
        )
        self._fixed = fixed = target, uri, fields
        return fixed

    def admit(self, request: Request) -> None:
        """Check and note the CSeq of a request within the dialog (section 12.2.2). Raises PeerError(500)."""
        number = request.cseq_number
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
