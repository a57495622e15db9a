"""Parking: a party waits in an orbit, with music, until somebody takes it. The lot keeps who waits where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from media.service import PortsExhausted
from pbx.call import Call
from pbx.happenings import CallParked, CallRetrieved
from pbx.refused import Refused
from values import dataclass

if TYPE_CHECKING:
    from pbx.party import Party


@dataclass(frozen=True, slots=True, eq=False)
class Parked:
    """One party that waits."""

    call: Call
    orbit: str
    by: Party
    """Who has parked it."""


class ParkingLot:
    """Who waits in which orbit, those who have waited longest first."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        """`changed` is told the orbit that somebody enters or leaves."""
        self._changed = changed
        self._orbits: dict[str, list[Parked]] = {}
        self.returning: set[Call] = set()
        """Those whose parkers are called, after the time-out."""

    def at(self, orbit: str) -> tuple[Parked, ...]:
        """Those who wait in an orbit."""
        return tuple(self._orbits.get(orbit, ()))

    def enter(self, parked: Parked) -> None:
        """Somebody begins to wait."""
        self._orbits.setdefault(parked.orbit, []).append(parked)
        self._changed(parked.orbit)

    def leave(self, parked: Parked) -> bool:
        """Nobody else may take it; False if somebody has been faster."""
        waiting = self._orbits.get(parked.orbit, [])
        if parked not in waiting:
            return False
        waiting.remove(parked)
        if not waiting:
            del self._orbits[parked.orbit]
        self._changed(parked.orbit)
        return True

    def take(self, orbit: str, fits: Callable[[Parked], bool]) -> Parked | None:
        """Claim who has waited longest there, of those who fit."""
        for parked in self.at(orbit):
            if fits(parked) and not parked.call.ending:
                self.leave(parked)
                return parked
        return None

    def __len__(self) -> int:
        return sum(map(len, self._orbits.values()))


async def keep(call: Call, orbit: str) -> None:
    """Park the party that is served, as a step of its call. Raises Refused where the orbit is full.

    It stays until it is taken or hangs up. After the time-out the parker is called; if nobody answers, it waits again,
    also where the parker forwards calls to an orbit. Who has only dialled the orbit, and is in no other call, gets who
    waits there: a key parks and takes back. Else he waits as well, but not in it: he may transfer another party to
    where he is.
    """
    parker = _parker(call)
    if parker is None:
        if call.switch.parking.at(orbit) and _is_idle(call):
            await retrieve(call, orbit)
        else:
            await _wait(call, 0)
    elif call in call.switch.parking.returning:
        raise Refused(480, "It Is Parked Already")
    else:
        check_room(call, orbit)
        await _keep(Parked(call, orbit, parker))


def _parker(call: Call) -> Party | None:
    """Who has transferred or forwarded the party to the orbit; None for one that has dialled it."""
    if call.transfer_pending and call.transfer is not None:
        return call.transfer.party
    return call.switch.directory.find(call.trail[-1]) if call.trail else None


def _is_idle(call: Call) -> bool:
    """Whether the extension that calls is in no other call, and so has nobody to park."""
    extension = call.caller_leg.extension
    return extension is not None and not any(
        leg.engaged and leg is not call.leg for leg in call.switch.legs_of(extension.number)
    )


async def _keep(parked: Parked) -> None:
    """Have it wait, also once more where whoever took it has not come to talk."""
    call, returning = parked.call, parked.call.switch.parking.returning
    while not await _is_taken(parked, call.config.parking.time_out_seconds):
        returning.add(call)
        try:
            await call.seek(parked.by)
            return
        except (Refused, PortsExhausted):
            continue
        finally:
            returning.discard(call)


def check_room(call: Call, orbit: str) -> None:
    """Raises Refused(486) where nobody more may wait in the orbit."""
    if len(call.switch.parking.at(orbit)) >= call.config.parking.max_calls:
        raise Refused(486, "Orbit Full")


async def _is_taken(parked: Parked, seconds: float) -> bool:
    """Wait in the orbit; False after the time-out."""
    call, lot = parked.call, parked.call.switch.parking
    lot.enter(parked)
    _tell(CallParked, parked, by=parked.by.number, party=call.caller.number)
    try:
        await _wait(call, seconds)
    finally:
        timed_out = lot.leave(parked)
    if timed_out:
        _tell(CallRetrieved, parked, by=parked.by.number)
    return not timed_out


async def _wait(call: Call, seconds: float) -> None:
    """Hear music, for so long, or for ever."""
    voice = await call.answer()
    await voice.music()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await call.stay()


async def retrieve(call: Call, orbit: str, parked_by: str = "") -> None:
    """Connect the caller with who has waited longest in the orbit, of those whom an extension has parked if it is
    named. Raises Refused where nobody waits, or nobody whom the caller may meet: both may be outside.

    Who is transferred to where nobody waits is parked there: a key parks and takes back.
    """

    def fits(parked: Parked) -> bool:
        may_meet = call.switch.router.outbound.may_meet(call.caller, parked.call.caller)
        return may_meet and parked_by in ("", parked.by.number)

    parked = call.switch.parking.take(orbit, fits)
    if parked is None:
        if call.transfer_pending and not parked_by and not call.switch.parking.at(orbit):
            await keep(call, orbit)
            return
        raise Refused(404, "Nobody Is Parked There")
    by = call.caller.number
    call.caller_leg.move_beside(parked.call.caller_leg)
    await call.answer()
    parked.call.join(call.give_away(), partial(_keep, parked))
    _tell(CallRetrieved, parked, by=by)


def _tell(kind: type[CallParked] | type[CallRetrieved], parked: Parked, **more: str) -> None:
    switch = parked.call.switch
    switch.happenings.tell(
        kind(at=switch.environment.wall(), call=parked.call.id, orbit=parked.orbit, **more)
    )
