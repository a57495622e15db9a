"""Requests that differ in little from one to the next: what stays the same is printed once."""

from __future__ import annotations

from sipcore.syntax.message import HeaderList, Request
from sipcore.transport.flow import Flow


class Template:
    """Makes requests of one method, within one dialog and on one flow."""

    __slots__ = ("_fixed", "_line", "_method", "_text", "_uri", "_via")

    def __init__(self, request: Request, flow: Flow) -> None:
        """A request without Via; its CSeq and body are not used."""
        self._method = request.method
        self._uri = request.uri_text
        self._via = f"SIP/2.0/{flow.transport.value} {flow.local};branch="
        self._line = f"{request.method} {request.uri_text} SIP/2.0\r\nVia: {self._via}"
        self._fixed = [header for header in request.headers if header[0] not in ("CSeq", "Content-Length")]
        fixed = "".join([f"\r\n{name}: {value}" for name, value in self._fixed])
        self._text = f";rport{fixed}\r\nCSeq: "

    def fill(self, branch: str, cseq: int, more: HeaderList, body: bytes) -> Request:
        """One request. The values of `more` are printed as they are."""
        number = f"{cseq} {self._method}"
        varying = "".join([f"\r\n{name}: {value}" for name, value in more])
        head = f"{self._line}{branch}{self._text}{number}{varying}\r\nContent-Length: {len(body)}\r\n\r\n"
        headers = [("Via", f"{self._via}{branch};rport"), *self._fixed, ("CSeq", number), *more]
        return Request.printed(
            self._method, self._uri, headers, body, head.encode("utf-8", "surrogateescape") + body
        )
