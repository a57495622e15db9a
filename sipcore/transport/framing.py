"""Cutting a byte stream into messages (RFC 3261 section 18.3) and keep-alives (RFC 5626 section 4.4.1)."""

from __future__ import annotations

import re

from sipcore.errors import ParseError

MAX_HEADER_BYTES = 32768
MAX_MESSAGE_BYTES = 65535
PING = b"\r\n\r\n"
PONG = b"\r\n"

_LENGTH = re.compile(
    rb"(?:^|\n)(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?(?:\n|$)", re.IGNORECASE
)


class StreamFramer:
    """Takes bytes as they come, gives whole messages. A ping is given as an empty message."""

    __slots__ = ("_buffer", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now. Raises ParseError when the stream cannot be cut any further.

        What is whole before the fault comes first; the next call raises then, with whatever data.
        """
        self._buffer += data
        messages: list[bytes] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except ParseError:
            if not messages:
                raise
        return messages

    def _next(self) -> bytes | None:
        buffer = self._buffer
        while buffer.startswith((b"\r", b"\n")):
            if buffer.startswith(PING):
                del buffer[:4]
                return b""
            if len(buffer) in (1, 3) and PING.startswith(bytes(buffer)):  # may become a ping
                return None
            del buffer[: 2 if buffer.startswith(PONG) else 1]  # a pong, or idle chatter
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > MAX_HEADER_BYTES:
                raise ParseError("the header has no end", status=513)
            return None
        size = end + 4 + self._body_bytes(bytes(buffer[:end]))
        if len(buffer) < size:
            return None
        message = bytes(buffer[:size])
        del buffer[:size]
        self._searched = 0
        return message

    def _body_bytes(self, header: bytes) -> int:
        found = _LENGTH.search(header)
        if found is None:
            raise ParseError("Content-Length is missing or no number")
        length = int(found[1])
        if len(header) + length > MAX_MESSAGE_BYTES:
            raise ParseError("message too large", status=513)
        return length
