"""The vocabulary: every prompt and every word of a number, a date or a time, in French and English.

The names after the texts are those of the usual Asterisk sound packs where one of their files says the same; several
are tried in turn. "fr" and "en" folders of such packs hold the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Language(Enum):
    """What we speak, by its ISO 639-1 code."""

    FRENCH = "fr"
    ENGLISH = "en"

    @classmethod
    def of(cls, tag: str) -> Language | None:
        """The language of a tag such as `fr`, `fr-CA` or `en_US` (RFC 5646); None: one that we do not speak."""
        code = tag.replace("_", "-").partition("-")[0].lower()
        return next((language for language in cls if language.value == code), None)


class Gender(Enum):
    """Of a French noun: what "one" before it sounds like."""

    MASCULINE = "masculine"
    FEMININE = "feminine"


@dataclass(frozen=True, slots=True)
class Token:
    """Something that can be said. Its name is a file name too: of the user's own recording of it."""

    name: str
    french: str
    english: str
    packs: tuple[str, ...] = ()

    def text(self, language: Language) -> str:
        """What is said."""
        return self.french if language is Language.FRENCH else self.english


@dataclass(frozen=True, slots=True)
class Noun:
    """What is counted, for one and for several."""

    singular: tuple[Token, ...]
    plural: tuple[Token, ...]
    gender: Gender = Gender.MASCULINE


_vocabulary: dict[str, Token] = {}

VOCABULARY: Mapping[str, Token] = MappingProxyType(_vocabulary)
"""Every token by its name."""


def _token(name: str, french: str, english: str, *packs: str) -> Token:
    token = Token(name, french, english, packs)
    assert name not in _vocabulary, name
    _vocabulary[name] = token
    return token


# -- sounds that are not words ---------------------------------------------------------------------

PAUSE = _token("pause", ",", ",")
"""A breath, between the groups of a telephone number."""
BEEP = _token("beep", "bip", "beep", "beep")

# -- numbers ---------------------------------------------------------------------------------------

NUMBER: Mapping[int, Token] = {
    number: _token(f"number.{number}", french, english, f"digits/{number}")
    for number, french, english in [
        (0, "zéro", "zero"),
        (1, "un", "one"),
        (2, "deux", "two"),
        (3, "trois", "three"),
        (4, "quatre", "four"),
        (5, "cinq", "five"),
        (6, "six", "six"),
        (7, "sept", "seven"),
        (8, "huit", "eight"),
        (9, "neuf", "nine"),
        (10, "dix", "ten"),
        (11, "onze", "eleven"),
        (12, "douze", "twelve"),
        (13, "treize", "thirteen"),
        (14, "quatorze", "fourteen"),
        (15, "quinze", "fifteen"),
        (16, "seize", "sixteen"),
        (17, "dix-sept", "seventeen"),
        (18, "dix-huit", "eighteen"),
        (19, "dix-neuf", "nineteen"),
        (20, "vingt", "twenty"),
        (30, "trente", "thirty"),
        (40, "quarante", "forty"),
        (50, "cinquante", "fifty"),
        (60, "soixante", "sixty"),
        (70, "soixante-dix", "seventy"),
        (80, "quatre-vingts", "eighty"),
        (90, "quatre-vingt-dix", "ninety"),
    ]
}
ONE_FEMININE = _token("number.1.feminine", "une", "one", "digits/1F")
EIGHTY_AND = _token("number.80.and", "quatre-vingt", "eighty", "digits/80")
"""Eighty before another numeral."""
HUNDRED = _token("number.hundred", "cent", "hundred", "digits/hundred")
HUNDREDS = _token("number.hundreds", "cents", "hundred", "digits/hundred")
THOUSAND = _token("number.thousand", "mille", "thousand", "digits/thousand")
MILLION = _token("number.million", "million", "million", "digits/million")
MILLIONS = _token("number.millions", "millions", "million", "digits/million")
AND = _token("word.and", "et", "and", "digits/et", "vm-and")
OF = _token("word.of", "de", "of")
OH = _token("number.oh", "zéro", "oh", "digits/oh")
"""A zero among the digits of an English year or time."""

ORDINAL: Mapping[int, Token] = {
    number: _token(f"ordinal.{number}", french, english, f"digits/h-{number}")
    for number, french, english in [
        (1, "premier", "first"),
        (2, "deuxième", "second"),
        (3, "troisième", "third"),
        (4, "quatrième", "fourth"),
        (5, "cinquième", "fifth"),
        (6, "sixième", "sixth"),
        (7, "septième", "seventh"),
        (8, "huitième", "eighth"),
        (9, "neuvième", "ninth"),
        (10, "dixième", "tenth"),
        (11, "onzième", "eleventh"),
        (12, "douzième", "twelfth"),
        (13, "treizième", "thirteenth"),
        (14, "quatorzième", "fourteenth"),
        (15, "quinzième", "fifteenth"),
        (16, "seizième", "sixteenth"),
        (17, "dix-septième", "seventeenth"),
        (18, "dix-huitième", "eighteenth"),
        (19, "dix-neuvième", "nineteenth"),
        (20, "vingtième", "twentieth"),
        (30, "trentième", "thirtieth"),
    ]
}
STAR = _token("key.star", "étoile", "star", "digits/star")
POUND = _token("key.pound", "dièse", "pound", "digits/pound")
PLUS = _token("key.plus", "plus", "plus", "letters/plus")

# -- dates and times -------------------------------------------------------------------------------

WEEKDAY: Mapping[int, Token] = {
    day: _token(f"weekday.{english.lower()}", french, english, f"digits/day-{(day + 1) % 7}")
    for day, (french, english) in enumerate(
        [
            ("lundi", "Monday"),
            ("mardi", "Tuesday"),
            ("mercredi", "Wednesday"),
            ("jeudi", "Thursday"),
            ("vendredi", "Friday"),
            ("samedi", "Saturday"),
            ("dimanche", "Sunday"),
        ]
    )
}
"""By `date.weekday()`: Monday is 0. The packs count from Sunday."""
MONTH: Mapping[int, Token] = {
    month: _token(f"month.{english.lower()}", french, english, f"digits/mon-{month - 1}")
    for month, (french, english) in enumerate(
        [
            ("janvier", "January"),
            ("février", "February"),
            ("mars", "March"),
            ("avril", "April"),
            ("mai", "May"),
            ("juin", "June"),
            ("juillet", "July"),
            ("août", "August"),
            ("septembre", "September"),
            ("octobre", "October"),
            ("novembre", "November"),
            ("décembre", "December"),
        ],
        start=1,
    )
}
TODAY = _token("day.today", "aujourd'hui", "today", "digits/today")
YESTERDAY = _token("day.yesterday", "hier", "yesterday", "digits/yesterday")
AT = _token("time.at", "à", "at", "digits/at")
AM = _token("time.am", "du matin", "a.m.", "digits/a-m")
PM = _token("time.pm", "de l'après-midi", "p.m.", "digits/p-m")

HOUR = Noun(
    (_token("time.hour", "heure", "hour"),),
    (_token("time.hours", "heures", "hours", "hours"),),
    Gender.FEMININE,
)
MINUTE = Noun(
    (_token("time.minute", "minute", "minute", "minute", "queue-minute"),),
    (_token("time.minutes", "minutes", "minutes", "minutes", "vm-minutes"),),
    Gender.FEMININE,
)
SECOND = Noun(
    (_token("time.second", "seconde", "second"),),
    (_token("time.seconds", "secondes", "seconds", "seconds", "queue-seconds"),),
    Gender.FEMININE,
)

# -- conference ------------------------------------------------------------------------------------

CONFERENCE_ENTER_ID = _token(
    "conference.enter_id",
    "Veuillez saisir l'identifiant de la conférence, suivi de la touche dièse.",
    "Please enter the conference ID, followed by the pound key.",
    "conf-getconfno",
)
CONFERENCE_CREATE = _token(
    "conference.create",
    "Aucune conférence ne porte cet identifiant. "
    "Appuyez sur étoile pour la créer, ou sur dièse pour annuler.",
    "There is no conference with this ID. Press star to create it, or pound to cancel.",
)
CONFERENCE_SAY_NAME = _token(
    "conference.say_name",
    "Après le bip, dites votre nom, puis appuyez sur une touche.",
    "After the beep, say your name, then press any key.",
    "vm-rec-name",
)
CONFERENCE_ALONE = _token(
    "conference.alone",
    "Vous êtes pour le moment seul dans la conférence.",
    "You are alone in the conference.",
    "conf-onlyperson",
)
CONFERENCE_ENTERING = _token(
    "conference.entering",
    "Vous entrez maintenant dans la conférence.",
    "You are now entering the conference.",
    "conf-placeintoconf",
)
CONFERENCE_HAS_JOINED = _token(
    "conference.has_joined", "a rejoint la conférence.", "has joined the conference.", "conf-hasjoin"
)
CONFERENCE_HAS_LEFT = _token(
    "conference.has_left", "a quitté la conférence.", "has left the conference.", "conf-hasleft"
)
CONFERENCE_SOMEONE = _token("conference.someone", "Un participant", "A participant")
"""One who did not say a name."""
CONFERENCE_FULL = _token("conference.full", "Cette conférence est complète.", "This conference is full.")
CONFERENCE_LOCKED = _token(
    "conference.locked", "Cette conférence est verrouillée.", "This conference is locked.", "conf-locked"
)
CONFERENCE_ENTER_PIN = _token(
    "conference.enter_pin",
    "Veuillez saisir le code secret de la conférence, suivi de la touche dièse.",
    "Please enter the conference PIN, followed by the pound key.",
    "conf-getpin",
)
CONFERENCE_MUTED = _token("conference.muted", "Votre micro est coupé.", "You are now muted.", "conf-muted")
CONFERENCE_UNMUTED = _token(
    "conference.unmuted", "Votre micro est rétabli.", "You are no longer muted.", "conf-unmuted"
)
CONFERENCE_REMOVED = _token(
    "conference.removed",
    "Vous avez été retiré de la conférence.",
    "You have been removed from the conference.",
    "conf-kicked",
)

# -- voicemail -------------------------------------------------------------------------------------

YOU_HAVE = _token("voicemail.you_have", "Vous avez", "You have", "vm-youhave")
NO_NEW_MESSAGES = _token(
    "voicemail.no_new_messages", "Vous n'avez pas de nouveau message.", "You have no new messages."
)
NO_MESSAGES = _token("voicemail.no_messages", "Vous n'avez aucun message.", "You have no messages.")
NO_MORE_MESSAGES = _token(
    "voicemail.no_more_messages", "Il n'y a plus de message.", "There are no more messages.", "vm-nomore"
)
_MESSAGE = _token("voicemail.message", "message", "message", "vm-message")
_MESSAGES = _token("voicemail.messages", "messages", "messages", "vm-messages")
NEW_MESSAGE = Noun(
    (_token("voicemail.new", "nouveau", "new", "vm-INBOX"), _MESSAGE),
    (_token("voicemail.new.plural", "nouveaux", "new", "vm-INBOX"), _MESSAGES),
)
OLD_MESSAGE = Noun(
    (_token("voicemail.old", "ancien", "old", "vm-Old"), _MESSAGE),
    (_token("voicemail.old.plural", "anciens", "old", "vm-Old"), _MESSAGES),
)
FIRST_MESSAGE = _token("voicemail.first_message", "Premier message.", "First message.")
NEXT_MESSAGE = _token("voicemail.next_message", "Message suivant.", "Next message.")
PREVIOUS_MESSAGE = _token("voicemail.previous_message", "Message précédent.", "Previous message.")
MESSAGE_RECEIVED = _token("voicemail.received", "Message reçu", "Message received", "vm-received")
MESSAGE_FROM = _token("voicemail.from", "de la part de", "from", "vm-from")
MESSAGE_FROM_UNKNOWN = _token(
    "voicemail.from_unknown", "d'un correspondant inconnu", "from an unknown caller", "vm-unknown-caller"
)
MESSAGE_DELETED = _token("voicemail.deleted", "Message supprimé.", "Message deleted.", "vm-deleted")
MESSAGE_SAVED = _token("voicemail.saved", "Message enregistré.", "Message saved.", "vm-msgsaved")
MESSAGE_TOO_SHORT = _token(
    "voicemail.too_short", "Votre message est trop court.", "Your message is too short.", "vm-tooshort"
)
ENTER_MAILBOX = _token(
    "voicemail.enter_mailbox",
    "Veuillez saisir votre numéro de poste, suivi de la touche dièse.",
    "Please enter your extension number, followed by the pound key.",
)
ENTER_PIN = _token(
    "voicemail.enter_pin",
    "Veuillez saisir votre code secret, suivi de la touche dièse.",
    "Please enter your PIN, followed by the pound key.",
    "agent-pass",
)
WRONG_PIN = _token(
    "voicemail.wrong_pin", "Ce code secret est incorrect.", "This PIN is not correct.", "vm-incorrect"
)
ENTER_NEW_PIN = _token(
    "voicemail.enter_new_pin",
    "Veuillez saisir votre nouveau code secret, suivi de la touche dièse.",
    "Please enter your new PIN, followed by the pound key.",
    "vm-newpassword",
)
PIN_CHANGED = _token("voicemail.pin_changed", "Votre code secret est modifié.", "Your PIN has been changed.")
LEAVE_MESSAGE = _token(
    "voicemail.leave_message",
    "Veuillez laisser un message après le bip. Raccrochez ou appuyez sur dièse pour terminer.",
    "Please leave a message after the tone. Hang up or press pound when you have finished.",
    "vm-intro",
)
RECORD_GREETING = _token(
    "voicemail.record_greeting",
    "Après le bip, enregistrez votre annonce, puis appuyez sur dièse.",
    "After the beep, record your greeting, then press pound.",
    "vm-rec-unv",
)
MAILBOX_FULL = _token(
    "voicemail.full", "Cette messagerie est pleine.", "This mailbox is full.", "vm-mailboxfull"
)
MESSAGE_MENU = _token(
    "voicemail.message_menu",
    "Message suivant, zéro. Message précédent, un. Réécouter, deux. Supprimer, trois. Rappeler, quatre. "
    "Transférer, cinq. Options, neuf. Terminer, dièse.",
    "Next message, zero. Previous message, one. Listen again, two. Delete, three. Call back, four. "
    "Forward, five. Options, nine. End, pound.",
)
OPTIONS_MENU = _token(
    "voicemail.options_menu",
    "Composer un numéro, trois. Supprimer tous les messages, quatre. Enregistrer votre nom, cinq. "
    "Informations, six. Modifier le code secret, sept. Modifier l'annonce, huit. Répéter, neuf. Terminer, dièse.",
    "Dial a number, three. Delete all messages, four. Record your name, five. "
    "Information, six. Change your PIN, seven. Change your greeting, eight. Repeat, nine. End, pound.",
)
PRESS_STAR_TO_LISTEN = _token(
    "voicemail.press_star",
    "Pour écouter vos nouveaux messages, appuyez sur étoile.",
    "To listen to your new messages, press star.",
)

# -- calls, and everywhere -------------------------------------------------------------------------

CALL_NOT_FOUND = _token(
    "call.not_found",
    "Le numéro que vous avez composé n'est pas attribué.",
    "The number that you have dialled was not found.",
    "ss-noservice",
)
CALL_NOT_AVAILABLE = _token(
    "call.not_available",
    "Votre correspondant n'est pas disponible.",
    "The person you are calling is not available.",
    "vm-nobodyavail",
)
CALL_BUSY = _token(
    "call.busy", "Votre correspondant est en ligne.", "The person you are calling is on the phone."
)
CALL_REFUSED = _token(
    "call.refused",
    "Cet appel n'est pas autorisé.",
    "This call is not allowed.",
)
CALL_FAILED = _token(
    "call.failed",
    "Votre appel n'a pas pu aboutir. Veuillez réessayer plus tard.",
    "Your call could not be completed. Please try again later.",
)
PLEASE_HOLD = _token("call.hold", "Veuillez patienter.", "Please hold.", "one-moment-please")
WRONG_ENTRY = _token(
    "entry.wrong", "Cette saisie n'est pas valable.", "This entry is not valid.", "pm-invalid-option"
)
TRY_AGAIN = _token("entry.try_again", "Veuillez réessayer.", "Please try again.", "vm-pls-try-again")
CANCELLED = _token("entry.cancelled", "Annulé.", "Cancelled.", "cancelled")
GOODBYE = _token("goodbye", "Au revoir.", "Goodbye.", "vm-goodbye")


# -- spelling --------------------------------------------------------------------------------------

_TENS = frozenset({*(NUMBER[tens] for tens in range(20, 100, 10)), EIGHTY_AND})
_JOINED = {
    Language.FRENCH: frozenset({*(NUMBER[unit] for unit in range(1, 20)), ONE_FEMININE}),
    Language.ENGLISH: frozenset(
        {*(NUMBER[unit] for unit in range(1, 10)), *(ORDINAL[unit] for unit in range(1, 10))}
    ),
}
"""What a hyphen joins to the tens before it: "soixante-quinze", "thirty-first"."""


def written(tokens: Sequence[Token], language: Language) -> str:
    """Tokens as a text that reads well, aloud too."""
    text = ""
    before: Token | None = None
    for token in tokens:
        if before is not None and token is not PAUSE:
            text += "-" if before in _TENS and token in _JOINED[language] else " "
        text += token.text(language)
        before = token
    return text
