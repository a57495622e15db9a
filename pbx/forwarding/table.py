"""The rules of an extension as the table of a page shows them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pbx.destinations import Address, End, ExtensionNumber, Number, SystemNumber, Voicemail
from pbx.forwarding.edits import Button
from pbx.forwarding.rules import Action, AdvancedForm, CallType, Hours, ReachMe, Rule, RuleType
from pbx.forwarding.words import Words
from pbx.office_hours import WEEKDAYS, Week
from values import dataclass

COLUMNS = (
    Words("Type de règle", "Rule Type"),
    Words("Heures", "Hours"),
    Words("Type d'appel", "Call Type"),
    Words("Appelant / numéro appelé", "Caller ID/DID"),
    Words("Action", "Action"),
)

TYPES = {
    RuleType.NO_ANSWER: Words("Pas de réponse", "No Answer"),
    RuleType.BUSY: Words("Téléphone occupé", "Phone Busy"),
    RuleType.NOT_REGISTERED: Words("Téléphone non enregistré", "Phone Not Registered"),
    RuleType.FORWARD_ALL: Words("Tous les appels", "Forward All"),
    RuleType.CALLER_ID: Words("Selon l'appelant", "Based on Caller ID"),
}
HOURS = {
    Hours.ALL: Words("Toutes les heures", "All Hours"),
    Hours.OFFICE: Words("Heures de bureau", "Office Hours"),
    Hours.OUTSIDE: Words("Hors heures de bureau", "Outside Office Hours"),
    Hours.SPECIFIC: Words("Heures précises", "Specific Hours"),
}
CALLS = {
    CallType.ALL: Words("Tous les appels", "All Calls"),
    CallType.INTERNAL: Words("Appels internes", "Internal Calls"),
    CallType.EXTERNAL: Words("Appels externes", "External Calls"),
}
BUTTONS = {
    Button.ADD: Words("Ajouter", "Add Rule"),
    Button.UPDATE: Words("Modifier", "Update"),
    Button.DELETE: Words("Supprimer", "Delete"),
    Button.UP: Words("Monter", "Move Up"),
    Button.DOWN: Words("Descendre", "Move Down"),
    Button.CLEAR: Words("Effacer", "Clear"),
}

_VOICEMAIL = Words("Vers la messagerie vocale {}", "Forward to Voice mail {}")
_EXTENSION = Words("Vers le poste {}", "Forward to Extension {}")
_NUMBER = Words("Vers le numéro {}", "Forward to Number {}")
_REACH_ME = Words("Vers le numéro {}, ou la messagerie vocale si on refuse", "Forward to Number {}, Offer Voice mail")
_ADDRESS = Words("Vers {}", "Forward to {}")
_END = Words("Terminer l'appel", "End the Call")
_BUSY = Words("Donner la tonalité d'occupation", "Give Busy Tone")
_SYSTEM = {
    "queue": Words("Vers la file d'attente {}", "Forward to Queue {}"),
    "ring_group": Words("Vers le groupe de sonnerie {}", "Forward to Ring Group {}"),
    "receptionist": Words("Vers le standard automatique {}", "Forward to Digital Receptionist {}"),
}
_DID = Words("appelle le {}", "DID {}")
_DAYS = tuple(
    map(
        Words,
        ("lun", "mar", "mer", "jeu", "ven", "sam", "dim"),
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    )
)


@dataclass(frozen=True, slots=True)
class Names:
    """What the table says of numbers, beside these."""

    people: Mapping[str, str] = field(default_factory=dict)
    """Whose an extension is."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Whether a number of the system is a "queue", a "ring_group" or a "receptionist"."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule."""

    id: int
    cells: tuple[str, str, str, str, str]
    """In the order of `COLUMNS`."""


def columns(language: str) -> tuple[str, ...]:
    """The headings."""
    return tuple(column.said(language) for column in COLUMNS)


def table(form: AdvancedForm, language: str = "en", names: Names | None = None) -> tuple[Row, ...]:
    """A row for each rule, in their order. `language`: "en" or "fr"."""
    names = names or Names()
    return tuple(Row(rule.id, _cells(rule, language, names)) for rule in form.rules)


def _cells(rule: Rule, language: str, names: Names) -> tuple[str, str, str, str, str]:
    hours = HOURS[rule.hours].said(language)
    if rule.hours is Hours.SPECIFIC:
        hours += f": {_week(rule.week, language)}"
    about = [*rule.callers, *(_DID.said(language).format(did) for did in rule.dids)]
    return (
        TYPES[rule.type].said(language),
        hours,
        CALLS[rule.calls].said(language),
        ", ".join(about),
        action_words(rule.action, language, names),
    )


def action_words(action: Action, language: str, names: Names) -> str:
    """Where a rule sends calls."""
    match action:
        case Voicemail(number):
            words, what = _VOICEMAIL, _named(number, names)
        case ExtensionNumber(number):
            words, what = _EXTENSION, _named(number, names)
        case Number(dialled):
            person = dialled in names.people
            words, what = _EXTENSION if person else _NUMBER, _named(dialled, names)
        case ReachMe(number):
            words, what = _REACH_ME, number
        case SystemNumber(number):
            words, what = _SYSTEM.get(names.kinds.get(number, ""), _NUMBER), number
        case Address(uri):
            words, what = _ADDRESS, uri
        case End(busy):
            words, what = _BUSY if busy else _END, ""
    return words.said(language).format(what)


def _named(number: str, names: Names) -> str:
    return f"{number} {names.people.get(number, '')}".rstrip()


def _week(week: Week, language: str) -> str:
    days = ((words.said(language), getattr(week, day)) for words, day in zip(_DAYS, WEEKDAYS, strict=True))
    return "; ".join(f"{day} {', '.join(ranges)}" for day, ranges in days if ranges)
