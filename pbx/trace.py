"""A SIP trace of one extension, on demand, into a packet capture or a text that people read.

What could be used to phone at somebody's expense never reaches the file: credentials and media keys are
blotted out before anything is written.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from pbx.pcap import PcapWriter
from sipcore.transport.flow import Flow

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""A trace that somebody forgot ends at this size."""

_SECRETS = re.compile(
    rb"^((?:Proxy-)?Authorization[ \t]*:)[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*"  # with folded lines
    rb"|(?<![^\r\n])(a=[ \t]*crypto[^\r\n]*?inline:)[^\r\n]*",  # RFC 4568, also where it is badly written
    re.IGNORECASE | re.MULTILINE,
)


def redacted(message: bytes) -> bytes:
    """The message with credentials (RFC 3261 section 22) and media keys (RFC 4568) blotted out."""
    return _SECRETS.sub(
        lambda found: (found[1] and found[1] + b" [redacted]") or found[2] + b"[redacted]", message
    )


class Writer(Protocol):
    """A format."""

    def write(self, at: datetime, flow: Flow, outgoing: bool, message: bytes) -> None:
        """Add one message. Raises OSError."""


class Trace:
    """Writes the messages that concern one extension; give `on_wire` to the driver."""

    def __init__(
        self,
        names: Iterable[str],
        file: BinaryIO,
        writer: Writer,
        wall: Callable[[], datetime],
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`names`: the number of the extension and its other user parts, such as the SIP ID."""
        self._concerns = _user_pattern(names).search
        self._file: BinaryIO | None = file
        self._writer = writer
        self._wall = wall
        self._max_bytes = max_bytes

    def on_wire(self, outgoing: bool, flow: Flow, data: bytes) -> None:
        """Write a message if it is about the extension. Whatever goes wrong ends the trace and no call."""
        if self._file is None or not self._concerns(data.partition(b"\r\n\r\n")[0]):
            return
        try:
            self._writer.write(self._wall(), flow, outgoing, redacted(data))
            self._file.flush()
            if self._file.tell() > self._max_bytes:
                logger.warning("the trace has reached %d bytes and ends", self._max_bytes)
                self.close()
        except (OSError, ValueError) as error:
            logger.error("the trace cannot be written and ends: %s", error)
            self.close()

    def close(self) -> None:
        """End the trace. Closing twice is harmless."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def open_trace(path: Path, names: Iterable[str], wall: Callable[[], datetime]) -> Trace:
    """A trace into a new file that only its owner may read: packets for `*.pcap`, text for any other name.

    Raises OSError.
    """
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    path.chmod(0o600)  # a file that was there before keeps its mode otherwise
    writer = PcapTrace(file) if path.suffix == ".pcap" else LadderTrace(file)
    return Trace(names, file, writer, wall)


class PcapTrace:
    """For Wireshark and its kind."""

    def __init__(self, file: BinaryIO) -> None:
        self._packets = PcapWriter(file)

    def write(self, at: datetime, flow: Flow, outgoing: bool, message: bytes) -> None:
        """Add one message as a packet."""
        source, destination = (flow.local, flow.remote) if outgoing else (flow.remote, flow.local)
        self._packets.write(at, source, destination, message)


class LadderTrace:
    """Text: an arrow for each message, the phone on the left and us on the right, the message below."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, at: datetime, flow: Flow, outgoing: bool, message: bytes) -> None:
        """Add one message as text; nothing in it can look like a line of ours."""
        lines = [_escaped(line) for line in message.decode("utf-8", "replace").rstrip("\r\n").split("\r\n")]
        arrow = f"<--- {lines[0]} ----" if outgoing else f"---- {lines[0]} --->"
        time = at.isoformat(sep=" ", timespec="milliseconds")
        head = f"{time}  {flow.remote} {flow.transport.value}  {arrow}  {flow.local}"
        self._file.write("\n".join([head, *(f"    {line}" for line in lines), ""]).encode())


def _escaped(line: str) -> str:
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def _user_pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    """Finds one of the user parts in the Request-URI or in a header that says who is concerned."""
    users = b"|".join(re.escape(name.encode()) for name in names if name)
    headers = rb"(?:From|f|To|t|Contact|m|Refer-To|r|Referred-By|b|P-Asserted-Identity)[ \t]*:"
    return re.compile(
        rb"^(?:[A-Z]+ |" + headers + rb"[^\r\n]*?\b)(?:sips?|tel):(?:" + users + rb")(?=[@;:>?\s]|$)",
        re.IGNORECASE | re.MULTILINE,
    )
