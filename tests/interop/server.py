"""`myphone serve` as an administrator runs it: a configuration file, a process, SIGTERM at the end."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.programs import Program
from tests.interop.tones import write_tone

PASSWORD = "correct-horse-battery-staple"

CONFIG = """\
[sip]
listen = "{address}"
udp_port = 5060
tcp_port = 5060
min_se = 10
{tls}

[media]
address = "{address}"
port_range = [20000, 20199]
workers = {workers}
srtp = "offered"

[store]
data_dir = "{folder}/data"

[prompts]
music = "{folder}/music"

[forwarding]
unanswered = "end"
"""

MUSIC_HZ = 620.0
"""The music on hold is a tone, so that phones can tell it from each other's."""

EXTENSION = """
[[extensions]]
number = "{number}"
first_name = "Test"
last_name = "Phone {number}"
password = "{password}"
"""

OPTIONS = """\
OPTIONS sip:{address} SIP/2.0\r
Via: SIP/2.0/UDP {source}:{port};rport;branch=z9hG4bKready\r
Max-Forwards: 70\r
From: <sip:probe@{address}>;tag=probe\r
To: <sip:{address}>\r
Call-ID: ready\r
CSeq: 1 OPTIONS\r
Content-Length: 0\r
\r
"""


class Server:
    """A running server. A context manager; on leaving it must stop cleanly: exit code 0, and no error in its log."""

    def __init__(
        self,
        folder: Path,
        address: str,
        numbers: Iterable[str],
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        workers: int = 0,
        tables: str = "",
    ) -> None:
        """`address` is one of 127.0.0.0/8 that nothing else listens on; `certificate` turns TLS on.

        `tables` are more of the configuration.
        """
        self.address = address
        self.folder = folder
        (folder / "music").mkdir(parents=True)
        write_tone(folder / "music" / "tone.wav", MUSIC_HZ, seconds=60)
        tls = f'tls_port = 5061\ncertificate = "{certificate}"\nkey = "{key}"' if certificate else ""
        text = CONFIG.format(address=address, tls=tls, workers=workers, folder=folder)
        text += "".join(EXTENSION.format(number=number, password=PASSWORD) for number in numbers)
        (folder / "myphone.toml").write_text(text + tables)
        command = [sys.executable, "-m", "myphone_api.cli", "serve", "--config", str(folder / "myphone.toml")]
        self._program = Program(command, folder / "output")
        try:
            self._program.wait_until(self._answers, "an answer to OPTIONS")
        except BaseException:
            self._program.kill()
            raise

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.25)
            probe.connect((self.address, 5060))
            source, port = probe.getsockname()
            try:
                probe.send(OPTIONS.format(address=self.address, source=source, port=port).encode())
                return probe.recv(4096).startswith(b"SIP/2.0 ")
            except (ConnectionRefusedError, TimeoutError):
                return False

    @property
    def text(self) -> str:
        """What it has logged."""
        return self._program.text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self._program.stop()
        if error is None:
            assert code == 0, f"exit code {code}:\n{self.text}"
            assert "[error" not in self.text, self.text
            assert "Traceback" not in self.text, self.text
        else:
            error.add_note(f"the server said:\n{self.text}")
