"""An office with voicemail, for stories that are told by keys, prompts and tones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from features import voicemail
from pbx.mailboxes import Mailbox
from pbx.phone import Phone, PhoneCall
from pbx.store import voicemails as rows
from pbx.store.pins import set_pin
from pbx.store.voicemails import Counts, Message
from tests.interop.tones import level, read_samples
from tests.simulation.office import Office
from tests.simulation.prompter import PROMPT_SECONDS, Prompter

SAID_HZ = 700.0
SIGN_IN = ["voicemail.enter_mailbox", "voicemail.enter_pin"]
NONE = ["voicemail.no_messages", "voicemail.welcome_menu"]
GREETING = ["voicemail.extension", "number.1", "number.0", "number.0", "voicemail.not_available"]


@dataclass
class Voicemails:
    """An office whose callers leave messages."""

    office: Office
    prompter: Prompter
    folder: Path

    async def phone(self, number: str) -> Phone:
        """The phone of an extension, switched on if it was not."""
        known = (phone for phone in self.office.phones if phone.account.number == number)
        return next(known, None) or await self.office.phone(number)

    async def leave(
        self, caller: str = "101", owner: str = "100", *, seconds: float = 2.0, hertz: float = SAID_HZ
    ) -> None:
        """Leave a message by `*4`: a tone after the beep, and then the caller hangs up."""
        call = await (await self.phone(caller)).call(f"*4{owner}")
        await asyncio.sleep(PROMPT_SECONDS * 7 + 0.2)  # greeting and beep
        call.play_tone(hertz)
        await asyncio.sleep(seconds)
        call.hang_up()
        await asyncio.sleep(0.5)

    async def dial(self, owner: str = "100") -> PhoneCall:
        """A call to the mailboxes."""
        return await (await self.phone(owner)).call("999")

    async def sign_in(self, owner: str = "100", number: str = "", pin: str | None = None) -> PhoneCall:
        """Call the mailboxes and sign in; the counts are being told then."""
        call = await self.dial(owner)
        await self.keys(call, f"{number}#")
        await self.keys(call, f"{pin or number or owner}#")
        return call

    async def keys(self, call: PhoneCall, digits: str) -> None:
        """Press keys, one after another, and wait until the last has been heard."""
        call.send_digits(digits)
        await asyncio.sleep(0.3 * len(digits) + 0.2)

    def mailbox(self, number: str = "100") -> Mailbox:
        """The mailbox of an extension."""
        mailbox = self.office.switch.mailboxes.find(number)
        assert mailbox is not None
        return mailbox

    async def messages(self, number: str = "100") -> tuple[Message, ...]:
        """What is in a mailbox."""
        return await self.mailbox(number).messages()

    def counts(self, number: str = "100") -> Counts:
        """How many messages are in it, as lamps show it."""
        return self.mailbox(number).counts

    async def set_pin(self, number: str, pin: str) -> None:
        """Let an extension have another PIN."""
        await self.office.switch.store.write(partial(set_pin, number, pin))

    async def set_up(self, number: str, **settings: Any) -> None:
        """Let its mailbox have other settings."""
        change = partial(rows.set_up, number=number, settings=rows.MailboxSettings(**settings))
        await self.office.switch.store.write(change)

    def said(self) -> list[str | Path]:
        """What has been said since this was last asked."""
        said = [one for one in self.prompter.said if one != "beep"]
        self.prompter.said.clear()
        return said

    async def hears(self, call: PhoneCall, hertz: float, seconds: float = 0.5) -> bool:
        """Whether a tone is heard in the next moments."""
        path = self.folder / f"{id(call)}-{hertz}.wav"
        call.record(path)
        await asyncio.sleep(seconds)
        call.record(self.folder / "after.wav")
        await asyncio.sleep(0.1)
        return level(read_samples(path), hertz) > 1000.0


async def open_office(make_office: Callable[..., Office], folder: Path, **settings: Any) -> Voicemails:
    """A running one."""
    prompter = Prompter(folder)
    store = {"data_dir": str(folder / "data")} | settings.pop("days", {})
    features = [voicemail.feature, *settings.pop("features", ())]
    office = make_office(features=features, prompts=prompter, store=store, **settings)
    await office.open()
    return Voicemails(office, prompter, folder)
