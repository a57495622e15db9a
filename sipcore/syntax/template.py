"""Requests that differ in little from one to the next: what stays the same is printed once."""

from __future__ import annotations

from sipcore.syntax.message import HeaderList, Request
from sipcore.syntax.printed import PrintedRequest
from sipcore.transport.flow import Flow


class Template:
    """Makes requests of one method, within one dialog and on one flow."""

    __slots__ = ("_line", "_method", "_text")

    def __init__(self, request: Request, flow: Flow) -> None:
        """A request without Via; its CSeq and body are not used."""
        self._method = request.method
        via = f"SIP/2.0/{flow.transport.value} {flow.local};branch="
        self._line = f"{request.method} {request.uri_text} SIP/2.0\r\nVia: {via}"
        lines = [header for header in request.headers if header[0] not in ("CSeq", "Content-Length")]
        fixed = "".join([f"\r\n{name}: {value}" for name, value in lines])
        self._text = f";rport{fixed}\r\nCSeq: "

    def fill(self, branch: str, cseq: int, more: HeaderList, body: bytes) -> Request:
        """One request. The values of `more` are printed as they are."""
        number = f"{cseq} {self._method}"
        varying = "".join([f"\r\n{name}: {value}" for name, value in more])
        head = f"{self._line}{branch}{self._text}{number}{varying}\r\nContent-Length: {len(body)}\r\n\r\n"
        return PrintedRequest(self._method, head.encode("utf-8", "surrogateescape") + body)
