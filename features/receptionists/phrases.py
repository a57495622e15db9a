"""What a receptionist says beside the greetings of its own."""

from __future__ import annotations

from pbx.plugin import prompts

ENTER_NUMBER = prompts.phrase(
    "receptionist.enter_number",
    "Bonjour. Veuillez composer le numéro de poste de votre correspondant.",
    "Hello. Please dial the extension of the person you are calling.",
)
ENTER_NAME = prompts.phrase(
    "receptionist.enter_name",
    "Épelez le début du nom de famille au clavier, puis appuyez sur dièse.",
    "Spell the beginning of the last name on your keypad, then press pound.",
)
NO_SUCH_NAME = prompts.phrase(
    "receptionist.no_such_name", "Ce nom ne figure pas dans l'annuaire.", "There is nobody of that name."
)
CONNECTING = prompts.phrase(
    "receptionist.connecting", "Nous vous mettons en relation avec", "Connecting you to"
)
FOR = prompts.phrase("receptionist.for", "Pour", "For")
EXTENSION = prompts.phrase("receptionist.extension", "le poste", "extension")
PRESS = prompts.phrase("receptionist.press", "tapez", "press", "vm-press")
