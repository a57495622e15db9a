"""The simple form: what most people need, on one page. It stands for a full set of rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pbx.config_values import Table
from pbx.destinations import End, Number, Voicemail, parse
from pbx.directory import BusyDetection
from pbx.forwarding.rules import SECONDS, Action, AdvancedForm, CallType, Hours, ReachMe, Rule, RuleType
from pbx.forwarding.words import Help

OWN_VOICEMAIL = "voicemail"

_Elsewhere = Annotated[str, Field(pattern=r"^extension:[0-9]{1,15}$")]
_Outside = Annotated[
    str, Field(pattern=r"^(number:\+?[0-9*#]{1,32}|uri:[a-z][a-z0-9+.-]{0,15}:[!-~]{1,200})$")
]


class ForwardAll(Table):
    """Where all calls go while the user is out of the office."""

    to: Annotated[
        Literal["voicemail"] | _Elsewhere | _Outside,
        Help(
            "Votre messagerie vocale, un autre poste, ou un numéro extérieur composé comme ici, préfixe compris.",
            "Your voice mail, another extension, or a number outside as you dial it here, prefix included.",
        ),
    ]
    offer: Annotated[
        bool,
        Help(
            "Qui décroche à l'extérieur entend qui appelle, et peut laisser l'appel à la messagerie vocale d'ici.",
            "Whoever answers the number outside hears who calls, and may leave the call to the voice mail here.",
        ),
    ] = False
    """Whether who answers a number outside is asked first, and may leave the call to the voicemail here."""
    outside_office_hours: Annotated[
        Literal["forward", "voicemail"],
        Help(
            "Hors des heures de bureau : transférer aussi, ou laisser ces appels à votre messagerie vocale.",
            "Outside the office hours of the company: forward too, or keep these calls for your voice mail.",
        ),
    ] = "forward"
    only_external: Annotated[
        bool,
        Help(
            "Seuls les appels de l'extérieur sont transférés ; ceux de l'intérieur vont à votre messagerie vocale.",
            "Only calls from outside are forwarded; those from inside go to your voice mail.",
        ),
    ] = False
    """Whether calls from inside go to the voicemail instead."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.offer and not self.to.startswith("number:"):
            raise ValueError("offer goes with a number outside only")
        return self


class SimpleForm(Table):
    """The page of an extension. A target is its own "voicemail", "extension:102", or the end of the call."""

    no_answer_seconds: Annotated[float, Field(ge=1, le=300), SECONDS] = 60.0
    no_answer: Annotated[
        Literal["voicemail", "end"] | _Elsewhere,
        Help(
            "Où va un appel auquel vous ne répondez pas, ou qui ne trouve aucun téléphone.",
            "Where a call goes that you do not answer, or that finds no phone of yours.",
        ),
    ] = "voicemail"
    """For phones that cannot be reached at all, too."""
    busy: Annotated[
        Literal["voicemail", "busy"] | _Elsewhere,
        Help(
            "Où va un appel pendant que vous êtes en ligne, ou absent.",
            "Where a call goes while you are on the phone, or away.",
        ),
    ] = "voicemail"
    """For a user who is away, too."""
    more_than_one_call: Annotated[
        bool,
        Help(
            "Votre téléphone sonne pour un autre appel pendant que vous êtes en ligne.",
            "Your phone rings for another call while you are on the phone.",
        ),
    ] = False
    """Whether a phone in a call rings for the next one; the phone itself says then if it is busy."""
    forward_all: Annotated[
        ForwardAll | None,
        Help(
            "Pendant votre absence du bureau : tous les appels y vont, et tout ce qui est réglé plus haut attend.",
            "While you are out of the office: all calls go there, and all that is set above waits.",
        ),
    ] = None


def advanced(form: SimpleForm, own: str) -> AdvancedForm:
    """The rules that the form of extension `own` stands for: each call goes the same way by them."""
    no_answer = _target(form.no_answer, own)
    return AdvancedForm(
        rules=(
            *_all(form.forward_all, own),
            Rule(type=RuleType.NO_ANSWER, action=no_answer),
            Rule(type=RuleType.BUSY, action=_target(form.busy, own)),
            Rule(type=RuleType.NOT_REGISTERED, action=no_answer),
        ),
        no_answer_seconds=form.no_answer_seconds,
        busy_detection=BusyDetection.PHONE if form.more_than_one_call else BusyDetection.PBX,
    )


def _all(forward: ForwardAll | None, own: str) -> tuple[Rule, ...]:
    if forward is None:
        return ()
    voicemail, target = Voicemail(own), _target(forward.to, own)
    action: Action = ReachMe(target.dialled) if forward.offer and isinstance(target, Number) else target
    rules = [Rule(type=RuleType.FORWARD_ALL, action=action)]
    if forward.outside_office_hours == OWN_VOICEMAIL:
        rules.insert(0, Rule(type=RuleType.FORWARD_ALL, hours=Hours.OUTSIDE, action=voicemail))
    if forward.only_external:
        rules.insert(0, Rule(type=RuleType.FORWARD_ALL, calls=CallType.INTERNAL, action=voicemail))
    return tuple(rules)


def targets(form: SimpleForm, own: str) -> Iterator[tuple[str, Action]]:
    """Where the form of extension `own` leads, each with its key."""
    yield "no_answer", _target(form.no_answer, own)
    yield "busy", _target(form.busy, own)
    if form.forward_all is not None:
        yield "forward_all.to", _target(form.forward_all.to, own)


def _target(text: str, own: str) -> Action:
    if text == OWN_VOICEMAIL:
        return Voicemail(own)
    return End() if text == "end" else parse(text)
