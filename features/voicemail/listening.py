"""What the owner of a mailbox does there: listen, delete, call back, forward; the options are next door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from features.voicemail import options, phrases
from features.voicemail.menu import Action, Menu, Place, in_playing_order
from pbx.plugin import (
    Call,
    Mailbox,
    MailboxError,
    MailboxFull,
    Message,
    Refused,
    Voice,
    destinations,
    prompts,
    spoken,
    way_back,
)

PATIENCE = 3
"""So often a menu is said to somebody who presses nothing."""
COMMENT_SECONDS = 120.0
MOST_DIGITS = 32

_WHY: Mapping[int, prompts.Token] = {
    403: prompts.CALL_REFUSED,
    404: prompts.CALL_NOT_FOUND,
    480: prompts.CALL_NOT_AVAILABLE,
    486: prompts.CALL_BUSY,
    603: prompts.CALL_BUSY,
}

Says = tuple[prompts.Token | Path, ...]
"""What is said before the next key is waited for."""


class Over(Exception):
    """The owner has been led on to somebody else, and that call has ended."""


class Visit:
    """One owner on the phone. Each action returns what to say next."""

    def __init__(self, call: Call, voice: Voice, mailbox: Mailbox) -> None:
        self.call = call
        self.voice = voice
        self.mailbox = mailbox
        self.menu = Menu()
        self.language = prompts.Language(voice.language)

    async def run(self) -> None:
        """Tell how many messages there are, and do what keys ask for, until `#`."""
        says: Says = (*self.counts(), *self.reminder())
        unheard = 0
        while unheard < PATIENCE:
            key = await self.voice.key(*says)
            unheard = 0 if key else unheard + 1
            action = self.menu.press(key) if key else Action.NOTHING
            if action is Action.END:
                break
            try:
                says = await _ACTIONS[action](self)
            except MailboxError:
                says = (phrases.NOT_NOW, *self.reminder())
            except Over:
                return
        await self.voice.play(prompts.GOODBYE)

    # -- what is said ----------------------------------------------------------------------------------

    def counts(self) -> Says:
        """ "You have two new messages and one old message"."""
        counts = self.mailbox.counts
        if not counts.new and not counts.heard:
            return (prompts.NO_MESSAGES,)
        new = spoken.count(self.language, counts.new, prompts.NEW_MESSAGE)
        heard = spoken.count(self.language, counts.heard, prompts.OLD_MESSAGE)
        return (prompts.YOU_HAVE, *new, prompts.AND, *heard)

    def reminder(self) -> Says:
        """The menu of where the owner is."""
        if self.menu.place is Place.OPTIONS:
            return (prompts.OPTIONS_MENU,)
        if self.menu.place is Place.MESSAGE:
            return (prompts.MESSAGE_MENU,)
        counts = self.mailbox.counts
        if counts.new:
            return prompts.PRESS_STAR_TO_LISTEN, phrases.WELCOME_MENU
        return (phrases.LISTEN_TO_HEARD, phrases.WELCOME_MENU) if counts.heard else (phrases.WELCOME_MENU,)

    async def envelope(self, message: Message) -> Says:
        """When it was left, and by whom, as far as the owner wants to hear that; and who has sent it on."""
        settings = await self.mailbox.settings()
        says: list[prompts.Token | Path] = []
        if settings.say_time:
            zone = ZoneInfo(self.call.config.office_hours.time_zone)
            left_at = message.left_at.astimezone(zone)
            today = self.call.switch.environment.wall().astimezone(zone).date()
            says += [prompts.MESSAGE_RECEIVED, *spoken.day(self.language, left_at.date(), today)]
            says += [prompts.AT, *spoken.time_of_day(self.language, left_at.time())]
        if settings.say_caller:
            number = spoken.telephone_number(self.language, message.caller_number)
            says += [prompts.MESSAGE_FROM, *number] if number else [prompts.MESSAGE_FROM_UNKNOWN]
        if message.forwarded_by:
            says += [phrases.FORWARDED_BY, *spoken.digits(message.forwarded_by)]
        return tuple(says)

    # -- messages --------------------------------------------------------------------------------------

    async def listen(self) -> Says:
        """Begin with the new messages, or with the others where there are none."""
        messages = await self.mailbox.messages()
        if not self.menu.listen(in_playing_order(messages)):
            return (prompts.NO_MESSAGES, *self.reminder())
        if all(message.heard for message in messages):
            return await self.play(prompts.NO_NEW_MESSAGES, phrases.HEARD_MESSAGES)
        return await self.play()

    async def play(self, *before: prompts.Token) -> Says:
        """Play the current message, or the next that is still there."""
        while (message := await self.mailbox.message(self.menu.current)) is None:
            if not self.menu.drop():  # somebody else has deleted it, in a page or on another phone
                return (prompts.NO_MORE_MESSAGES, *self.reminder())
        if await self.voice.play(*before, *await self.envelope(message)):
            await self.voice.play(self.mailbox.path_of(message))
            if (
                not message.heard
            ):  # to its end, or until a key was pressed; who hangs up meanwhile may hear it again
                await self.mailbox.mark(message.id)
        return self.reminder()

    async def next(self) -> Says:
        """Go on; at the last one, to those that have been left meanwhile."""
        if not self.menu.next():
            messages = await self.mailbox.messages()
            self.menu.extend(in_playing_order(message for message in messages if not message.heard))
            if not self.menu.next():
                return (prompts.NO_MORE_MESSAGES, *self.reminder())
        return await self.play(prompts.NEXT_MESSAGE)

    async def previous(self) -> Says:
        """Go back."""
        if not self.menu.previous():
            return (phrases.FIRST_ALREADY, *self.reminder())
        return await self.play(prompts.PREVIOUS_MESSAGE)

    async def delete(self) -> Says:
        """Delete the current message, and go on."""
        await self.mailbox.delete(self.menu.current)
        if self.menu.drop():
            return await self.play(prompts.MESSAGE_DELETED, prompts.NEXT_MESSAGE)
        return (prompts.MESSAGE_DELETED, prompts.NO_MORE_MESSAGES, *self.reminder())

    async def call_back(self) -> Says:
        """Call whoever left the message."""
        message = await self.mailbox.message(self.menu.current)
        number = None if message is None else way_back(self.call, message.caller_number)
        return (phrases.NO_NUMBER, *self.reminder()) if number is None else await self.dial(number)

    async def dial(self, number: str) -> Says:
        """Lead the owner on to somebody. Where that fails, the owner hears why, and is back."""
        try:
            await self.call.lead_to(destinations.Number(number), chosen=True)
        except Refused as refused:
            self.voice = await self.call.answer()
            self.voice.forget_keys()
            return (_WHY.get(refused.status, prompts.CALL_FAILED), *self.reminder())
        raise Over

    async def forward(self) -> Says:
        """Put a copy of the message into another mailbox, with a comment or without."""
        number = await self.voice.collect(phrases.ENTER_RECEIVER, most=MOST_DIGITS)
        if not number:
            return (prompts.CANCELLED, *self.reminder())
        receiver = self.call.switch.mailboxes.find(number)
        message = await self.mailbox.message(self.menu.current)
        if receiver is None or message is None:
            return (prompts.WRONG_ENTRY, *self.reminder())
        if not (await receiver.settings()).enabled:
            return (phrases.NOT_FORWARDED, *self.reminder())
        async with self.mailbox.scratch() as scratch:
            comment = None
            if await self.voice.key(phrases.ADD_COMMENT) == "*":
                comment = await self.recorded(scratch.path, phrases.SAY_COMMENT, COMMENT_SECONDS)
            try:
                await self.mailbox.forward(message, receiver, comment)
            except MailboxFull:
                return (prompts.MAILBOX_FULL, phrases.NOT_FORWARDED, *self.reminder())
            except MailboxError:
                return (phrases.NOT_FORWARDED, *self.reminder())
        return (phrases.FORWARDED, *self.reminder())

    async def recorded(self, path: Path, prompt: prompts.Token, seconds: float) -> Path | None:
        """What the owner says after a prompt and the beep; None if that is nothing."""
        await self.voice.play(prompt)
        self.voice.forget_keys()
        await self.voice.play(prompts.BEEP)
        silence = self.call.config.voicemail.silence_seconds
        heard = await self.voice.record(path, seconds=seconds, silence_seconds=silence, keys="#")
        return path if heard else None

    # -- all else --------------------------------------------------------------------------------------

    async def remind(self) -> Says:
        """Say the menu."""
        return self.reminder()

    async def wrong(self) -> Says:
        """No such key is known here."""
        return (prompts.WRONG_ENTRY, *self.reminder())


_ACTIONS: Mapping[Action, Callable[[Visit], Awaitable[Says]]] = {
    Action.LISTEN: Visit.listen,
    Action.NEXT: Visit.next,
    Action.PREVIOUS: Visit.previous,
    Action.REPLAY: Visit.play,
    Action.DELETE: Visit.delete,
    Action.CALL_BACK: Visit.call_back,
    Action.FORWARD: Visit.forward,
    Action.OPTIONS: Visit.remind,
    Action.DIAL: options.dial,
    Action.DELETE_ALL: options.delete_all,
    Action.RECORD_NAME: options.record_name,
    Action.INFORMATION: options.tell_information,
    Action.CHANGE_PIN: options.change_pin,
    Action.CHANGE_GREETING: options.change_greeting,
    Action.NOTHING: Visit.remind,
    Action.WRONG: Visit.wrong,
}
