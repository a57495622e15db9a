"""Attempts that are refused before there is a call: each has a record that says why, as far as they are few.

Whoever tries again and again, a phone gone mad or a carrier's, fills no disk: each extension and each trunk has so many
records of this kind at once, and one more a minute. What is beyond is counted, and the next record says how many.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pbx.happenings import CallEnded, CallRouted, CallStarted
from pbx.party import ExternalParty, line_of, trunk_of
from sipcore.syntax.message import REASONS
from values import dataclass

if TYPE_CHECKING:
    from pbx.party import Party
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

AT_ONCE = 20
ONE_MORE_SECONDS = 60.0


@dataclass(slots=True)
class _Allowance:
    """How many records one line may still have."""

    left: float
    at: float
    unrecorded: int = 0


class TurnedAway:
    """Tells of such attempts."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._allowances: dict[str, _Allowance] = {}

    def tell(self, caller: Party, dialled: str, status: int, reason: str = "", *, why: str, call: str = "") -> None:
        """`caller` got `status` and `reason` for what was dialled; `why`: what stands in the way, for the record.
        `call`: the ID that the call would have had."""
        switch, line = self._switch, line_of(caller)
        allowance = self._allowance(line)
        if allowance.left < 1:
            if not allowance.unrecorded:
                logger.warning("calls of %s are refused again and again (%s), they have no records", line, why)
            allowance.unrecorded += 1
            return
        allowance.left -= 1
        before, allowance.unrecorded = allowance.unrecorded, 0
        logger.warning("a call of %s to %s is refused, %s", line, dialled, why)
        more = (f"{before} more were refused before, without records",) if before else ()
        call = call or switch.new_call_id()
        inside = not isinstance(caller, ExternalParty) and not switch.router.leads_outside(dialled, caller)
        at = switch.environment.wall()
        switch.happenings.tell(
            CallStarted(
                at=at,
                call=call,
                caller=caller.number,
                caller_name=caller.full_name,
                trunk=trunk_of(caller),
                callee=dialled,
                internal=inside,
            )
        )
        switch.happenings.tell(CallRouted(at=at, call=call, sought=(), reasons=(why, *more)))
        reason = reason or REASONS.get(status, "")
        switch.happenings.tell(
            CallEnded(at=at, call=call, reason=reason, status=status, internal=inside, seconds=0.0)
        )

    def _allowance(self, line: str) -> _Allowance:
        now = self._switch.loop.time()
        known = self._allowances.setdefault(line, _Allowance(AT_ONCE, now))
        known.left = min(AT_ONCE, known.left + (now - known.at) / ONE_MORE_SECONDS)
        known.at = now
        return known
