"""Listens in on every call soon after its answer, and after everybody who joins it later, as the target of a transfer
does: sound that does not arrive is told, with the likely cause."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from media.messages import ReportStream, Statistics
from pbx.audio_faults import AudioFault, audio_fault
from pbx.happenings import AudioDirection, NoAudio, OneWayAudio
from pbx.leg import Leg, LegState

if TYPE_CHECKING:
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

LOOKS_SECONDS = (4.0, 8.0)
"""After the answer, and after the look before: packets have had time to come, and a caller still wonders what is wrong.
By the second look the phones have reported."""
_FIRST, _LATER = LOOKS_SECONDS[0], LOOKS_SECONDS[1:]


MINUTE = 60.0


class AudioWatch:
    """Asks the media engine how the streams of a call go, and judges what it tells."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._looks = switch.alarms
        self._look_at = self._look
        """One for all calls: what waits is as little as can be."""
        self._unsaid: int | None = None
        """How many faults there were since one was logged, within this minute; None: for a minute there was none."""
        self._last = ""
        """The last of them."""

    def watch(self, call_id: str) -> None:
        """Have a look at a call soon: somebody has come into it."""
        self._looks.rows[_FIRST].set(partial(self._look_at, call_id, _LATER))

    def _look_later(self, call_id: str, pauses: Sequence[float]) -> None:
        if pauses:
            self._looks.set(pauses[0], partial(self._look, call_id, pauses[1:]))

    def reported(self, leg: Leg, statistics: Statistics) -> None:
        """A stream has told how it goes."""
        if leg.state is not LegState.ANSWERED or leg.plan is None or leg.session is None:
            return
        fault = audio_fault(leg.plan, leg.session.flow.host, statistics)
        if fault is not None and not leg.audio_fault_told:
            leg.audio_fault_told = True
            self._tell(leg, fault)

    def _look(self, call_id: str, pauses: Sequence[float]) -> None:
        """Have a look at a call, and others later, after so many pauses."""
        call = self._switch.calls.get(call_id)
        if call is None:
            return
        legs = [leg for leg in (call.leg, call.callee) if leg is not None and leg.plan is not None]
        if any(
            leg.holds for leg in legs
        ):  # who is held may fall silent: they are looked at when they talk again
            self._look_later(call_id, (_FIRST, *pauses))
            return
        for leg in legs:
            self._switch.media.send(ReportStream(leg.stream))
        self._look_later(call_id, pauses)

    def _tell(self, leg: Leg, fault: AudioFault) -> None:
        kind = NoAudio if fault.direction is AudioDirection.BOTH else OneWayAudio
        self._switch.happenings.tell(
            kind(
                at=self._switch.environment.wall(),
                call=leg.call_id,
                extension=leg.line,
                direction=fault.direction,
                cause=fault.cause,
                detail=fault.detail,
            )
        )
        self._say(
            f"call {leg.call_id}: no sound {fault.direction.value} {leg.line} ({fault.cause.value}): {fault.detail}"
        )

    def _say(self, line: str) -> None:
        """Log the first, and how many there were, once a minute: a firewall that is wrong is so for every call."""
        if self._unsaid is not None:
            self._unsaid, self._last = self._unsaid + 1, line
            logger.debug("%s", line)
            return
        self._unsaid = 0
        self._looks.set(MINUTE, self._sum_up)
        logger.warning("%s", line)

    def _sum_up(self) -> None:
        unsaid, self._unsaid = self._unsaid, None
        if unsaid:
            self._say(f"{unsaid} more within a minute, the last: {self._last}")
