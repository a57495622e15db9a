"""The advanced form: rules in an order that the user chooses. The first that meets all conditions is applied.

`forward_all` and `caller_id` rules are tried when a call arrives, `busy` and `not_registered` ones when it is to be
delivered (or a phone says 486), `no_answer` ones when it has rung for so long.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from itertools import count
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from pbx.config_values import Table
from pbx.destinations import Destination, parse
from pbx.directory import BusyDetection
from pbx.forwarding.words import Help
from pbx.office_hours import Week
from values import dataclass

MAX_RULES = 1000
MAX_ID = 1_000_000_000
MAX_NUMBERS = 100
"""How many numbers one rule names."""
MAX_KEYS = 10_000
"""How many pairs of a caller and a DID all rules of an extension are about."""

SECONDS = Help(
    "Combien de temps votre téléphone sonne avant que l'appel compte comme resté sans réponse.",
    "How long your phone rings before the call counts as not answered.",
)

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


@cache
def _any_time() -> Week:
    """One for all rules that keep no times of their own."""
    return Week()


Caller = Annotated[str, Field(pattern=r"^[+0-9A-Za-z*#._()/ -]{1,64}$")]
"""A number as a phone shows it."""


class Rule(Table):
    """One rule. A number is among `callers` or `dids` in whatever form it is written; none there: any."""

    type: Annotated[
        RuleType,
        Help(
            "Les appels dont il s'agit : restés sans réponse, arrivés quand le poste est occupé ou sans téléphone, "
            "tous, ou ceux de certains appelants.",
            "Which calls this is about: those that are not answered, that find the phone busy or no phone at all, "
            "all calls, or those of given callers.",
        ),
    ]
    action: Annotated[
        Action,
        PlainValidator(_action),
        PlainSerializer(str, return_type=str),
        Help("Où va l'appel.", "Where the call goes."),
    ]
    hours: Annotated[
        Hours,
        Help(
            "Quand la règle s'applique : toujours, pendant ou hors des heures de bureau de la société, ou à vos "
            "heures.",
            "When the rule applies: always, within or outside the company's office hours, or at times of your own.",
        ),
    ] = Hours.ALL
    week: Annotated[
        Week,
        Help(
            "Vos propres heures, pour chaque jour de la semaine, comme 08:30-12:00.",
            "Times of your own, for each day of the week, such as 08:30-12:00.",
        ),
    ] = Field(default_factory=_any_time)
    """For `Hours.SPECIFIC`, by the clock of the office; office hours and holidays do not matter then."""
    calls: Annotated[
        CallType,
        Help(
            "Tous les appels, ceux de l'intérieur seulement, ou ceux de l'extérieur seulement.",
            "All calls, those from inside only, or those from outside only.",
        ),
    ] = CallType.ALL
    callers: Annotated[
        tuple[Caller, ...],
        Field(max_length=MAX_NUMBERS),
        Help(
            "Les appelants dont il s'agit, tels que le téléphone les affiche ; vide : tous.",
            "The callers this is about, as the phone shows them; empty: all.",
        ),
    ] = ()
    dids: Annotated[
        tuple[Caller, ...],
        Field(max_length=MAX_NUMBERS),
        Help(
            "Le numéro de la société qui a été composé ; vide : n'importe lequel.",
            "The number of the company that was dialled; empty: any.",
        ),
    ] = ()
    """The number outside that was called."""
    id: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    """What it is called by in its form, as long as it is there; 0: it is in none yet."""

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


def _with_ids(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """An `id` for each that has none, and each its own."""
    given = [rule.id for rule in rules if rule.id]
    if len(set(given)) < len(given):
        raise ValueError("should have each id once")
    ids = count(max(given, default=0) + 1)
    return tuple(rule if rule.id else rule.model_copy(update={"id": next(ids)}) for rule in rules)


class AdvancedForm(Table):
    """All rules of an extension, in their order, and what belongs to all of them."""

    rules: Annotated[
        tuple[Rule, ...],
        Field(max_length=MAX_RULES),
        AfterValidator(_with_ids),
        Help(
            "La première règle dont toutes les conditions sont remplies est appliquée, et aucune autre.",
            "The first rule that meets all conditions is applied, and no other.",
        ),
    ] = ()
    no_answer_seconds: Annotated[float, Field(ge=1, le=300), SECONDS] = 60.0
    busy_detection: Annotated[
        BusyDetection,
        Help(
            "Qui dit que le poste est occupé. La plupart des téléphones acceptent un deuxième appel : pour un renvoi "
            "quand vous êtes en ligne, choisissez le standard (PABX).",
            "Who says that the phone is busy. Most phones accept a second call: to forward calls while you are on the "
            "phone, choose the system (PBX).",
        ),
    ] = BusyDetection.PBX
    last_id: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    """The highest `id` that a rule has had, so that none is given twice."""

    @model_validator(mode="after")
    def _not_too_large(self) -> Self:
        if sum(max(1, len(rule.callers)) * max(1, len(rule.dids)) for rule in self.rules) > MAX_KEYS:
            raise ValueError(f"is about more than {MAX_KEYS} pairs of caller and DID")
        return self


def _shortened(numbers: tuple[str, ...]) -> str:
    first = ", ".join(numbers[:3])
    return first + (f" and {len(numbers) - 3} more" if len(numbers) > 3 else "")
