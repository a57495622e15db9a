"""Why a call would go where it would go: every rule that is looked at, and why it does or does not apply.

Nothing is called for it. What the phones would answer is not known, so each answer of theirs is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from pbx.destinations import Destination, Number
from pbx.forwarding.profile import ARRIVAL
from pbx.forwarding.rules import Action, ReachMe, RuleType
from pbx.party import Party
from pbx.routing import Decision, Offer, Outcome, Refuse, Ring, Route, Router, Serve
from pbx.trunks.outbound import CallOut
from pbx.trunks.settings import InboundRule
from values import dataclass

_FOLLOWED = {
    Outcome.NO_ANSWER: "if nobody answers",
    Outcome.BUSY: "if the phone is busy",
    Outcome.DECLINED: "if the user declines",
    Outcome.NOT_REACHED: "if no phone can be reached",
}
_STAGES = {
    RuleType.BUSY: "when busy",
    RuleType.NO_ANSWER: "after no answer",
    RuleType.NOT_REGISTERED: "when not registered",
}
_BLACK_LIST = "the black list"


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule that was looked at."""

    extension: str
    """Whose it is; empty for one of the system."""
    stage: str
    """When: "on arrival", "when busy"; for rules of the system "on the way in", "on the way out"."""
    rule: str
    objection: str
    """Why it does not apply; empty for the one that does."""

    def __str__(self) -> str:
        verdict = f"no, {self.objection}" if self.objection else "applies"
        where = f"{self.extension}, {self.stage}" if self.extension else self.stage
        return f"{where}: {self.rule}: {verdict}"


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a queue or the like sends calls on to."""

    occasion: str
    """Such as "if nobody takes the call"."""
    to: Destination
    chosen: bool = False
    """Whether a person does, by a key: numbers that the call has been at may be visited again."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and what follows from each way in which it can turn out."""

    decision: Decision
    considered: tuple[Considered, ...]
    reasons: tuple[str, ...]
    then: dict[str, Explanation]

    def lines(self, indent: str = "") -> Iterator[str]:
        """For people."""
        for considered in self.considered:
            yield f"{indent}  {considered}"
        for reason in self.reasons:
            yield f"{indent}- {reason}"
        yield f"{indent}=> {_text(self.decision)}"
        for occasion, explanation in self.then.items():
            yield f"{indent}{occasion}:"
            yield from explanation.lines(indent + "    ")

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "decision": _plain(self.decision),
            "considered": [
                {"extension": each.extension or None, "stage": each.stage, "rule": each.rule}
                | {"applies": not each.objection, "why_not": each.objection or None}
                for each in self.considered
            ],
            "reasons": list(self.reasons),
            "then": {occasion: explanation.as_json() for occasion, explanation in self.then.items()},
        }


def explain(
    router: Router,
    destination: Destination,
    *,
    caller: Party,
    dids: tuple[str, ...] = (),
    at: datetime | None = None,
    onward: Mapping[str, Iterable[Onward]] | None = None,
) -> Explanation:
    """What would become of a call to a destination. `onward`: by their numbers, where queues and the like send calls on
    to; each is followed once."""
    lead_to = partial(router.lead_to, caller=caller, dids=dids, at=at)
    return _lead_to(_Asking(router, lead_to, dict(onward or {})), destination, ())


def way_in(looked_at: Iterable[tuple[InboundRule, str]]) -> tuple[Considered, ...]:
    """What inbound rules have to do with a call from outside, each with its objection."""
    return tuple(
        Considered("", "on the way in", f"inbound rule {number} ({rule})", objection)
        for number, (rule, objection) in enumerate(looked_at, 1)
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """One call that is asked about."""

    router: Router
    lead_to: Callable[[Destination, tuple[str, ...]], Route]
    """Asks the router about the same call to somewhere else."""
    onward: dict[str, Iterable[Onward]]
    """Of those that have not been followed yet."""


def _lead_to(asking: _Asking, destination: Destination, trail: tuple[str, ...]) -> Explanation:
    route = asking.lead_to(destination, trail)
    explained = _explained(asking, route, 0, 0, destination)
    if not isinstance(route.action, Serve) or len(route.trail) == len(trail):
        return explained
    onward = asking.onward.pop(route.trail[-1], ())  # that is the number of what serves the call
    then = {each.occasion: _lead_to(asking, each.to, () if each.chosen else route.trail) for each in onward}
    return replace(explained, then=explained.then | then)


def _explained(
    asking: _Asking,
    route: Route,
    asked: int,
    told: int,
    sought: Action | None = None,
    *,
    follow: bool = True,
) -> Explanation:
    """`asked`, `told`: how much of the route was explained before. `sought`: where it leads if no rule applies."""
    then, router = {}, asking.router
    if isinstance(route.action, Ring) and follow:
        for outcome, occasion in _FOLLOWED.items():
            on = router.reroute(route, outcome)
            then[occasion] = _explained(
                asking, on, len(route.asked), len(route.reasons), follow=outcome is Outcome.NO_ANSWER
            )
    considered = tuple(_considered(router, route, asked, sought))
    return Explanation(route.action, considered, route.reasons[told:], then)


def _considered(router: Router, route: Route, asked: int, sought: Action | None) -> Iterator[Considered]:
    for number, types in route.asked[asked:]:
        extension = router.directory.find(number)
        if extension is not None:
            stage = "on arrival" if types == ARRIVAL else _STAGES[next(iter(types))]
            profile = router.forwarding.profile(extension)
            if types == ARRIVAL and profile.rejects_some:
                yield Considered(number, stage, _BLACK_LIST, "the caller is not on it")
            for applied, objection in profile.objections(types, route.situation):
                yield Considered(number, stage, str(applied), objection)
                if not objection:
                    sought = applied.rule.action
    if isinstance(route.action, Refuse) and route.action.blocked_by:
        yield Considered(route.action.blocked_by, "on arrival", _BLACK_LIST, "")
    dialled = sought.dialled if isinstance(sought, Number) else sought.number if isinstance(sought, ReachMe) else ""
    if dialled and _leads_outside(route.action):
        for place, (rule, objection) in enumerate(router.outbound.objections(dialled, router.asker(route)), 1):
            yield Considered("", "on the way out", f"outbound rule {place} ({rule})", objection)


def _leads_outside(decision: Decision) -> bool:
    """Whether outbound rules have decided: a call for help asks none."""
    match decision:
        case (CallOut() as plan) | Offer(plan):
            return not plan.emergency
        case Refuse():
            return bool(decision.barred)
    return False


def _text(decision: Decision) -> str:
    match decision:
        case Ring(extension, seconds):
            return f"ring {extension.number} for {seconds:g} seconds"
        case Serve(handler, arguments):
            given = ", ".join(f"{name} {value}" for name, value in arguments.items())
            return f"{handler}" + (f" ({given})" if given else "")
        case Refuse(status, reason):
            return f"end with {status} {reason}"
        case CallOut():
            return f"call {decision.number} outside by {', '.join(decision.trunks)}"
        case Offer(plan, mailbox):
            return f"call {plan.number} outside and ask; else voicemail {mailbox}"


def _plain(decision: Decision) -> dict[str, Any]:
    match decision:
        case Ring(extension, seconds):
            return {"action": "ring", "extension": extension.number, "seconds": seconds}
        case Serve(handler, arguments):
            return {"action": "serve", "handler": str(handler), "arguments": arguments}
        case Refuse(status, reason):
            return {"action": "refuse", "status": status, "reason": reason}
        case CallOut():
            return {"action": "call_out", "number": str(decision.number), "trunks": list(decision.trunks)}
        case Offer(plan, mailbox):
            offered = {"number": str(plan.number), "trunks": list(plan.trunks), "mailbox": mailbox}
            return {"action": "reach_me", **offered}
