"""What one extension does with its calls, made ready to be asked."""

from __future__ import annotations

from pbx.directory import BusyDetection
from pbx.forwarding.callers import BlackList, all_forms
from pbx.forwarding.index import Stage
from pbx.forwarding.rules import AdvancedForm, CallType, Hours, Rule, RuleType
from pbx.forwarding.situation import Situation
from pbx.numbers import NumberingPlan
from values import dataclass

ARRIVAL = frozenset({RuleType.FORWARD_ALL, RuleType.CALLER_ID})
"""Tried when a call arrives; the three others each at a moment of their own."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One of the rules, by its place in the list of the user."""

    number: int
    """From 1."""
    rule: Rule
    text: str

    def __str__(self) -> str:
        return self.text


class Profile:
    """The rules and the black list of an extension."""

    def __init__(
        self, form: AdvancedForm, plan: NumberingPlan | None = None, black_list: BlackList | None = None
    ) -> None:
        """`plan`: how numbers are written here."""
        plan, black_list = plan or NumberingPlan(), black_list or BlackList()
        self.no_answer_seconds = form.no_answer_seconds
        self.busy_detection: BusyDetection = form.busy_detection
        self._rules = [
            Applied(number, rule, f"rule {number} ({rule})") for number, rule in enumerate(form.rules, 1)
        ]
        self._plan = plan
        self._rejected = all_forms(black_list.numbers, plan)
        self._rejects_anonymous = black_list.reject_anonymous
        stages = (ARRIVAL, *(frozenset({kind}) for kind in RuleType if kind not in ARRIVAL))
        kinds = {rule.type for rule in form.rules}
        self._stages = {types: Stage(form.rules, types, plan) for types in stages if types & kinds}

    def rejects(self, situation: Situation) -> bool:
        """Whether the caller is on the black list, or withholds the number where that is not wanted."""
        if not situation.caller:
            return self._rejects_anonymous and not situation.internal
        return situation.caller in self._rejected

    @property
    def rejects_some(self) -> bool:
        """Whether there is a black list."""
        return bool(self._rejected) or self._rejects_anonymous

    @property
    def is_open_to_all(self) -> bool:
        """Whether no rule is tried when a call arrives, and nobody is turned away."""
        return ARRIVAL not in self._stages and not self.rejects_some

    def first(self, types: frozenset[RuleType], situation: Situation) -> Applied | None:
        """The first rule of these types that applies: ARRIVAL, or one type."""
        stage = self._stages.get(types)
        place = None if stage is None else stage.first(situation)
        return None if place is None else self._rules[place]

    def objections(self, types: frozenset[RuleType], situation: Situation) -> list[tuple[Applied, str]]:
        """Each rule of these types up to the one that applies, with why it does not; empty for the one that does."""
        looked_at = []
        for each in self._rules:
            if each.rule.type in types:
                objection = self._objection(each.rule, situation)
                looked_at.append((each, objection))
                if not objection:
                    break
        return looked_at

    def _objection(self, rule: Rule, situation: Situation) -> str:
        if rule.calls is not CallType.ALL and (rule.calls is CallType.INTERNAL) != situation.internal:
            return f"the call is {'internal' if situation.internal else 'external'}"
        if rule.hours is Hours.SPECIFIC:
            if not any(begin <= situation.minute < end for begin, end in rule.week.intervals()):
                return "it is another time of the week"
        elif rule.hours is not Hours.ALL and (rule.hours is Hours.OFFICE) != situation.open:
            return f"it is {'within' if situation.open else 'outside'} office hours"
        if rule.callers and situation.caller not in all_forms(rule.callers, self._plan):
            return "somebody else calls" if situation.caller else "the caller withholds the number"
        if rule.dids and not all_forms(rule.dids, self._plan) & set(situation.dids):
            return "another number was called" if situation.dids else "no number outside was called"
        return ""
