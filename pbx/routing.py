"""Where a call goes, as pure functions of what was dialled and what is known at that moment.

`route` decides for a dialled string, `lead_to` for a destination; `reroute` decides again when an attempt to ring an
extension has failed. All give the decision together with the reasons for it, so that it can be explained and replayed.

Status codes to the caller (RFC 3261 section 21):

    unknown number              404      busy                        486
    nobody registered           480      declined by the user        603
    nobody answers              480      a circle of diversions      480
    nothing serves voicemail    480      no gateway for a URI        404
    caller on the black list    603
    no media in common          488      not allowed to call outside 403
"""

from __future__ import annotations

from dataclasses import field, replace
from datetime import datetime
from enum import Enum
from typing import Protocol

from pbx.destinations import Address, Destination, End, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.dial_table import DialTable, Handler
from pbx.directory import BusyDetection, Directory, Extension
from pbx.forwarding.book import Forwarding
from pbx.forwarding.profile import ARRIVAL, Applied
from pbx.forwarding.rules import Action, ReachMe, RuleType
from pbx.forwarding.situation import Situation
from pbx.party import Party
from pbx.system_numbers import SystemNumbers
from pbx.trunks.outbound import Asker, Barred, CallOut, Outbound
from sipcore.syntax.message import REASONS
from values import dataclass, maker

MAX_DIVERSIONS = 10
"""How many extensions and system numbers one call may visit without anybody choosing."""


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
    barred: str = ""
    """The number outside that is not to be called."""
    blocked_by: str = ""
    """The extension that has the caller on its black list."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Call somebody outside, who is asked whether to take the call; else it goes to a mailbox here."""

    plan: CallOut
    mailbox: str


Decision = Ring | Serve | Refuse | CallOut | Offer


@dataclass(frozen=True, slots=True)
class Route:
    """A decision, the extensions and system numbers visited on the way to it, and why it fell so."""

    action: Decision
    trail: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    situation: Situation = field(default_factory=Situation)
    """The call as rules see it."""
    diversion: str = ""
    """Why the last of the trail forwarded the call, in the words of RFC 5806; empty where it did not."""
    asked: tuple[tuple[str, frozenset[RuleType]], ...] = ()
    """Whose rules were looked at, and which, in this order."""

    def to(self, action: Decision, reason: str) -> Route:
        """Where the way ends."""
        return Route(action, self.trail, (reason,), self.situation, self.diversion, self.asked)

    def past(self, number: str, types: frozenset[RuleType] | None = None) -> Route:
        """The same route after one more of those whom the call must not come back to, and a look at rules of it."""
        trail, asked = (*self.trail, number), self.asked if types is None else (*self.asked, (number, types))
        return Route(self.action, trail, self.reasons, self.situation, self.diversion, asked)

    def because(self, *reasons: str) -> Route:
        """The same route with more reasons, in front."""
        told = (*reasons, *self.reasons)
        return Route(self.action, self.trail, told, self.situation, self.diversion, self.asked)

    def asking(self, number: str, types: frozenset[RuleType]) -> Route:
        """The same route after a look at rules of an extension."""
        asked = (*self.asked, (number, types))
        return Route(self.action, self.trail, self.reasons, self.situation, self.diversion, asked)

    def by(self, diversion: str) -> Route:
        """The same route, sent on for that reason."""
        return Route(self.action, self.trail, self.reasons, self.situation, diversion, self.asked)


_route = maker(Route)


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


_DIVERSIONS = {
    Outcome.BUSY: "user-busy",
    Outcome.NO_ANSWER: "no-answer",
    Outcome.NOT_REACHED: "unavailable",
}
ALWAYS, AWAY, DEFLECTION = "unconditional", "away", "deflection"
_RULES = {
    Outcome.BUSY: frozenset({RuleType.BUSY}),
    Outcome.NO_ANSWER: frozenset({RuleType.NO_ANSWER}),
    Outcome.NOT_REACHED: frozenset({RuleType.NOT_REGISTERED}),
}


_NATURAL = {
    Outcome.BUSY: Refuse(486, "Busy Here"),
    Outcome.DECLINED: Refuse(603, "Decline"),
    Outcome.NO_ANSWER: Refuse(480, "Temporarily Unavailable"),
    Outcome.NOT_REACHED: Refuse(480, "Temporarily Unavailable"),
    Outcome.NOT_ACCEPTABLE: Refuse(488, "Not Acceptable Here"),
}


_NOT_FOUND = Refuse(404, "Not Found")
_UNAVAILABLE = Refuse(480, "Temporarily Unavailable")
_UNSERVED = Refuse(480, "Not Served")


@dataclass(frozen=True, slots=True)
class _Straight:
    """Where whoever dials an extension is led that has no rule for calls that arrive, and turns nobody away: to its
    phones, if they are there and free."""

    edition: int
    """Of the books that say so: the sum of theirs, each of which only grows."""
    ring: Ring
    only_when_free: bool
    trail: tuple[str, ...]
    reasons: tuple[str, ...]
    asked: tuple[tuple[str, frozenset[RuleType]], ...]


@dataclass(frozen=True, slots=True)
class Router:
    """The directory, the dial codes and the state of the lines, ready to be asked."""

    directory: Directory
    dial_table: DialTable
    lines: Lines
    follow_redirects: bool = True
    """Whether phones may send calls elsewhere."""
    outbound: Outbound = field(default_factory=Outbound)
    numbers: SystemNumbers = field(default_factory=SystemNumbers)
    forwarding: Forwarding = field(default_factory=Forwarding)
    _straight: dict[str, _Straight] = field(init=False, repr=False, compare=False)
    """What has been found once for a number, and holds as long as the books are as they were: for most calls all is
    decided by it, and by what the lines do now. Of one router alone: another, made by `replace`, has other rules."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_straight", {})

    def route(
        self,
        dialled: str,
        trail: tuple[str, ...] = (),
        *,
        caller: Party | None = None,
        dids: tuple[str, ...] = (),
        at: datetime | None = None,
    ) -> Route:
        """Decide for a dialled string: one feature, one extension, one way outside, or 404.

        `trail`: numbers not to come back to; the last extension among them pays for a call outside.
        `dids`: the forms of the number outside that was called. `at`: when; now, unless it is given.
        """
        situation = self.forwarding.situation(caller, dids, at)
        known = None if trail else self._straight.get(dialled)
        if known is not None and self._holds(known):
            return _route(known.ring, known.trail, known.reasons, situation, "", known.asked)
        route = self._lead_to(dialled, Route(_NOT_FOUND, trail, (), situation))
        if route.trail == (dialled,) and isinstance(route.action, Ring):
            self._remember(dialled, route, route.action)
        return route

    def _holds(self, known: _Straight) -> bool:
        """Whether the books are as they were, and phones of the extension may be rung now."""
        if known.edition != self.directory.edition + self.numbers.edition + self.forwarding.edition:
            return False
        number = known.ring.extension.number
        if self.forwarding.away(number) or not self.lines.registered(number):
            return False
        return not (known.only_when_free and self.lines.calls_of(number))

    def _remember(self, dialled: str, route: Route, ring: Ring) -> None:
        """That a number has led straight to phones, if it does so whoever calls: one that calls for help leads there
        from outside alone."""
        profile = self.forwarding.profile(ring.extension)
        for_help = self.outbound.trunks and self.outbound.emergency(dialled) is not None
        if profile.is_open_to_all and not for_help:
            edition = self.directory.edition + self.numbers.edition + self.forwarding.edition
            if dialled in self._straight:  # of books that have changed, as all others are
                self._straight.clear()
            detects = profile.busy_detection is BusyDetection.PBX
            self._straight[dialled] = _Straight(edition, ring, detects, route.trail, route.reasons, route.asked)

    def lead_to(
        self,
        destination: Destination,
        trail: tuple[str, ...] = (),
        *,
        caller: Party | None = None,
        dids: tuple[str, ...] = (),
        at: datetime | None = None,
    ) -> Route:
        """Decide for a destination: the same for one that a rule names, a key chooses, or a DID leads to."""
        situation = self.forwarding.situation(caller, dids, at)
        return self._to(destination, Route(_NOT_FOUND, trail, (), situation))

    def knows(self, dialled: str) -> bool:
        """Whether a string is a dial code, a number of the system, or an extension here."""
        return (
            self.dial_table.match(dialled) is not None
            or self.numbers.find(dialled) is not None
            or self.directory.find(dialled) is not None
        )

    def leads_outside(self, dialled: str, caller: Party) -> bool:
        """Whether a string that is dialled names somebody outside, to be called or not."""
        if not self.outbound.trunks:
            return False
        action = self.route(dialled, caller=caller).action
        return isinstance(action, CallOut) or (isinstance(action, Refuse) and bool(action.barred))

    def is_emergency(self, dialled: str, caller: Party) -> bool:
        """Whether a string that is dialled is a call for help."""
        action = self.route(dialled, caller=caller).action
        return isinstance(action, CallOut) and action.emergency

    def reroute(self, failed: Route, outcome: Outcome | Redirected) -> Route:
        """Decide again after the `Ring` of `failed` came to `outcome`."""
        if not isinstance(failed.action, Ring):
            raise TypeError(f"only a Ring can fail, not {failed.action}")
        extension, way = failed.action.extension, replace(failed, reasons=())
        if isinstance(outcome, Redirected):
            route = self._sent_on(extension, outcome, way)
        else:
            route = self._after(extension, outcome, way)
        return replace(route, reasons=failed.reasons + route.reasons)

    def _lead_to(self, address: str, way: Route) -> Route:
        """Decide for a string that was dialled, or that a forward names, on the way so far."""
        outside = self._outside(address, way) if self.outbound.trunks else None
        if outside is not None and isinstance(outside.action, CallOut) and outside.action.emergency:
            return outside
        code = self.dial_table.match(address)
        if code is not None:
            handler, arguments = code
            return way.to(Serve(handler, arguments), f"{address} is the dial code {handler}")
        if self.numbers.find(address) is not None:
            return self._to_system(address, way)
        if outside is not None and self.directory.find(address) is None:
            return outside
        return self._to_extension(address, way)

    def _to(self, destination: Destination, way: Route) -> Route:
        match destination:
            case ExtensionNumber(number):
                return self._to_extension(number, way)
            case Voicemail(mailbox):
                return self._serve("voicemail", mailbox, way)
            case SystemNumber(number):
                return self._to_system(number, way)
            case Number(dialled):
                return self._lead_to(dialled, way)
            case Address():
                return self._to_address(destination, way)
            case End(busy):
                return way.to(_NATURAL[Outcome.BUSY] if busy else _UNAVAILABLE, "the call ends")

    def _to_extension(self, number: str, way: Route) -> Route:
        extension = self.directory.find(number)
        if extension is None:
            return way.to(_NOT_FOUND, f"{number} is no extension")
        return _circle(extension.number, way) or self._deliver(extension, way)

    def _to_system(self, number: str, way: Route) -> Route:
        entry = self.numbers.find(number)
        if entry is None:
            return way.to(_NOT_FOUND, f"{number} is no number of the system")
        return _circle(number, way) or self._serve(entry.kind, number, way.past(number))

    def _serve(self, kind: str, number: str, way: Route) -> Route:
        """Give the call to the feature that serves the kind."""
        service = self.numbers.services.get(kind)
        if service is None:
            return way.to(_UNSERVED, f"nothing serves {kind} {number}")
        return way.to(Serve(service.handler, service.arguments(number)), f"to {kind} {number}")

    def _outside(self, address: str, way: Route) -> Route | None:
        """The way outside, if there is one; on the account of whoever forwarded the call there, else of the caller."""
        answer = self.outbound.route(address, self.asker(way))
        if isinstance(answer, CallOut):
            return way.to(answer, f"{address} leads outside: {answer.rule}")
        if isinstance(answer, Barred):
            return way.to(
                Refuse(403, answer.reason, str(answer.number)), f"{address} is barred: {answer.reason}"
            )
        return None

    def _to_address(self, address: Address, way: Route) -> Route:
        plan = self.outbound.reach(address, self.asker(way))
        if plan is None:
            return way.to(_NOT_FOUND, f"there is no gateway for {address.scheme}:")
        return way.to(plan, f"to {address.uri} by a gateway")

    def asker(self, way: Route) -> Asker:
        """Who pays: the last extension that forwarded the call, else the caller."""
        from_trunk = not way.situation.internal
        own = "" if from_trunk else way.situation.caller
        sent_on_by = (number for number in reversed(way.trail) if self.directory.find(number) is not None)
        return Asker(next(sent_on_by, own), from_trunk)

    def _deliver(self, extension: Extension, way: Route) -> Route:
        number, profile = extension.number, self.forwarding.profile(extension)
        if profile.rejects(way.situation):
            status = 603 if way.situation.internal else self.forwarding.defaults.rejection
            blocked = Refuse(status, REASONS[status], blocked_by=number)
            return way.past(number).to(blocked, f"{number} has {way.situation.caller or 'anonymous'} on the black list")
        way = way.past(number, ARRIVAL)
        applied = profile.first(ARRIVAL, way.situation)
        if applied is not None:
            return self._apply(applied, extension, way, ALWAYS)
        if self.forwarding.away(number):
            away = self._after(extension, Outcome.BUSY, way, AWAY)
            return away.because(f"{number} is away, which counts as busy")
        if not self.lines.registered(number):
            return self._after(extension, Outcome.NOT_REACHED, way).because(f"{number} is not registered")
        if profile.busy_detection is BusyDetection.PBX and self.lines.calls_of(number):
            return self._after(extension, Outcome.BUSY, way).because(f"{number} has a call already")
        return way.to(Ring(extension, profile.no_answer_seconds), f"ring {number}")

    def _after(self, extension: Extension, outcome: Outcome, way: Route, diversion: str = "") -> Route:
        """What the extension does after it was not reached; the natural end where no rule applies, or it leads to a
        voicemail that there is not."""
        reason = f"{extension.number}: {outcome.value}"
        on = None
        if outcome in _RULES:
            way = way.asking(extension.number, _RULES[outcome])
            applied = self.forwarding.profile(extension).first(_RULES[outcome], way.situation)
            if applied is not None:
                on = self._apply(applied, extension, way, diversion or _DIVERSIONS[outcome])
        if on is None:
            return way.to(_NATURAL[outcome], reason)
        natural = on.to(_NATURAL[outcome], on.reasons[-1]) if on.action == _UNSERVED else on
        return natural.because(reason)

    def _apply(self, applied: Applied, extension: Extension, way: Route, diversion: str) -> Route:
        """Where a rule of the extension leads."""
        on = self._act(applied.rule.action, extension, way.by(diversion))
        return on.because(f"{extension.number}: {applied}")

    def _act(self, action: Action, extension: Extension, way: Route) -> Route:
        if not isinstance(action, ReachMe):
            return self._to(action, way)
        on = self._lead_to(action.number, way)
        if isinstance(on.action, CallOut):
            return replace(on, action=Offer(on.action, extension.number))
        if isinstance(on.action, Refuse):
            return self._to(Voicemail(extension.number), way).because(*on.reasons)
        return on

    def _sent_on(self, extension: Extension, redirected: Redirected, way: Route) -> Route:
        """To the first target that takes the call; what is no number of ours counts as not reached."""
        if not self.follow_redirects:
            return self._after(extension, Outcome.NOT_REACHED, way).because("phones may not send calls on")
        why = f" ({redirected.why})" if redirected.why else ""
        said = f"{extension.number} answers {redirected.status}{why}"
        refusals = []
        for target in redirected.targets:
            on = self._lead_to(target, way.by(DEFLECTION))
            route = on.because(f"{said}, sends the call to {target}")
            if not isinstance(route.action, Refuse):
                return route
            refusals.append(route)
        first = refusals[0]
        return replace(first, action=_NATURAL[Outcome.NOT_REACHED]) if _is_unknown(first) else first


def _circle(number: str, way: Route) -> Route | None:
    """The end of a call that would come back to `number`, or has been sent on too often."""
    if number not in way.trail and len(way.trail) < MAX_DIVERSIONS:
        return None
    return way.to(_UNAVAILABLE, f"diversions go round: {' > '.join((*way.trail, number))}")


def _is_unknown(route: Route) -> bool:
    return isinstance(route.action, Refuse) and route.action.status == 404
