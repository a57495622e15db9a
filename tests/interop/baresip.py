"""A baresip 1.0 softphone: its configuration, its control connection, and what it recorded."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tests.interop.programs import PATIENCE_SECONDS, Program, require
from tests.interop.tones import AMPLITUDE, level, write_tone

MODULES = "/usr/lib/baresip/modules"

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip_port}
{tls}
net_interface 127.0.0.1
rtp_ports {first_rtp_port}-{last_rtp_port}
call_local_timeout 30
call_max_calls 4
audio_source aufile,{folder}/tone.wav
snd_path {folder}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
jitter_buffer_delay 1-5
ctrl_tcp_listen 127.0.0.1:{control_port}
module_path {modules}
module g711.so
module g722.so
module opus.so
module srtp.so
module sndfile.so
module aufile.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app mwi.so
module_app presence.so
module_app ctrl_tcp.so
"""

CODECS = {"PCMU/8000": 1, "G722/16000": 2, "opus/48000/2": 12}
"""A codec -> how many samples of its recordings, of all channels together, there are for one at 8 kHz."""

TONE_SECONDS = 300
"""At the end of its file baresip hangs up; tests are done long before."""

LATELY_SECONDS = 0.5
"""Of what a phone has heard, the part that says what it hears now."""

HEADER_BYTES = 44
"""Of a WAV file. It is written when the call is over, so a recording is read without."""

PORTS = 40
"""How many a phone takes: SIP, SIP over TLS, control, RTP."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one would type into a phone."""

    number: str
    password: str
    server: str
    """ "127.0.30.1:5060" """
    transport: str = "udp"


class Baresip:
    """One phone that speaks a tone and records what it hears. A context manager.

    Version 1.0 records no more of a call after it has held it: https://github.com/baresip/baresip/issues/1496.

    It lives on 127.0.0.1, for its RTP sockets send from there whatever address it announces.
    """

    def __init__(
        self,
        folder: Path,
        account: Account,
        *,
        first_port: int,
        tone_hz: float,
        auto_answer: bool = False,
        certificate_authority: Path | None = None,
        encryption: str = "",
        contacts: Iterable[str] = (),
        message_lamp: bool = False,
        codec: str = "PCMU/8000",
    ) -> None:
        """`first_port` starts a block of PORTS for this phone. `encryption` is "srtp" (wanted, below RTP/AVP),
        "srtp-mand" (required, RTP/SAVP), or none. It watches the presence of its `contacts`, and its messages if it
        has a `message_lamp`: over UDP, for version 1.0 subscribes over nothing else. `codec`, of CODECS, is what it
        speaks.
        """
        self.account = account
        self.tone_hz = tone_hz
        self._step = CODECS[codec]
        self._forgotten: dict[Path, int] = {}
        self.folder = folder
        self._control_port = first_port + 2
        folder.mkdir(parents=True)
        write_tone(folder / "tone.wav", tone_hz, TONE_SECONDS)
        (folder / "config").write_text(
            CONFIG.format(
                sip_port=first_port,
                tls=f"sip_cafile {certificate_authority}" if certificate_authority else "",
                first_rtp_port=first_port + 10,
                last_rtp_port=first_port + PORTS - 1,
                folder=folder,
                control_port=self._control_port,
                modules=MODULES,
            )
        )
        (folder / "accounts").write_text("")
        (folder / "contacts").write_text(
            "".join(f"<sip:{number}@{account.server}>;presence=p2p\n" for number in contacts)
        )
        self._program = Program([require("baresip"), "-v", "-s", "-f", str(folder)], folder / "output")
        try:
            self._program.wait_until(self._connect, "the control connection")
        except BaseException:
            self._program.stop()
            raise
        # Its message lamp looks about after a millisecond, and turns in a circle for ever if it is registered by then.
        time.sleep(0.02)
        self.command(
            "uanew",
            f"<sip:{account.number}@{account.server};transport={account.transport}>"
            f";auth_pass={account.password};regint=600{';answermode=auto' if auto_answer else ''}"
            f"{f';mediaenc={encryption}' if encryption else ''};mwi={'yes' if message_lamp else 'no'}"
            f";audio_codecs={codec}",
        )

    @property
    def secured(self) -> bool:
        """Whether it has talked with SRTP."""
        return "SRTP is Enabled" in self.text

    @property
    def text(self) -> str:
        """What it has said so far, its SIP messages included, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self._program.text)

    def _connect(self) -> bool:
        try:
            self._control = socket.create_connection(("127.0.0.1", self._control_port), PATIENCE_SECONDS)
        except ConnectionRefusedError:
            return False
        self._events = self._read_messages()
        return True

    def _read_messages(self) -> Iterator[dict[str, Any]]:
        """The control protocol: JSON objects in netstrings ("12:{...},")."""
        buffer = b""
        while True:
            length, colon, rest = buffer.partition(b":")
            if colon and len(rest) > int(length):
                yield json.loads(rest[: int(length)])
                buffer = rest[int(length) + 1 :]
                continue
            data = self._control.recv(65536)
            assert data, f"baresip went away:\n{self.text}"
            buffer += data

    def command(self, name: str, parameters: str = "") -> None:
        """Give a command of baresip's menu, for example "dial"."""
        text = json.dumps({"command": name, "params": parameters}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read events until one of this type, for example "CALL_ESTABLISHED"."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for message in self._events:
            if message.get("type") == event:
                return message
            assert time.monotonic() < deadline, f"no {event}:\n{self.text}"
        raise AssertionError("unreachable: the events have no end")

    def wait_until_registered(self) -> None:
        """Wait for the registrar's 200."""
        self.wait_for_text("[1 binding]")

    def wait_for_text(self, text: str) -> None:
        """Wait until it has said this."""
        self._program.wait_until(lambda: text in self.text, repr(text))

    def wait_until_shown(self, number: str, status: str) -> None:
        """Wait until it shows this presence of a contact: "Online", "Busy", "Offline"."""

        def shown() -> bool:
            changes = re.findall(rf"<sip:{number}@[^>]*> changed status from \w+ to (\w+)", self.text)
            return changes[-1:] == [status]

        self._program.wait_until(shown, f"{number} {status}")

    def dial(self, number: str) -> None:
        """Call an extension of the same server."""
        self.command("dial", self._uri(number))

    def write(self, text: str) -> None:
        """Send a text to the first of its contacts (MESSAGE)."""
        self.command("message", text)

    def transfer(self, number: str) -> None:
        """Transfer the current call, blindly (REFER)."""
        self.command("transfer", self._uri(number))

    def _uri(self, number: str) -> str:
        return f"sip:{number}@{self.account.server};transport={self.account.transport}"

    def answer(self) -> None:
        """Answer the call that rings."""
        self.command("accept")

    def hang_up(self) -> None:
        """End the current call."""
        self.command("hangup")

    def hold(self) -> None:
        """Put the current call on hold."""
        self.command("hold")

    def resume(self) -> None:
        """Take the current call back from hold."""
        self.command("resume")

    def wait_until_hears_clearly(self, hertz: float, other_hz: float) -> None:
        """Wait until a tone has sounded at its full level for half a second, and another 40 dB below it at most."""

        def clear() -> bool:
            samples = self.heard_lately(LATELY_SECONDS)
            return (
                len(samples) >= LATELY_SECONDS * 8000
                and abs(level(samples, hertz) - AMPLITUDE) < AMPLITUDE / 10
                and level(samples, other_hz) < AMPLITUDE / 100
            )

        self._program.wait_until(clear, f"{hertz} Hz at its full level, and no {other_hz} Hz")

    def press(self, key: str) -> None:
        """Press a key of the keypad."""
        self.command("sndcode", key)

    def hears(self, hertz: float, *others_hz: float) -> bool:
        """Whether a tone has sounded through the last half second, and of `others_hz` nothing: 34 dB below at least."""
        samples = self.heard_lately(LATELY_SECONDS)
        return (
            len(samples) >= LATELY_SECONDS * 8000
            and level(samples, hertz) > AMPLITUDE / 2
            and all(level(samples, other) < AMPLITUDE / 50 for other in others_hz)
        )

    def wait_until_hears(self, hertz: float, *others_hz: float) -> None:
        """Wait until a tone has sounded for half a second from now on, and of `others_hz` nothing."""
        self._forgotten = {path: path.stat().st_size for path in self._recordings()}
        self._program.wait_until(lambda: self.hears(hertz, *others_hz), f"{hertz} Hz without {others_hz}")

    def heard_lately(self, seconds: float) -> npt.NDArray[np.float64]:
        """The last samples of what its newest call has heard so far; fewer if that is younger."""
        if not (recordings := self._recordings()):
            return np.zeros(0)
        sound = recordings[-1].read_bytes()
        sound = sound[max(HEADER_BYTES, self._forgotten.get(recordings[-1], 0)) :]
        samples = np.frombuffer(sound[: len(sound) // 2 * 2], "<i2")[:: self._step]
        return samples.astype(np.float64)[-int(seconds * 8000) :]

    def _recordings(self) -> list[Path]:
        """The oldest first: the names have the time."""
        return sorted(self.folder.glob("dump-*-dec.wav"))

    def switch_off(self) -> None:
        """End the program; it takes its registration back."""
        self._control.close()
        self._program.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()


def assert_talk(one: Baresip, other: Baresip, without: Baresip | None = None) -> None:
    """Both hear each other, and neither themselves nor who has left."""
    nobody = [without.tone_hz] if without is not None else []
    one.wait_until_hears(other.tone_hz, one.tone_hz, *nobody)
    other.wait_until_hears(one.tone_hz, other.tone_hz, *nobody)
