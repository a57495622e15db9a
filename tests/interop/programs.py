"""Programs by other people: found or skipped by name, started, watched by their output, ended by pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

T = TypeVar("T")

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip-core"}
"""Program -> the Debian package that brings it."""

PATIENCE_SECONDS = 60.0
"""How long to wait for a program on a slow machine; nothing is measured by it."""

POLL_SECONDS = 0.02

ROOT = Path(__file__).resolve().parent.parent.parent
"""The sources under test, whether they are installed or not."""

PLUGIN = Path(__file__).resolve().parent / "plugin"
"""A plug-in by somebody else, found as if it were installed."""


def require(program: str) -> str:
    """The path of a program. Skips the test if it is not installed, and says how to install it."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed: apt-get install {PACKAGES[program]}")
    return path


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until a condition holds, of whatever no program of ours tells. Fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(POLL_SECONDS)


class Program:
    """A running program whose output goes to a file. As a context manager it is ended on leaving."""

    def __init__(self, command: Sequence[str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=output.parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{PLUGIN}"},
            )

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_until(self, condition: Callable[[], T], what: str) -> T:
        """Poll until `condition()` is true and return its value. Fails if the program ends before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := condition()):
            assert self.running, f"ended while waiting for {what}:\n{self.text}"
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.text}"
            time.sleep(POLL_SECONDS)
        return value

    def wait_for_text(self, text: str) -> None:
        """Wait until it has printed `text`."""
        self.wait_until(lambda: text in self.text, repr(text))

    def wait(self) -> int:
        """Wait for its own end; return the exit code."""
        return self._process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """Ask it to end (SIGTERM), and end it if it will not. Returns the exit code."""
        if self.running:
            self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
