"""Signing in: extension, PIN, and patience with those who do not know it."""

from __future__ import annotations

from features.voicemail import phrases
from pbx.plugin import Call, Mailbox, MailboxError, TooManyTries, Voice, is_outside, prompts

TRIES = 3
"""So many wrong answers, and the call ends."""
MOST_DIGITS = 16


async def sign_in(call: Call, voice: Voice) -> Mailbox | None:
    """The mailbox of who knows its PIN; None for all others, who have been told.

    After a wrong one both are asked for again: nobody learns which of them was wrong.
    """
    outside = is_outside(call)
    own = "" if outside else call.caller.number
    for _ in range(TRIES):
        number = await _ask_extension(call, voice, own)
        pin = await voice.collect(prompts.ENTER_PIN, most=MOST_DIGITS)
        try:
            admitted = await call.switch.voicemail.sign_in.admits(
                number, pin, own_phone=number == own, outside=outside
            )
        except TooManyTries:
            await voice.play(phrases.TOO_MANY_TRIES)
            return None
        except MailboxError:
            await voice.play(phrases.NOT_NOW)
            return None
        mailbox = call.switch.mailboxes.find(number) if admitted else None
        if mailbox is not None:
            return mailbox
        voice.forget_keys()
        await voice.play(phrases.WRONG_SIGN_IN)
    return None


async def _ask_extension(call: Call, voice: Voice, own: str) -> str:
    """A number; `#` alone, on an extension's own phone, stands for that extension."""
    if own and not call.config.voicemail.ask_extension:
        return own
    for _ in range(TRIES):
        number = await voice.entry(prompts.ENTER_MAILBOX, most=MOST_DIGITS)
        if number or own:
            return own if number == "" else number or ""
        # Somebody else's phone: a `#` that comes first ended what was dialled before, at a receptionist say.
    return ""
