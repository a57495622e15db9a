"""`myphone ...` as processes that tests talk to, and the demo company as one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme

ROOT = Path(__file__).parents[2]
PATIENCE = 180
"""Seconds after which a process hangs, on the slowest machine."""


class Command:
    """A running `myphone ...`, of which standard output is read as a JSON object a line."""

    def __init__(self, *arguments: object, password: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "myphone_api.cli", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"MYPHONE_PASSWORD": password},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self) -> dict[str, Any]:
        """The next thing it tells; fails with its error output if it ends before."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate(timeout=PATIENCE)
        said = json.loads(line)
        assert isinstance(said, dict)
        return said

    def wait_for_log(self, text: str) -> None:
        """Read the log up to the line with this text."""
        assert self._process.stderr is not None
        assert any(text in line for line in self._process.stderr), f"ended without {text!r}"

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Wait for the end: exit code, what else was told, the error output."""
        out, errors = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, [json.loads(line) for line in out.splitlines()], errors

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


Run = Callable[..., Command]


class Demo:
    """A running demo company."""

    def __init__(self, run: Run, here: str, folder: Path, *options: object) -> None:
        self._run = run
        self._here = here
        self.folder = folder
        where = ("--listen", here, "--data-dir", folder, "--media-ports", "20000-20999")
        self.process = run("demo", *where, "--json", "--log-format", "json", *options)
        self.told = self.process.told()
        self.passwords = {entry["number"]: entry["password"] for entry in self.told["extensions"]}

    def phone(self, number: str, *options: object, password: str | None = None) -> Command:
        """A phone of the company."""
        where = ("--server", self.told["server"], "--listen", self._here)
        secret = self.passwords[number] if password is None else password
        return self._run("phone", number, *where, "--json", *options, password=secret)

    def stop(self) -> tuple[int, str]:
        """Exit code and logs."""
        self.process.signal(signal.SIGTERM)
        exit_code, _, logs = self.process.end()
        return exit_code, logs


def new_certificate(folder: Path, host: str) -> None:
    """Write a certificate for `host`, its key, and the authority that a phone has to trust for it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    certificate = authority.issue_cert(host)
    certificate.private_key_pem.write_to_path(folder / "pbx.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "pbx.crt")
