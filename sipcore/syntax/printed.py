"""Requests of ours that are printed in one go: nearly always nobody asks for more of them than what is sent."""

from __future__ import annotations

from sipcore.syntax.message import HeaderList, Request
from sipcore.syntax.remember import kept


class PrintedRequest(Request):
    """A request that has been printed; everything else is read from that when somebody asks for it."""

    def __init__(self, method: str, data: bytes) -> None:
        """`data` ends its head with Content-Length."""
        self.method = method
        self._bytes = self._data = data

    @kept
    def uri_text(self) -> str:
        """The Request-URI."""
        return self._lines()[0].split(" ", 2)[1]

    @kept
    def headers(self) -> HeaderList:
        """All header fields but Content-Length, in order."""
        return read_fields(self._lines()[1:-1])

    @kept
    def body(self) -> bytes:
        """The body."""
        return self._data.partition(b"\r\n\r\n")[2]

    def _lines(self) -> list[str]:
        return self._data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape").split("\r\n")


def read_fields(lines: list[str]) -> HeaderList:
    """Names and values of lines that we have printed."""
    return [(name, value) for name, _, value in [line.partition(": ") for line in lines]]
