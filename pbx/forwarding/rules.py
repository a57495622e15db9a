"""The advanced form: rules in an order that the user chooses. The first that meets all conditions is applied.

`forward_all` and `caller_id` rules are tried when a call arrives, `busy` and `not_registered` ones when it is to be
delivered (or a phone says 486), `no_answer` ones when it has rung for so long.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any, Self

from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from pbx.config_values import Table
from pbx.destinations import Destination, parse
from pbx.directory import BusyDetection
from pbx.office_hours import Week
from values import dataclass

MAX_RULES = 1000
MAX_NUMBERS = 100
"""How many numbers one rule names."""
MAX_KEYS = 10_000
"""How many pairs of a caller and a DID all rules of an extension are about."""

_REACH_ME = re.compile(r"reach-me:(\+?[0-9*#]{1,32})")


@dataclass(frozen=True, slots=True)
class ReachMe:
    """A number outside: whoever answers there is asked whether to take the call, or leave it to the voicemail here."""

    number: str
    """As it is dialled here, with the prefix."""

    def __str__(self) -> str:
        return f"reach-me:{self.number}"


Action = Destination | ReachMe


def parse_action(text: str) -> Action:
    """The action of which `text` is the `str`. Raises ValueError."""
    reach_me = _REACH_ME.fullmatch(text)
    return ReachMe(reach_me[1]) if reach_me else parse(text)


def _action(value: Any) -> Action:
    if isinstance(value, str):
        return parse_action(value)
    if isinstance(value, Action):
        return value
    raise ValueError("should be the text of a destination")


class RuleType(Enum):
    """When a rule is tried."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    NOT_REGISTERED = "not_registered"
    FORWARD_ALL = "forward_all"
    CALLER_ID = "caller_id"

    __hash__ = object.__hash__


class Hours(Enum):
    """The time at which a rule applies."""

    ALL = "all"
    OFFICE = "office"
    OUTSIDE = "outside"
    SPECIFIC = "specific"
    """At the times of the rule's own week."""

    __hash__ = object.__hash__


class CallType(Enum):
    """The calls to which a rule applies."""

    ALL = "all"
    INTERNAL = "internal"
    EXTERNAL = "external"

    __hash__ = object.__hash__


Caller = Annotated[str, Field(pattern=r"^[+0-9A-Za-z*#._()/ -]{1,64}$")]
"""A number as a phone shows it."""


class Rule(Table):
    """One rule. A number is among `callers` or `dids` in whatever form it is written; none there: any."""

    type: RuleType
    action: Annotated[Action, PlainValidator(_action), PlainSerializer(str, return_type=str)]
    hours: Hours = Hours.ALL
    week: Week = Week()
    """For `Hours.SPECIFIC`, by the clock of the office; office hours and holidays do not matter then."""
    calls: CallType = CallType.ALL
    callers: Annotated[tuple[Caller, ...], Field(max_length=MAX_NUMBERS)] = ()
    dids: Annotated[tuple[Caller, ...], Field(max_length=MAX_NUMBERS)] = ()
    """The number outside that was called."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.type is RuleType.CALLER_ID and not (self.callers or self.dids):
            raise ValueError("needs callers or dids, for it is about these")
        if (self.hours is Hours.SPECIFIC) != self.week.kept:
            raise ValueError("needs times in week for specific hours, and for these only")
        return self

    def __str__(self) -> str:
        conditions = [self.type.value.replace("_", " ")]
        if self.hours is not Hours.ALL:
            conditions.append(f"{self.hours.value} hours")
        if self.calls is not CallType.ALL:
            conditions.append(f"{self.calls.value} calls")
        conditions += [f"from {_shortened(self.callers)}"] if self.callers else []
        conditions += [f"DID {_shortened(self.dids)}"] if self.dids else []
        return f"{', '.join(conditions)} -> {self.action}"


class AdvancedForm(Table):
    """All rules of an extension, in their order, and what belongs to all of them."""

    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)] = ()
    no_answer_seconds: Annotated[float, Field(ge=1, le=300)] = 60.0
    busy_detection: BusyDetection = BusyDetection.PBX

    @model_validator(mode="after")
    def _not_too_large(self) -> Self:
        if sum(max(1, len(rule.callers)) * max(1, len(rule.dids)) for rule in self.rules) > MAX_KEYS:
            raise ValueError(f"is about more than {MAX_KEYS} pairs of caller and DID")
        return self


def moved(form: AdvancedForm, index: int, by: int) -> AdvancedForm:
    """The form with one rule moved up (`by` < 0) or down; at the end of the list it stays. Raises IndexError."""
    rules = list(form.rules)
    rule = rules.pop(index)
    rules.insert(max(0, index + by), rule)
    return form.model_copy(update={"rules": tuple(rules)})


def _shortened(numbers: tuple[str, ...]) -> str:
    first = ", ".join(numbers[:3])
    return first + (f" and {len(numbers) - 3} more" if len(numbers) > 3 else "")
