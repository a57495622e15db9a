"""Dial codes for tests that need one."""

from __future__ import annotations

from pbx.dial_table import DialCode, Handler, Pattern


async def _echo(call: object) -> None:
    """Nothing: routing only names the handler."""


ECHO = DialCode(Pattern.parse("*777"), Handler("echo", "echo", _echo))
