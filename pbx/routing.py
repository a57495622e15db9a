"""Where a call goes, as pure functions of what was dialled and what is known at that moment.

`route` decides for a dialled string; `reroute` decides again when an attempt to ring an extension has failed.
Both give the decision together with the reasons for it, so that it can be explained and replayed.

Status codes to the caller (RFC 3261 section 21):

    unknown number              404      busy                        486
    nobody registered           480      declined by the user        603
    nobody answers              480      a circle of diversions      480
    no media in common          488
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from pbx.dial_table import DialTable, Handler
from pbx.directory import BusyDetection, Directory, Extension

MAX_DIVERSIONS = 10
"""How many extensions one call may visit."""


class Lines(Protocol):
    """What routing asks about the present moment."""

    def registered(self, number: str) -> bool:
        """Whether at least one phone is registered at the extension."""

    def calls_of(self, number: str) -> int:
        """How many ringing or established calls the extension has."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring every phone of an extension, for so long."""

    extension: Extension
    seconds: float


@dataclass(frozen=True, slots=True)
class Serve:
    """Give the call to a feature."""

    handler: Handler
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the call attempt with a final response."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """A decision, the extensions visited on the way to it, and why it fell so."""

    action: Ring | Serve | Refuse
    trail: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def because(self, reason: str) -> Route:
        """The same route with one reason more, in front."""
        return replace(self, reasons=(reason, *self.reasons))


class Outcome(Enum):
    """How ringing an extension can fail."""

    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no answer"
    NOT_REACHED = "not reached"
    NOT_ACCEPTABLE = "no media in common"


@dataclass(frozen=True, slots=True)
class Redirected:
    """A phone answered that the call is to go elsewhere."""

    targets: tuple[str, ...]
    """Dialled strings, the preferred one first."""
    status: int = 302
    why: str = ""
    """What the phone says of the reason; empty if nothing."""


_NATURAL = {
    Outcome.BUSY: Refuse(486, "Busy Here"),
    Outcome.DECLINED: Refuse(603, "Decline"),
    Outcome.NO_ANSWER: Refuse(480, "Temporarily Unavailable"),
    Outcome.NOT_REACHED: Refuse(480, "Temporarily Unavailable"),
    Outcome.NOT_ACCEPTABLE: Refuse(488, "Not Acceptable Here"),
}


@dataclass(frozen=True, slots=True)
class Router:
    """The directory, the dial codes and the state of the lines, ready to be asked."""

    directory: Directory
    dial_table: DialTable
    lines: Lines
    follow_redirects: bool = True
    """Whether phones may send calls elsewhere."""

    def route(self, dialled: str) -> Route:
        """Decide for a dialled string: one feature, one extension, or 404."""
        return self._lead_to(dialled, ())

    def reroute(self, failed: Route, outcome: Outcome | Redirected) -> Route:
        """Decide again after the `Ring` of `failed` came to `outcome`."""
        if not isinstance(failed.action, Ring):
            raise TypeError(f"only a Ring can fail, not {failed.action}")
        extension, trail = failed.action.extension, failed.trail
        if isinstance(outcome, Redirected):
            route = self._sent_on(extension, outcome, trail)
        else:
            route = self._after(extension, outcome, trail)
        return replace(route, reasons=failed.reasons + route.reasons)

    def _lead_to(self, address: str, trail: tuple[str, ...]) -> Route:
        code = self.dial_table.match(address)
        if code is not None:
            handler, arguments = code
            return Route(Serve(handler, arguments), trail, (f"{address} is the dial code {handler}",))
        extension = self.directory.find(address)
        if extension is None:
            return Route(Refuse(404, "Not Found"), trail, (f"{address} is no extension",))
        if extension.number in trail or len(trail) >= MAX_DIVERSIONS:
            circle = " > ".join((*trail, extension.number))
            return Route(Refuse(480, "Temporarily Unavailable"), trail, (f"diversions go round: {circle}",))
        return self._deliver(extension, (*trail, extension.number))

    def _deliver(self, extension: Extension, trail: tuple[str, ...]) -> Route:
        number = extension.number
        if extension.diversions.always:
            return self._lead_to(extension.diversions.always, trail).because(f"{number} diverts all calls")
        if not self.lines.registered(number):
            return self._after(extension, Outcome.NOT_REACHED, trail).because(f"{number} is not registered")
        if extension.busy_detection is BusyDetection.PBX and self.lines.calls_of(number):
            return self._after(extension, Outcome.BUSY, trail).because(f"{number} has a call already")
        return Route(Ring(extension, extension.no_answer_seconds), trail, (f"ring {number}",))

    def _after(self, extension: Extension, outcome: Outcome, trail: tuple[str, ...]) -> Route:
        diversions = extension.diversions
        target = {
            Outcome.BUSY: diversions.busy,
            Outcome.NO_ANSWER: diversions.no_answer,
            Outcome.NOT_REACHED: diversions.not_registered,
        }.get(outcome)
        reason = f"{extension.number}: {outcome.value}"
        if not target:
            return Route(_NATURAL[outcome], trail, (reason,))
        return self._lead_to(target, trail).because(f"{reason}, diverts to {target}")

    def _sent_on(self, extension: Extension, redirected: Redirected, trail: tuple[str, ...]) -> Route:
        """To the first target that takes the call; what is no number of ours counts as not reached."""
        if not self.follow_redirects:
            return self._after(extension, Outcome.NOT_REACHED, trail).because("phones may not send calls on")
        why = f" ({redirected.why})" if redirected.why else ""
        said = f"{extension.number} answers {redirected.status}{why}"
        refusals = []
        for target in redirected.targets:
            route = self._lead_to(target, trail).because(f"{said}, sends the call to {target}")
            if not isinstance(route.action, Refuse):
                return route
            refusals.append(route)
        first = refusals[0]
        return replace(first, action=_NATURAL[Outcome.NOT_REACHED]) if _is_unknown(first) else first


def _is_unknown(route: Route) -> bool:
    return isinstance(route.action, Refuse) and route.action.status == 404
