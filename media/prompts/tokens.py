"""The vocabulary: every prompt and every word of a number, a date or a time, in French and English.

The names after the texts are those of the usual Asterisk sound packs where one of their files says the same; several
are tried in turn. "fr" and "en" folders of such packs hold the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from values import dataclass


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


def phrase(name: str, french: str, english: str, *packs: str) -> Token:
    """A new token of the vocabulary, under a name that no other has; a feature may bring its own."""
    token = Token(name, french, english, packs)
    assert name not in _vocabulary, name
    _vocabulary[name] = token
    return token


# -- sounds that are not words ---------------------------------------------------------------------

PAUSE = phrase("pause", ",", ",")
"""A breath, between the groups of a telephone number."""
BEEP = phrase("beep", "bip", "beep", "beep")

# -- numbers ---------------------------------------------------------------------------------------

NUMBER: Mapping[int, Token] = {
    number: phrase(f"number.{number}", french, english, f"digits/{number}")
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
ONE_FEMININE = phrase("number.1.feminine", "une", "one", "digits/1F")
EIGHTY_AND = phrase("number.80.and", "quatre-vingt", "eighty", "digits/80")
"""Eighty before another numeral."""
HUNDRED = phrase("number.hundred", "cent", "hundred", "digits/hundred")
HUNDREDS = phrase("number.hundreds", "cents", "hundred", "digits/hundred")
THOUSAND = phrase("number.thousand", "mille", "thousand", "digits/thousand")
MILLION = phrase("number.million", "million", "million", "digits/million")
MILLIONS = phrase("number.millions", "millions", "million", "digits/million")
AND = phrase("word.and", "et", "and", "digits/et", "vm-and")
OF = phrase("word.of", "de", "of")
OH = phrase("number.oh", "zéro", "oh", "digits/oh")
"""A zero among the digits of an English year or time."""

ORDINAL: Mapping[int, Token] = {
    number: phrase(f"ordinal.{number}", french, english, f"digits/h-{number}")
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
STAR = phrase("key.star", "étoile", "star", "digits/star")
POUND = phrase("key.pound", "dièse", "pound", "digits/pound")
PLUS = phrase("key.plus", "plus", "plus", "letters/plus")

# -- dates and times -------------------------------------------------------------------------------

WEEKDAY: Mapping[int, Token] = {
    day: phrase(f"weekday.{english.lower()}", french, english, f"digits/day-{(day + 1) % 7}")
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
    month: phrase(f"month.{english.lower()}", french, english, f"digits/mon-{month - 1}")
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
TODAY = phrase("day.today", "aujourd'hui", "today", "digits/today")
YESTERDAY = phrase("day.yesterday", "hier", "yesterday", "digits/yesterday")
AT = phrase("time.at", "à", "at", "digits/at")
AM = phrase("time.am", "du matin", "a.m.", "digits/a-m")
PM = phrase("time.pm", "de l'après-midi", "p.m.", "digits/p-m")

HOUR = Noun(
    (phrase("time.hour", "heure", "hour"),),
    (phrase("time.hours", "heures", "hours", "hours"),),
    Gender.FEMININE,
)
MINUTE = Noun(
    (phrase("time.minute", "minute", "minute", "minute", "queue-minute"),),
    (phrase("time.minutes", "minutes", "minutes", "minutes", "vm-minutes"),),
    Gender.FEMININE,
)
SECOND = Noun(
    (phrase("time.second", "seconde", "second"),),
    (phrase("time.seconds", "secondes", "seconds", "seconds", "queue-seconds"),),
    Gender.FEMININE,
)

# -- conference ------------------------------------------------------------------------------------

CONFERENCE_ENTER_ID = phrase(
    "conference.enter_id",
    "Veuillez saisir l'identifiant de la conférence, suivi de la touche dièse.",
    "Please enter the conference ID, followed by the pound key.",
    "conf-getconfno",
)
CONFERENCE_CREATE = phrase(
    "conference.create",
    "Aucune conférence ne porte cet identifiant. "
    "Appuyez sur étoile pour la créer, ou sur dièse pour annuler.",
    "There is no conference with this ID. Press star to create it, or pound to cancel.",
)
CONFERENCE_SAY_NAME = phrase(
    "conference.say_name",
    "Après le bip, dites votre nom, puis appuyez sur une touche.",
    "After the beep, say your name, then press any key.",
    "vm-rec-name",
)
CONFERENCE_ALONE = phrase(
    "conference.alone",
    "Vous êtes pour le moment seul dans la conférence.",
    "You are alone in the conference.",
    "conf-onlyperson",
)
CONFERENCE_ENTERING = phrase(
    "conference.entering",
    "Vous entrez maintenant dans la conférence.",
    "You are now entering the conference.",
    "conf-placeintoconf",
)
CONFERENCE_HAS_JOINED = phrase(
    "conference.has_joined", "a rejoint la conférence.", "has joined the conference.", "conf-hasjoin"
)
CONFERENCE_HAS_LEFT = phrase(
    "conference.has_left", "a quitté la conférence.", "has left the conference.", "conf-hasleft"
)
CONFERENCE_SOMEONE = phrase("conference.someone", "Un participant", "A participant")
"""One who did not say a name."""
CONFERENCE_FULL = phrase("conference.full", "Cette conférence est complète.", "This conference is full.")
CONFERENCE_LOCKED = phrase(
    "conference.locked", "Cette conférence est verrouillée.", "This conference is locked.", "conf-locked"
)
CONFERENCE_ENTER_PIN = phrase(
    "conference.enter_pin",
    "Veuillez saisir le code secret de la conférence, suivi de la touche dièse.",
    "Please enter the conference PIN, followed by the pound key.",
    "conf-getpin",
)
CONFERENCE_MUTED = phrase("conference.muted", "Votre micro est coupé.", "You are now muted.", "conf-muted")
CONFERENCE_UNMUTED = phrase(
    "conference.unmuted", "Votre micro est rétabli.", "You are no longer muted.", "conf-unmuted"
)
CONFERENCE_REMOVED = phrase(
    "conference.removed",
    "Vous avez été retiré de la conférence.",
    "You have been removed from the conference.",
    "conf-kicked",
)

# -- voicemail -------------------------------------------------------------------------------------

YOU_HAVE = phrase("voicemail.you_have", "Vous avez", "You have", "vm-youhave")
NO_NEW_MESSAGES = phrase(
    "voicemail.no_new_messages", "Vous n'avez pas de nouveau message.", "You have no new messages."
)
NO_MESSAGES = phrase("voicemail.no_messages", "Vous n'avez aucun message.", "You have no messages.")
NO_MORE_MESSAGES = phrase(
    "voicemail.no_more_messages", "Il n'y a plus de message.", "There are no more messages.", "vm-nomore"
)
_MESSAGE = phrase("voicemail.message", "message", "message", "vm-message")
_MESSAGES = phrase("voicemail.messages", "messages", "messages", "vm-messages")
NEW_MESSAGE = Noun(
    (phrase("voicemail.new", "nouveau", "new", "vm-INBOX"), _MESSAGE),
    (phrase("voicemail.new.plural", "nouveaux", "new", "vm-INBOX"), _MESSAGES),
)
OLD_MESSAGE = Noun(
    (phrase("voicemail.old", "ancien", "old", "vm-Old"), _MESSAGE),
    (phrase("voicemail.old.plural", "anciens", "old", "vm-Old"), _MESSAGES),
)
FIRST_MESSAGE = phrase("voicemail.first_message", "Premier message.", "First message.")
NEXT_MESSAGE = phrase("voicemail.next_message", "Message suivant.", "Next message.")
PREVIOUS_MESSAGE = phrase("voicemail.previous_message", "Message précédent.", "Previous message.")
MESSAGE_RECEIVED = phrase("voicemail.received", "Message reçu", "Message received", "vm-received")
MESSAGE_FROM = phrase("voicemail.from", "de la part de", "from", "vm-from")
MESSAGE_FROM_UNKNOWN = phrase(
    "voicemail.from_unknown", "d'un correspondant inconnu", "from an unknown caller", "vm-unknown-caller"
)
MESSAGE_DELETED = phrase("voicemail.deleted", "Message supprimé.", "Message deleted.", "vm-deleted")
MESSAGE_SAVED = phrase("voicemail.saved", "Message enregistré.", "Message saved.", "vm-msgsaved")
MESSAGE_TOO_SHORT = phrase(
    "voicemail.too_short", "Votre message est trop court.", "Your message is too short.", "vm-tooshort"
)
ENTER_MAILBOX = phrase(
    "voicemail.enter_mailbox",
    "Veuillez saisir votre numéro de poste, suivi de la touche dièse.",
    "Please enter your extension number, followed by the pound key.",
)
ENTER_PIN = phrase(
    "voicemail.enter_pin",
    "Veuillez saisir votre code secret, suivi de la touche dièse.",
    "Please enter your PIN, followed by the pound key.",
    "agent-pass",
)
WRONG_PIN = phrase(
    "voicemail.wrong_pin", "Ce code secret est incorrect.", "This PIN is not correct.", "vm-incorrect"
)
ENTER_NEW_PIN = phrase(
    "voicemail.enter_new_pin",
    "Veuillez saisir votre nouveau code secret, suivi de la touche dièse.",
    "Please enter your new PIN, followed by the pound key.",
    "vm-newpassword",
)
PIN_CHANGED = phrase("voicemail.pin_changed", "Votre code secret est modifié.", "Your PIN has been changed.")
LEAVE_MESSAGE = phrase(
    "voicemail.leave_message",
    "Veuillez laisser un message après le bip. Raccrochez ou appuyez sur dièse pour terminer.",
    "Please leave a message after the tone. Hang up or press pound when you have finished.",
    "vm-intro",
)
RECORD_GREETING = phrase(
    "voicemail.record_greeting",
    "Après le bip, enregistrez votre annonce, puis appuyez sur dièse.",
    "After the beep, record your greeting, then press pound.",
    "vm-rec-unv",
)
MAILBOX_FULL = phrase(
    "voicemail.full", "Cette messagerie est pleine.", "This mailbox is full.", "vm-mailboxfull"
)
MESSAGE_MENU = phrase(
    "voicemail.message_menu",
    "Message suivant, zéro. Message précédent, un. Réécouter, deux. Supprimer, trois. Rappeler, quatre. "
    "Transférer, cinq. Options, neuf. Terminer, dièse.",
    "Next message, zero. Previous message, one. Listen again, two. Delete, three. Call back, four. "
    "Forward, five. Options, nine. End, pound.",
)
OPTIONS_MENU = phrase(
    "voicemail.options_menu",
    "Composer un numéro, trois. Supprimer tous les messages, quatre. Enregistrer votre nom, cinq. "
    "Informations, six. Modifier le code secret, sept. Modifier l'annonce, huit. Répéter, neuf. Terminer, dièse.",
    "Dial a number, three. Delete all messages, four. Record your name, five. "
    "Information, six. Change your PIN, seven. Change your greeting, eight. Repeat, nine. End, pound.",
)
PRESS_STAR_TO_LISTEN = phrase(
    "voicemail.press_star",
    "Pour écouter vos nouveaux messages, appuyez sur étoile.",
    "To listen to your new messages, press star.",
)

# -- calls, and everywhere -------------------------------------------------------------------------

CALL_NOT_FOUND = phrase(
    "call.not_found",
    "Le numéro que vous avez composé n'est pas attribué.",
    "The number that you have dialled was not found.",
    "ss-noservice",
)
CALL_NOT_AVAILABLE = phrase(
    "call.not_available",
    "Votre correspondant n'est pas disponible.",
    "The person you are calling is not available.",
    "vm-nobodyavail",
)
CALL_BUSY = phrase(
    "call.busy", "Votre correspondant est en ligne.", "The person you are calling is on the phone."
)
CALL_REFUSED = phrase(
    "call.refused",
    "Cet appel n'est pas autorisé.",
    "This call is not allowed.",
)
CALL_FAILED = phrase(
    "call.failed",
    "Votre appel n'a pas pu aboutir. Veuillez réessayer plus tard.",
    "Your call could not be completed. Please try again later.",
)
PLEASE_HOLD = phrase("call.hold", "Veuillez patienter.", "Please hold.", "one-moment-please")
WRONG_ENTRY = phrase(
    "entry.wrong", "Cette saisie n'est pas valable.", "This entry is not valid.", "pm-invalid-option"
)
TRY_AGAIN = phrase("entry.try_again", "Veuillez réessayer.", "Please try again.", "vm-pls-try-again")
CANCELLED = phrase("entry.cancelled", "Annulé.", "Cancelled.", "cancelled")
GOODBYE = phrase("goodbye", "Au revoir.", "Goodbye.", "vm-goodbye")


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
