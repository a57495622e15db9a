"""SIPp: one scenario of ./sipp against the server, from an address of its own."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self

from tests.interop.programs import PATIENCE_SECONDS, Program, require

SCENARIOS = Path(__file__).parent / "sipp"
UDP_SOCKETS = Path("/proc/net/udp")

INFO = """\
INFO sip:sipp SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKuser{number}\r
From: <sip:user@sipp>;tag=user\r
To: <sip:sipp>\r
Call-ID: {call_id}\r
CSeq: {number} INFO\r
Content-Length: 0\r
\r
"""
"""What the user of a phone does next; its steps differ, for SIPp takes the same for a retransmission."""
_steps = count(1)


@dataclass(frozen=True, slots=True)
class SippPhone:
    """A phone played by SIPp: an extension at an address of the loopback network. It echoes what it hears. As a context
    manager it ends the scenarios that a failure has left."""

    folder: Path
    address: str
    number: str
    password: str
    server: str
    """Address of the server; the port is 5060."""
    _programs: list[Program] = field(default_factory=list, repr=False)

    def start(self, scenario: str, dial: str = "", target: str = "") -> Program:
        """Start one run of `scenario`; `dial` is the number to call, `target` another that it needs.

        It must end by itself.
        """
        command = [
            require("sipp"),
            f"{self.server}:5060",
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-nostdin", "-m", "1"),
            *("-i", self.address, "-p", "5060", "-mi", self.address, "-mp", "6000", "-rtp_echo", "-nr"),
            *("-s", dial or self.number, "-key", "number", self.number),
            *("-key", "target", target),
            *("-au", self.number, "-ap", self.password),
            # SIPp puts remote_ip:remote_port into its credentials, whatever the Request-URI is.
            *("-auth_uri", f"{dial}@{self.server}" if dial else self.server),
            *("-timeout", f"{PATIENCE_SECONDS:.0f}", "-timeout_error"),
            *("-trace_msg", "-message_file", str(self.trace(scenario))),
            *("-trace_err", "-error_file", str(self.folder / f"{scenario}.errors")),
        ]
        program = Program(command, self.folder / f"{scenario}.output")
        self._programs.append(program)
        program.wait_until(self._listens, f"SIPp at {self.address}")
        return program

    def _listens(self) -> bool:
        """Whether there is a socket at its address, as Linux tells."""
        return (
            f"{bytes(map(int, self.address.split('.')))[::-1].hex()}:13C4".upper() in UDP_SOCKETS.read_text()
        )

    def go_on(self, program: Program, scenario: str, after: str) -> None:
        """Have a started scenario take its next step. There it waits for an INFO, once its trace has `after`, a regular
        expression."""
        trace = self.trace(scenario)
        program.wait_until(lambda: trace.exists() and re.search(after, trace.read_text(), re.M), after)
        [call_id, *_] = re.findall(r"^Call-ID: *(\S+)", trace.read_text(), re.M | re.I)
        with socket.socket(type=socket.SOCK_DGRAM) as user:
            user.sendto(INFO.format(call_id=call_id, number=next(_steps)).encode(), (self.address, 5060))

    def run(self, scenario: str, dial: str = "", target: str = "") -> None:
        """Run `scenario` to its end. Fails with SIPp's own words."""
        self.finish(self.start(scenario, dial, target), scenario)

    def finish(self, program: Program, scenario: str) -> None:
        """Wait for a started scenario. Fails with SIPp's own words."""
        code = program.wait()
        errors = self.folder / f"{scenario}.errors"
        said = errors.read_text(errors="replace") if errors.exists() else ""
        assert code == 0, f"sipp {scenario} as {self.number}: exit {code}\n{said}\n{program.text}"

    def progress(self, scenario: str) -> list[int]:
        """The states of a transfer that it was told (message/sipfrag in NOTIFY, RFC 3515 section 2.4.5), in order."""
        told = r"^NOTIFY .*?^CSeq: (\d+) .*?\r?\n\r?\nSIP/2.0 (\d+) "
        found = re.findall(told, self.trace(scenario).read_text(), re.M | re.S)
        return list({int(number): int(status) for number, status in found}.values())  # some may have been repeated

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            program.kill()

    def trace(self, scenario: str) -> Path:
        """The file in which SIPp notes every message of a scenario."""
        return self.folder / f"{scenario}.messages"
