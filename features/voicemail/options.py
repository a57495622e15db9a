"""The options of a mailbox, which key 9 leads to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from features.voicemail import phrases
from pbx.plugin import PinNotAllowed, prompts, spoken

if TYPE_CHECKING:
    from features.voicemail.listening import Says, Visit

MOST_DIGITS = 32
LONGEST_PIN = 11
"""One digit more than a PIN may have."""
NAME_SECONDS = 10.0
GREETING_SECONDS = 120.0


async def dial(visit: Visit) -> Says:
    """Call somebody, inside or outside."""
    number = await visit.voice.collect(phrases.ENTER_NUMBER, most=MOST_DIGITS)
    if not number:
        return (prompts.CANCELLED, *visit.reminder())
    return await visit.dial(number)


async def delete_all(visit: Visit) -> Says:
    """Delete the messages that were heard (all, if the configuration says so), once the owner has confirmed that."""
    everything = visit.call.config.voicemail.delete_all == "all"
    messages = await visit.mailbox.messages()
    ids = [message.id for message in messages if message.heard or everything]
    if not ids:
        return (phrases.NOTHING_TO_DELETE, *visit.reminder())
    noun = phrases.ANY_MESSAGE if everything else prompts.OLD_MESSAGE
    count = spoken.count(visit.language, len(ids), noun)
    if await visit.voice.key(phrases.WILL_BE_DELETED, *count, phrases.PRESS_STAR_TO_CONFIRM) != "*":
        return (prompts.CANCELLED, *visit.reminder())
    await visit.mailbox.delete(*ids)
    return (phrases.MESSAGES_DELETED, *visit.reminder())


async def record_name(visit: Visit) -> Says:
    """Record the owner's name: for those who dial it, and for those who are told whom they reach."""
    async with visit.mailbox.scratch() as scratch:
        said = await visit.recorded(scratch.path, phrases.SAY_NAME, NAME_SECONDS)
        if said is None:
            return (phrases.NOTHING_RECORDED, *visit.reminder())
        await visit.mailbox.keep_name(said)
    return (phrases.NAME_KEPT, *visit.reminder())


async def tell_information(visit: Visit) -> Says:
    """Say what there is to know of the mailbox."""
    mailbox = visit.mailbox
    says: list[prompts.Token | Path] = [phrases.MAILBOX_OF, *spoken.digits(mailbox.number), *visit.counts()]
    says += [phrases.ROOM_FOR, *spoken.count(visit.language, mailbox.room, phrases.ANY_MESSAGE)]
    own = await mailbox.greeting()
    says.append(phrases.GREETING_STANDARD if own is None else phrases.GREETING_OWN)
    if (await mailbox.settings()).mailed:
        says.append(phrases.SENT_BY_MAIL)
    if await visit.call.switch.voicemail.sign_in.pin_is_default(mailbox.number):
        says.append(phrases.PIN_IS_DEFAULT)
    return (*says, *visit.reminder())


async def change_pin(visit: Visit) -> Says:
    """Have another PIN typed twice. It works at once, everywhere."""
    voice = visit.voice
    pin = await voice.collect(prompts.ENTER_NEW_PIN, most=LONGEST_PIN)
    if not pin:
        return (prompts.CANCELLED, *visit.reminder())
    if await voice.collect(phrases.ENTER_PIN_AGAIN, most=LONGEST_PIN) != pin:
        return (phrases.PINS_DIFFER, *visit.reminder())
    try:
        await visit.call.switch.voicemail.sign_in.change_pin(visit.mailbox.number, pin)
    except PinNotAllowed:
        return (phrases.PIN_NOT_ALLOWED, *visit.reminder())
    return (prompts.PIN_CHANGED, *visit.reminder())


async def change_greeting(visit: Visit) -> Says:
    """Record another greeting and play it back; it is used if the owner says so."""
    async with visit.mailbox.scratch() as scratch:
        said = await visit.recorded(scratch.path, prompts.RECORD_GREETING, GREETING_SECONDS)
        if said is None:
            return (phrases.NOTHING_RECORDED, *visit.reminder())
        key = await visit.voice.key(said, phrases.KEEP_GREETING)
        if key not in ("*", "0"):
            return (phrases.GREETING_UNCHANGED, *visit.reminder())
        await visit.mailbox.keep_greeting(said if key == "*" else None)
    return (phrases.GREETING_KEPT if key == "*" else phrases.GREETING_STANDARD, *visit.reminder())
