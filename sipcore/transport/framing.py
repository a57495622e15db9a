"""Cutting a byte stream into messages (RFC 3261 section 18.3) and keep-alives (RFC 5626 section 4.4.1)."""

from __future__ import annotations

import re

from sipcore.errors import ParseError

MAX_HEADER_BYTES = 32768
MAX_MESSAGE_BYTES = 65535
PONG = b"\r\n"
PING = PONG + PONG
HEADER_END = b"\r\n\r\n"

_LENGTH = re.compile(
    rb"(?:^|\n)(?:content-length|l)[ \t]*:[ \t]*(?:\r?\n[ \t]+)?([0-9]{1,9})[ \t]*\r?(?:\n|$)", re.IGNORECASE
)


class StreamFramer:
    """Takes bytes as they come, gives whole messages. A ping is given as an empty message.

    However the bytes are divided, they give the same: a CRLF alone is dropped (a pong, or idle chatter), and one that
    follows it at whatever time makes it a ping.
    """

    __slots__ = ("_buffer", "_half_ping", "_searched", "_size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._half_ping = False
        self._searched = 0
        self._size: int | None = None
        """Of the message that has begun, once its header is whole."""

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
        if self._size is None:
            if self._ping():
                return b""
            self._size = self._message_bytes()
        if self._size is None or len(self._buffer) < self._size:
            return None
        message = bytes(self._buffer[: self._size])
        del self._buffer[: self._size]
        self._searched, self._size = 0, None
        return message

    def _ping(self) -> bool:
        """Drop what stands before a message; stop after a ping."""
        buffer = self._buffer
        while buffer.startswith((b"\r", b"\n")):
            if buffer == b"\r":  # may become a CRLF
                return False
            whole = buffer.startswith(PONG)
            del buffer[: 2 if whole else 1]
            if whole and self._half_ping:
                self._half_ping = False
                return True
            self._half_ping = whole
        if buffer:
            self._half_ping = False
        return False

    def _message_bytes(self) -> int | None:
        buffer = self._buffer
        end = buffer.find(HEADER_END, max(0, self._searched - 3))
        if end > MAX_HEADER_BYTES or (end < 0 and len(buffer) > MAX_HEADER_BYTES + 3):
            raise ParseError("the header is too large", status=513)
        if end < 0:
            self._searched = len(buffer)
            return None
        return end + 4 + self._body_bytes(bytes(buffer[:end]))

    def _body_bytes(self, header: bytes) -> int:
        found = _LENGTH.search(header)
        if found is None:
            raise ParseError("Content-Length is missing or no number")
        length = int(found[1])
        if len(header) + length > MAX_MESSAGE_BYTES:
            raise ParseError("message too large", status=513)
        return length
