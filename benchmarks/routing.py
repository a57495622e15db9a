"""What does a routing decision cost, with 1,000 rules of the extension that is called?

python -m benchmarks.routing [--calls 20000] [--rounds 5]

Each case is the worst of its kind: the rule that applies is the last. The yardstick looks at rules one after another,
as plainly as Python can: is the caller the one that the rule names? It is run for as many rules.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.harness import print_table
from pbx.destinations import ExtensionNumber, Voicemail
from pbx.dial_table import DialTable
from pbx.directory import Directory, Extension
from pbx.forwarding.book import Forwarding, Settings
from pbx.forwarding.rules import AdvancedForm, CallType, Hours, Rule, RuleType
from pbx.numbers import NumberingPlan
from pbx.office_hours import WEEKDAYS, Week
from pbx.party import ExternalParty
from pbx.routing import Outcome, Ring, Router

RULES = 1000
MONDAY = datetime(2026, 11, 30, 9, 59, tzinfo=UTC)
CALLER = ExternalParty("+33612345678", trunk="lines")
DIDS = ("0140000001", "+33140000001")


class Lines:
    """Everybody is there and idle."""

    def registered(self, number: str) -> bool:
        """Yes."""
        return True

    def calls_of(self, number: str) -> int:
        """None."""
        return 0


def callers(count: int) -> list[Rule]:
    """Each about another caller."""
    numbers = [f"+3361{number:07}" for number in range(count - 1)]
    return [_rule(RuleType.CALLER_ID, callers=(number,)) for number in [*numbers, CALLER.number]]


def dids(count: int) -> list[Rule]:
    """Each about one caller and another DID."""
    numbers = [f"+3314{number:07}" for number in range(1, count)]
    return [
        _rule(RuleType.CALLER_ID, callers=(CALLER.number,), dids=(number,)) for number in [*numbers, DIDS[1]]
    ]


def hours(count: int) -> list[Rule]:
    """Each at times of its own, of which the last is now."""
    others = [
        Week(**dict.fromkeys(WEEKDAYS, (f"{n // 60 % 8 + 10:02}:{n % 60:02}-24:00",)))
        for n in range(count - 1)
    ]
    now = Week(monday=("09:59-10:00",))
    return [_rule(RuleType.FORWARD_ALL, hours=Hours.SPECIFIC, week=week) for week in [*others, now]]


def shadowed(count: int) -> list[Rule]:
    """All about calls from inside, but for the last."""
    inside = [_rule(RuleType.FORWARD_ALL, calls=CallType.INTERNAL)] * (count - 1)
    return [*inside, _rule(RuleType.FORWARD_ALL)]


def none(count: int) -> list[Rule]:
    """Each about somebody who does not call: the phone rings."""
    return [_rule(RuleType.CALLER_ID, callers=(f"+3361{number:07}",)) for number in range(count)]


def _rule(kind: RuleType, **conditions: object) -> Rule:
    return Rule.model_validate({"type": kind, "action": ExtensionNumber("102"), **conditions})


def router(rules: list[Rule]) -> Router:
    """101 has the rules."""
    people = Directory([Extension(number) for number in ("100", "101", "102")])
    forwarding = Forwarding(lambda: MONDAY, plan=NumberingPlan("FR"))
    forwarding.set("101", Settings(AdvancedForm(rules=tuple(rules))))
    return Router(people, DialTable([]), Lines(), forwarding=forwarding)


def look_at_each(names: list[str]) -> int:
    """The yardstick."""
    found = -1
    for place, name in enumerate(names):
        if name == CALLER.number:
            found = place
    return found


def seconds(work: Callable[[], object], count: int) -> float:
    """CPU seconds of this process, each time."""
    before = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - before) / count


def check(case: str, ask: Router) -> None:
    """The decision is the one that is meant to be measured. Raises ValueError."""
    action = ask.route("101", caller=CALLER, dids=DIDS).action
    expected = "101" if case == "none applies" else "102"
    if not isinstance(action, Ring) or action.extension.number != expected:
        raise ValueError(f"{case}: {action}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    kinds = {
        "one for each of 1,000 callers": callers,
        "one for each of 1,000 DIDs": dids,
        "1,000 with times of their own": hours,
        "999 for calls from inside": shadowed,
        "none applies": none,
    }
    cases = {name: router(make(RULES)) for name, make in kinds.items()}
    for name, ask in cases.items():
        check(name, ask)
    voicemail = router([Rule(type=RuleType.BUSY, action=Voicemail("101"))] * RULES)
    rung = voicemail.route("101", caller=CALLER)
    names = [f"+3361{number:07}" for number in range(RULES)]
    yardsticks: list[float] = []
    figures: dict[str, list[float]] = {name: [] for name in [*cases, "after a 486"]}
    for _ in range(options.rounds):  # interleaved: what slows the machine slows them all
        yardsticks.append(seconds(lambda: look_at_each(names), options.calls // 10))
        for name, ask in cases.items():
            figures[name].append(
                seconds(lambda ask=ask: ask.route("101", caller=CALLER, dids=DIDS), options.calls)  # type: ignore[misc]
            )
        figures["after a 486"].append(seconds(lambda: voicemail.reroute(rung, Outcome.BUSY), options.calls))
    yardstick = statistics.median(yardsticks)
    rows = [("yardstick: 1,000 numbers compared", f"{yardstick * 1e6:.1f} us")]
    for name, measured in figures.items():
        figure = statistics.median(measured)
        rows.append((name, f"{figure * 1e6:.1f} us, {figure / yardstick:.2f} yardsticks"))
    print_table("A routing decision with 1,000 rules", rows)


if __name__ == "__main__":
    main()
