"""SIPp: one scenario of ./sipp against the server, from an address of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.interop.programs import PATIENCE_SECONDS, Program, require

SCENARIOS = Path(__file__).parent / "sipp"


@dataclass(frozen=True, slots=True)
class SippPhone:
    """A phone played by SIPp: an extension at an address of the loopback network. It echoes what it hears."""

    folder: Path
    address: str
    number: str
    password: str
    server: str
    """Address of the server; the port is 5060."""

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
        return Program(command, self.folder / f"{scenario}.output")

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
        told = r"^NOTIFY .*?\r?\n\r?\nSIP/2.0 (\d+) "
        return [int(status) for status in re.findall(told, self.trace(scenario).read_text(), re.M | re.S)]

    def trace(self, scenario: str) -> Path:
        """The file in which SIPp notes every message of a scenario."""
        return self.folder / f"{scenario}.messages"
