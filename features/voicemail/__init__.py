"""Voicemail: 999 opens a mailbox, *4100 leaves a message for extension 100, and so does a call that is led there."""

from __future__ import annotations

from features.voicemail.leaving import take_message
from features.voicemail.listening import Visit
from features.voicemail.signing_in import sign_in
from pbx.plugin import Call, Feature, prompts

feature = Feature("voicemail")


@feature.number("voicemail", summary="Listen to messages, and set the mailbox up")
async def open_mailbox(call: Call) -> None:
    """Ask for extension and PIN, and serve the owner."""
    voice = await call.answer()
    mailbox = await sign_in(call, voice)
    if mailbox is None:
        await voice.play(prompts.GOODBYE)
    else:
        await Visit(call, voice, mailbox).run()


@feature.dial("*4{extension}", summary="Leave a message for an extension without calling it")
async def leave(call: Call, extension: str) -> None:
    """Raises Refused: 404 there is no such extension, 480 it has no voicemail."""
    await take_message(call, extension)


@feature.destination("voicemail", summary="Leave a message")
async def answer_for(call: Call, mailbox: str) -> None:
    """Raises Refused, as above."""
    await take_message(call, mailbox)
