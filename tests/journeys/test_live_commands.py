"""`myphone ext` and `myphone import` beside a running system, as an administrator uses them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.commands import PATIENCE, ROOT, Command, Run

CONFIG = """
[sip]
listen = "{here}"

[media]
workers = 0
port_range = [20000, 20199]

[[extensions]]
number = "100"
password = "correct horse"

[[extensions]]
number = "101"
password = "battery staple"
"""


class System:
    """A running `myphone serve`, and commands beside it."""

    def __init__(self, run: Run, here: str, folder: Path) -> None:
        self._run, self._here = run, here
        self.config = folder / "myphone.toml"
        self.config.write_text(CONFIG.format(here=here))
        self.process = run("serve", "--config", self.config, "--log-format", "json")
        self.process.wait_for_log("ready")

    def command(self, *arguments: object) -> Any:
        """What a command prints as JSON."""
        line = [
            sys.executable,
            "-m",
            "myphone_api.cli",
            *map(str, arguments),
            "--config",
            str(self.config),
            "--json",
        ]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def phone(self, number: str, password: str, *options: object) -> Command:
        """A phone that has registered."""
        where = ("--server", self._here, "--listen", self._here)
        phone = self._run("phone", number, *where, "--json", *options, password=password)
        assert phone.told()["event"] == "registered"
        return phone

    def stop(self) -> None:
        """End the system; it has nothing to complain of."""
        self.process.signal(signal.SIGTERM)
        exit_code, _, logs = self.process.end()
        assert exit_code == 0, logs
        assert '"level": "error"' not in logs


@pytest.mark.row("PRES-11")
def test_extensions_come_and_go_beside_a_running_system(run: Run, here: str, tmp_path: Path) -> None:
    system = System(run, here, tmp_path)
    added = system.command("ext", "add", "102", "--first-name", "Taylor")
    system.process.wait_for_log("extension 102 is added")
    taylor = system.phone("102", added["password"])
    assert {each["number"] for each in system.command("ext", "list")} == {"100", "101", "102"}
    exported = tmp_path / "export.toml"
    exported.write_text("office_hours = { monday = ['08:30-12:00'] }\n")
    assert system.command("import", exported)["tables"] == ["office_hours"]
    system.process.wait_for_log("other office_hours are in force")
    system.command("ext", "remove", "102")
    system.process.wait_for_log("extension 102 is removed")
    taylor.signal(signal.SIGINT)
    taylor.end()
    system.stop()


def test_a_registration_is_seen_beside_the_system_and_outlives_a_kill(
    run: Run, here: str, tmp_path: Path
) -> None:
    system = System(run, here, tmp_path)
    lee = system.phone("100", "correct horse")
    while not next(each for each in system.command("ext", "list") if each["number"] == "100")["phones"]:
        assert lee.runs
    system.process.signal(signal.SIGKILL)
    system.process.end()
    again = System(run, here, tmp_path)
    assert next(each for each in again.command("ext", "list") if each["number"] == "100")["phones"] == 1
    lee.signal(signal.SIGINT)
    lee.end()
    again.stop()
