"""Codes that change what is set for whoever dials them, such as a status: nobody is made to dial one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.refused import Refused

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.directory import Extension


def dialler(call: Call) -> Extension:
    """The extension that has dialled what now serves the call.

    Raises Refused (403) for who is outside, and for who was sent here by somebody else: by a transfer, by a forward,
    or by a phone that sends calls on.
    """
    extension = call.caller_leg.extension
    if extension is None:
        raise Refused(403, "For Extensions Only")
    if call.trail:
        raise Refused(403, "Not By Transfer Or Forward")
    return extension
