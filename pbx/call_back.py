"""The way back to somebody who has called: what is dialled here for a number that was shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pbx.party import ExternalParty
from pbx.trunks.outbound import Asker

if TYPE_CHECKING:
    from pbx.call import Call

_NUMBER = re.compile(r"\+?[0-9]{1,32}")


def way_back(call: Call, number: str) -> str | None:
    """What the caller of `call` dials to reach a number as `Call.caller` had it; None for what is no number.

    A number outside where no rule leads is given as it is: whoever dials it hears why it is not called.
    """
    if not _NUMBER.fullmatch(number):
        return None
    switch, caller = call.switch, call.caller
    if switch.directory.find(number) is not None:
        return number
    outside = isinstance(caller, ExternalParty)
    asker = Asker("" if outside else caller.number, from_trunk=outside)
    return switch.trunks.outbound.dialled_for(number, asker) or number
