"""What the end of a call amounts to, as a final response (RFC 3261 section 21)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from media.service import PortsExhausted
from pbx.refused import Refused

if TYPE_CHECKING:
    from pbx.call import Call

logger = logging.getLogger(__name__)


def verdict(
    call: Call, error: BaseException | None, *, answered: bool, cancelled_with: int
) -> tuple[int, str | None]:
    """Status and reason phrase (None: the usual one) for the end of a call, whose course has ended with `error`. What
    nobody expected is logged. `cancelled_with` is the status that whoever cancelled it wants; 0 where nobody has.
    """
    cancelled = isinstance(error, asyncio.CancelledError)
    if error is not None and not cancelled and not isinstance(error, Refused | PortsExhausted):
        logger.error(
            "call %s from %s to %r failed", call.id, call.caller.number, call.dialled, exc_info=error
        )
    if answered:
        return 200, None
    if cancelled:
        return cancelled_with or 500, None
    if error is None:
        return 480, None
    if isinstance(error, Refused):
        return error.status, error.reason
    return (503, "No Media Port Free") if isinstance(error, PortsExhausted) else (500, None)
