"""Where files are written and read: nothing that a disk does may keep the next tick waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Work = Callable[[], None]
Done = Callable[[Exception | None], None]
"""Called in the loop: what went wrong, if anything did."""


class Disk(Protocol):
    """Does work in the order in which it comes, and tells when it is done."""

    def run(self, work: Work, done: Done) -> None:
        """Do it, some time. `work` may raise OSError and ValueError."""


class PatientDisk:
    """Does it at once: whoever asks for it waits."""

    def run(self, work: Work, done: Done) -> None:
        """Do it now."""
        done(outcome(work))


def outcome(work: Work) -> Exception | None:
    """Do some work: what goes wrong with it."""
    try:
        work()
    except (OSError, ValueError) as error:  # the latter: a closed file
        return error
    return None


def ignored(error: Exception | None) -> None:
    """Nobody wants to know."""
