"""Leaving a message: greeting, beep, and whatever is said until the caller hangs up."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from features.voicemail import phrases
from pbx.plugin import (
    Call,
    Draft,
    Mailbox,
    MailboxError,
    MailboxFull,
    Refused,
    Voice,
    prompts,
    refuse_aloud,
    spoken,
)

logger = logging.getLogger(__name__)


async def take_message(call: Call, number: str) -> None:
    """Let the caller leave a message for an extension.

    Raises Refused: 404 there is no such extension, 480 it has no voicemail.
    """
    mailbox = call.switch.mailboxes.find(number)
    if mailbox is None:
        raise Refused(404, "Not Found")
    if not await _takes_messages(mailbox):
        await refuse_aloud(call, 480, "Temporarily Unavailable", phrases.NO_VOICEMAIL)
    voice = await call.answer()
    try:
        draft = mailbox.draft(call.caller.number, call.caller.full_name)
    except MailboxFull:
        await voice.play(prompts.MAILBOX_FULL, prompts.GOODBYE)
        return
    async with draft:
        voice.forget_keys()
        await voice.play(*await greeting(mailbox), prompts.LEAVE_MESSAGE)
        voice.forget_keys()  # the key that cut the greeting short ends nothing
        await voice.play(prompts.BEEP)
        kept = await _record(call, voice, draft)
    await voice.play(kept, prompts.GOODBYE)


async def greeting(mailbox: Mailbox) -> tuple[prompts.Token | Path, ...]:
    """The owner's own, or the standard one with the owner's name, or number."""
    own = await mailbox.greeting()
    if own is not None:
        return (own,)
    name = await mailbox.name()
    who = (phrases.EXTENSION, *spoken.digits(mailbox.number)) if name is None else (name,)
    return (*who, phrases.NOT_AVAILABLE)


async def _takes_messages(mailbox: Mailbox) -> bool:
    """What cannot be looked up is as it is by default; where nothing can be kept, the caller hears of it later."""
    try:
        return (await mailbox.settings()).enabled
    except MailboxError as error:
        logger.warning("mailbox %s: %s", mailbox.number, error)
        return True


async def _record(call: Call, voice: Voice, draft: Draft) -> prompts.Token:
    """Record and keep it: what a caller hears of that. Who hangs up has left the message, too."""
    settings = call.config.voicemail
    try:
        await voice.record(
            draft.path, seconds=settings.max_seconds, silence_seconds=settings.silence_seconds, keys="#"
        )
    except asyncio.CancelledError:
        await _keep(voice, draft, told=False)
        raise
    return await _keep(voice, draft, told=True)


async def _keep(voice: Voice, draft: Draft, *, told: bool) -> prompts.Token:
    try:
        kept = await draft.keep(voice.recorded, told=told)
    except MailboxError as error:
        logger.error("a message was not kept: %s", error)
        return phrases.NOT_KEPT
    return prompts.MESSAGE_SAVED if kept else prompts.MESSAGE_TOO_SHORT
