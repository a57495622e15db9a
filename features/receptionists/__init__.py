"""Digital receptionists: they answer, say a menu, and bring callers to what they choose by a key, number or name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from features.receptionists import phrases
from features.receptionists.menu import END, Choices, Meaning
from features.receptionists.names import matches
from pbx.plugin import Call, Feature, Refused, destinations, prompts, reception, spoken

if TYPE_CHECKING:
    from pbx.plugin import Menu, Receptionist, Switch

NAME, REPEAT = "name", "repeat"
"""What a key may do beside leading to a destination."""
MOST_KEYS = 20
NAME_KEY_SECONDS = 4.0
MOST_NAMES = 9
"""Offered by a key each; who is still not among them has to spell more."""

feature = Feature("receptionists")


@feature.start
async def begin(switch: Switch) -> None:
    """Enter the receptionists of the configuration."""
    reception.follow(switch)


@feature.destination(reception.RECEPTIONIST, summary="Be asked for a key by a receptionist")
async def serve(call: Call, receptionist: str) -> None:
    """Answer, and bring the caller on. Raises Refused where a caller who presses nothing is led nowhere."""
    for settings in call.config.receptionists:
        if settings.number == receptionist:
            return await _Reception(call, settings).serve()
    raise Refused(404, "Not Found")


class _Reception:
    """One caller at one receptionist."""

    def __init__(self, call: Call, settings: Receptionist) -> None:
        self._call = call
        self._settings = settings
        self._menu = self._in_force()

    async def serve(self) -> None:
        """Say the menu until the caller is where he wants to be, or has had his chances."""
        led_on = Meaning.MORE
        for _ in range(self._settings.rounds):
            led_on = await self._round()
            if led_on is Meaning.NUMBER:
                return
        menu = self._menu
        target = menu.time_out if led_on is Meaning.MORE else menu.invalid or menu.time_out
        if target:
            await self._call.lead_to(destinations.parse(target))
            return
        await (await self._call.answer()).play(prompts.GOODBYE)

    async def _round(self) -> Meaning:
        """Say the menu once. NUMBER: the caller was somewhere, and that is over; MORE: he has pressed nothing."""
        meaning, pressed = await self._choice()
        if meaning is Meaning.NUMBER:
            return await self._lead_to(self._destination(pressed))
        if meaning is Meaning.KEY:
            target = self._menu.keys[pressed]
            if target == NAME:
                return await self._by_name()
            return Meaning.MORE if target == REPEAT else await self._lead_to(destinations.parse(target))
        if meaning is Meaning.WRONG:
            await (await self._call.answer()).play(prompts.WRONG_ENTRY)
        return meaning

    async def _choice(self) -> tuple[Meaning, str]:
        """What the caller presses, and what it means; MORE where that is nothing."""
        choices = Choices.of(self._menu.keys, self._numbers())
        voice = await self._call.answer()
        said = self._menu.greeting or phrases.ENTER_NUMBER
        pressed = await voice.key(said, seconds=self._settings.key_seconds)
        if not pressed:
            return Meaning.MORE, ""
        while choices.read(pressed) is Meaning.MORE:
            key = await voice.key(seconds=self._settings.key_seconds)
            if not key:
                return choices.decide(pressed), pressed
            pressed += key
        return choices.read(pressed), pressed if pressed in self._menu.keys else pressed.removesuffix(END)

    async def _by_name(self) -> Meaning:
        """Have a name spelt, and lead to whoever bears it."""
        voice = await self._call.answer()
        keys = await voice.collect(phrases.ENTER_NAME, most=MOST_KEYS)
        if not keys:
            return Meaning.MORE
        found = matches(self._call.switch.directory, keys)[:MOST_NAMES]
        if not found:
            await voice.play(phrases.NO_SUCH_NAME)
            return Meaning.WRONG
        number = found[0] if len(found) == 1 else await self._one_of(found)
        if not number:
            return Meaning.WRONG
        await voice.play(phrases.CONNECTING, *await self._spoken(number))
        voice.forget_keys()
        return await self._lead_to(destinations.ExtensionNumber(number))

    async def _one_of(self, found: list[str]) -> str:
        """Of several who could be meant, the one that is chosen by a key; empty for none."""
        offered: list[prompts.Token | Path] = []
        for place, number in enumerate(found, start=1):
            offered += (phrases.FOR, *await self._spoken(number), phrases.PRESS, prompts.NUMBER[place])
        voice = await self._call.answer()
        key = await voice.key(*offered, seconds=self._settings.key_seconds)
        chosen = int(key) if key.isdecimal() else 0
        return found[chosen - 1] if 0 < chosen <= len(found) else ""

    async def _lead_to(self, destination: destinations.Destination) -> Meaning:
        """Bring the caller there; one who is not taken may choose again."""
        call = self._call
        try:
            await call.lead_to(destination, chosen=True)
        except Refused as refused:
            reason = prompts.CALL_BUSY if refused.status == 486 else prompts.CALL_NOT_AVAILABLE
            voice = await call.answer()
            voice.forget_keys()  # whatever was pressed while it rang
            await voice.play(reason)
            return Meaning.WRONG
        return Meaning.NUMBER

    # -- what there is -------------------------------------------------------------------------------

    def _in_force(self) -> Menu:
        switch = self._call.switch
        hours, now = switch.config.office_hours, switch.environment.wall()
        return self._settings.menu(open_=hours.open_at(now), holiday=hours.holiday_at(now))

    def _numbers(self) -> set[str]:
        """What may be dialled: nothing that leads outside, and no code."""
        if not self._settings.dial_extensions:
            return set()
        switch = self._call.switch
        numbers = {extension.number for extension in switch.directory}
        numbers |= {entry.number for entry in switch.system_numbers}
        return numbers | {switch.config.numbers.voicemail}

    def _destination(self, number: str) -> destinations.Destination:
        switch = self._call.switch
        if switch.system_numbers.find(number) is not None:
            return destinations.SystemNumber(number)
        if number == switch.config.numbers.voicemail:
            return destinations.Number(number)
        return destinations.ExtensionNumber(number)

    async def _spoken(self, number: str) -> tuple[prompts.Token | Path, ...]:
        """A name as its owner has recorded it; else the number of the extension."""
        name = await self._call.switch.mailboxes.name_of(number)
        return (name,) if name is not None else (phrases.EXTENSION, *spoken.digits(number))
