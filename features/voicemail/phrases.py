"""What voicemail says, beside the words that are in everybody's vocabulary."""

from __future__ import annotations

from pbx.plugin import prompts

_phrase = prompts.phrase

# -- leaving a message -----------------------------------------------------------------------------

EXTENSION = _phrase("voicemail.extension", "Le poste", "Extension", "vm-theperson")
NOT_AVAILABLE = _phrase(
    "voicemail.not_available", "n'est pas disponible.", "is not available.", "vm-isunavail"
)
NO_VOICEMAIL = _phrase(
    "voicemail.none",
    "Votre correspondant n'est pas disponible et n'a pas de messagerie.",
    "The person you are calling is not available and has no voicemail.",
)
NOT_KEPT = _phrase(
    "voicemail.not_kept",
    "Votre message n'a pas pu être conservé. Veuillez rappeler plus tard.",
    "Your message could not be kept. Please call again later.",
)

# -- signing in ------------------------------------------------------------------------------------

WRONG_SIGN_IN = _phrase(
    "voicemail.wrong_sign_in",
    "Le numéro de poste ou le code secret est incorrect.",
    "The extension number or the PIN is not correct.",
)
TOO_MANY_TRIES = _phrase(
    "voicemail.too_many_tries",
    "Trop de tentatives. Veuillez réessayer plus tard.",
    "Too many attempts. Please try again later.",
)

# -- listening -------------------------------------------------------------------------------------

HEARD_MESSAGES = _phrase(
    "voicemail.heard_messages", "Voici les messages déjà écoutés.", "These are messages that you have heard."
)
LISTEN_TO_HEARD = _phrase(
    "voicemail.press_star.heard",
    "Pour réécouter vos messages, appuyez sur étoile.",
    "To listen to your messages again, press star.",
)
WELCOME_MENU = _phrase(
    "voicemail.welcome_menu",
    "Pour les options, appuyez sur neuf. Pour terminer, sur dièse.",
    "For options, press nine. To end, press pound.",
)
FIRST_ALREADY = _phrase(
    "voicemail.first_already", "Il n'y a pas de message précédent.", "There is no message before this one."
)
FORWARDED_BY = _phrase("voicemail.forwarded_by", "transféré par le poste", "forwarded by extension")
NO_NUMBER = _phrase(
    "voicemail.no_number",
    "Ce correspondant ne peut pas être rappelé, son numéro est inconnu.",
    "This caller cannot be called back, the number is not known.",
)

# -- forwarding and dialling -----------------------------------------------------------------------

ENTER_RECEIVER = _phrase(
    "voicemail.enter_receiver",
    "Veuillez saisir le poste auquel transférer le message, suivi de la touche dièse.",
    "Please enter the extension to forward the message to, followed by the pound key.",
)
ADD_COMMENT = _phrase(
    "voicemail.add_comment",
    "Pour ajouter un commentaire, appuyez sur étoile. Pour transférer sans commentaire, sur dièse.",
    "To add a comment, press star. To forward without a comment, press pound.",
)
SAY_COMMENT = _phrase(
    "voicemail.say_comment",
    "Après le bip, dites votre commentaire, puis appuyez sur dièse.",
    "After the beep, say your comment, then press pound.",
)
FORWARDED = _phrase("voicemail.forwarded", "Message transféré.", "Message forwarded.")
NOT_FORWARDED = _phrase(
    "voicemail.not_forwarded", "Le message n'a pas été transféré.", "The message was not forwarded."
)
ENTER_NUMBER = _phrase(
    "voicemail.enter_number",
    "Veuillez composer le numéro, suivi de la touche dièse.",
    "Please dial the number, followed by the pound key.",
    "vm-enter-num-to-call",
)

# -- options ---------------------------------------------------------------------------------------

WILL_BE_DELETED = _phrase("voicemail.will_be_deleted", "À supprimer :", "To be deleted:")
PRESS_STAR_TO_CONFIRM = _phrase(
    "voicemail.confirm", "Pour confirmer, appuyez sur étoile.", "To confirm, press star."
)
MESSAGES_DELETED = _phrase("voicemail.all_deleted", "Messages supprimés.", "Messages deleted.")
NOTHING_TO_DELETE = _phrase(
    "voicemail.nothing_to_delete", "Il n'y a aucun message à supprimer.", "There are no messages to delete."
)
SAY_NAME = _phrase(
    "voicemail.say_name",
    "Après le bip, dites votre nom, puis appuyez sur dièse.",
    "After the beep, say your name, then press pound.",
)
NAME_KEPT = _phrase("voicemail.name_kept", "Votre nom est enregistré.", "Your name has been recorded.")
NOTHING_RECORDED = _phrase(
    "voicemail.nothing_recorded", "Rien n'a été enregistré.", "Nothing has been recorded."
)
KEEP_GREETING = _phrase(
    "voicemail.keep_greeting",
    "Pour garder cette annonce, appuyez sur étoile. Pour l'annonce standard, sur zéro.",
    "To keep this greeting, press star. For the standard greeting, press zero.",
)
GREETING_KEPT = _phrase(
    "voicemail.greeting_kept", "Votre annonce est enregistrée.", "Your greeting has been saved."
)
GREETING_STANDARD = _phrase(
    "voicemail.greeting_standard", "L'annonce standard est utilisée.", "The standard greeting is in use."
)
GREETING_OWN = _phrase(
    "voicemail.greeting_own", "Votre annonce personnelle est utilisée.", "Your own greeting is in use."
)
GREETING_UNCHANGED = _phrase(
    "voicemail.greeting_unchanged", "L'annonce n'a pas changé.", "The greeting has not changed."
)
ENTER_PIN_AGAIN = _phrase(
    "voicemail.enter_pin_again",
    "Veuillez saisir ce code une seconde fois, suivi de la touche dièse.",
    "Please enter this PIN once more, followed by the pound key.",
    "vm-reenterpassword",
)
PINS_DIFFER = _phrase(
    "voicemail.pins_differ", "Les deux codes sont différents.", "The two PINs differ.", "vm-mismatch"
)
PIN_NOT_ALLOWED = _phrase(
    "voicemail.pin_not_allowed",
    "Le code doit compter de quatre à dix chiffres et différer de votre numéro de poste.",
    "The PIN must have four to ten digits and differ from your extension number.",
)
MAILBOX_OF = _phrase("voicemail.mailbox_of", "Messagerie du poste", "Mailbox of extension")
ROOM_FOR = _phrase("voicemail.room_for", "Il reste de la place pour", "There is room for")
ANY_MESSAGE = prompts.Noun(
    (prompts.VOCABULARY["voicemail.message"],), (prompts.VOCABULARY["voicemail.messages"],)
)
PIN_IS_DEFAULT = _phrase(
    "voicemail.pin_is_default",
    "Votre code secret est votre numéro de poste. Il est prudent de le modifier.",
    "Your PIN is your extension number. It would be wise to change it.",
)
SENT_BY_MAIL = _phrase(
    "voicemail.sent_by_mail",
    "Vos messages vous sont aussi envoyés par courrier électronique.",
    "Your messages are sent to you by e-mail too.",
)
NOT_NOW = _phrase(
    "voicemail.not_now",
    "Ce n'est pas possible pour le moment. Veuillez réessayer plus tard.",
    "This is not possible at the moment. Please try again later.",
)
