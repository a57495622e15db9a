"""What every extension has set, and what follows from it for a call at this moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from enum import Enum
from typing import Literal, Protocol

from pbx.config_values import Table
from pbx.destinations import Destination, Voicemail, parse_target
from pbx.directory import BusyDetection, Diversions, Extension
from pbx.forwarding.callers import BlackList
from pbx.forwarding.profile import Profile
from pbx.forwarding.rules import AdvancedForm, Rule, RuleType
from pbx.forwarding.simple import OWN_VOICEMAIL, SimpleForm, advanced
from pbx.forwarding.situation import Situation
from pbx.numbers import NumberingPlan
from pbx.office_hours import OfficeHours
from pbx.party import ExternalParty, Party
from values import dataclass


class ForwardingDefaults(Table):
    """`[forwarding]`: what holds where users have set nothing else."""

    unanswered: Literal["voicemail", "end"] = "voicemail"
    """Where calls go on to that nobody takes, for an extension that has no `forward`."""
    rejection: Literal[403, 404, 480, 486, 603] = 603
    """The response to a caller from outside whom a user has on the black list; one from inside gets 603."""


class Policy(Protocol):
    """What the configuration says for all extensions."""

    @property
    def office_hours(self) -> OfficeHours:
        """When the company is there."""

    @property
    def forwarding(self) -> ForwardingDefaults:
        """What holds where users have set nothing else."""


class Interface(Enum):
    """Which of the two forms is active."""

    SIMPLE = "simple"
    ADVANCED = "advanced"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a user has set for calls to the extension: one of the two forms, and the black list."""

    form: SimpleForm | AdvancedForm = field(default_factory=SimpleForm)
    black_list: BlackList = field(default_factory=BlackList)

    @property
    def interface(self) -> Interface:
        """Which form it is."""
        return Interface.SIMPLE if isinstance(self.form, SimpleForm) else Interface.ADVANCED

    def rules(self, own: str) -> AdvancedForm:
        """The rules in force for extension `own`."""
        return advanced(self.form, own) if isinstance(self.form, SimpleForm) else self.form


_OCCASIONS = {
    "always": RuleType.FORWARD_ALL,
    "busy": RuleType.BUSY,
    "no_answer": RuleType.NO_ANSWER,
    "not_registered": RuleType.NOT_REGISTERED,
}


def seed(extension: Extension, default: ForwardingDefaults) -> Settings:
    """What the configuration says: the simple form where it names no forwards, else a rule for each of them."""
    diversions, seconds = extension.diversions, extension.no_answer_seconds
    if diversions == Diversions() and default.unanswered == OWN_VOICEMAIL:
        phone_decides = extension.busy_detection is BusyDetection.PHONE
        return Settings(SimpleForm(no_answer_seconds=seconds, more_than_one_call=phone_decides))
    targets = {kind: getattr(diversions, occasion) for occasion, kind in _OCCASIONS.items()}
    rules = [
        Rule(type=kind, action=destination(target, extension.number))
        for kind, target in targets.items()
        if target
    ]
    return Settings(
        AdvancedForm(rules=tuple(rules), no_answer_seconds=seconds, busy_detection=extension.busy_detection)
    )


def destination(text: str, own: str) -> Destination:
    """What a forward of the configuration names: a number, or any destination."""
    if text == OWN_VOICEMAIL:
        return Voicemail(own)
    return parse_target(text)


class Forwarding:
    """The settings by extension; each is made ready for questions when the first is asked."""

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime(1, 1, 1, tzinfo=UTC),
        config: Policy | None = None,
        plan: NumberingPlan | None = None,
        away: Callable[[str], bool] = lambda number: False,
    ) -> None:
        """`plan`: how numbers are written here. `away` says of an extension whether its user takes no calls."""
        self.wall = wall
        self.hours = OfficeHours() if config is None else config.office_hours
        self.defaults = ForwardingDefaults() if config is None else config.forwarding
        self.plan = plan or NumberingPlan()
        self.away = away
        self.edition = 0
        """Another one when what is set has changed."""
        self._settings: dict[str, Settings] = {}
        self._profiles: dict[str, tuple[Extension, Profile]] = {}

    def settings(self, extension: Extension) -> Settings:
        """What is set for an extension; what the configuration says until something else is."""
        return self._settings.get(extension.number) or self.seeded(extension)

    def seeded(self, extension: Extension) -> Settings:
        """What the configuration says."""
        return seed(extension, self.defaults)

    def set(self, number: str, settings: Settings | None) -> None:
        """Let this be in force from now on; None: what the configuration says."""
        self.edition += 1
        self._profiles.pop(number, None)
        if settings is None:
            self._settings.pop(number, None)
        else:
            self._settings[number] = settings

    def use(self, extension: Extension, settings: Settings, profile: Profile) -> None:
        """The same, with what `prepared` has made of it: with a thousand rules that takes a while."""
        self.set(extension.number, settings)
        self._profiles[extension.number] = extension, profile

    def prepared(self, extension: Extension, settings: Settings) -> Profile:
        """What the extension would do with its calls. Any thread may ask."""
        return Profile(settings.rules(extension.number), self.plan, settings.black_list)

    def profile(self, extension: Extension) -> Profile:
        """What the extension does with its calls."""
        known, profile = self._profiles.get(extension.number, (None, None))
        if known is not extension or profile is None:
            profile = self.prepared(extension, self.settings(extension))
            self._profiles[extension.number] = extension, profile
        return profile

    def situation(
        self, caller: Party | None, dids: tuple[str, ...] = (), at: datetime | None = None
    ) -> Situation:
        """A call as rules see it, at this moment unless another is given."""
        number = "" if caller is None else caller.number
        return Situation(number, not isinstance(caller, ExternalParty), dids, at or self.wall(), self.hours)
