"""How a command fails."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell learns."""

    OK = 0
    FAILED = 1
    """It did not work out: a port in use, a call not answered, a registration refused."""
    USAGE = 2
    """It was asked for wrongly: options, configuration, plug-ins."""


class CommandError(Exception):
    """A command ends with a message for the user, of what is wrong and what to do."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
