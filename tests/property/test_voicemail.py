"""Any keys in any order, with pauses or without, leave a mailbox as a reference says that knows nothing of the code.

The reference (`Owner`) reads the manual's key maps and keeps what was played before and what comes after as two piles;
the code keeps a list and a position.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import voicemail
from features.voicemail.listening import Visit
from features.voicemail.menu import Action, Menu, Place
from media.wav import WavWriter
from pbx.destinations import Destination, Number
from pbx.plugin import Call, Refused, prompts
from pbx.prompts import Silence
from pbx.store.pins import check_pin
from pbx.store.voicemails import Counts
from pbx.voice import Steering, Voice
from tests.simulation.office import EPOCH, Office
from tests.simulation.simulation import Simulation

OWNER, OTHERS = "100", ("101", "102")
WAIT = "w"
"""Nothing is pressed: what is being played ends, or what is asked for is not answered."""
UNREACHABLE = "555"
CALLERS = ("107", UNREACHABLE, "", "103", "107")
"""Of the messages there are at the begin; the first has been heard."""

ACTIONS = [
    *"0123456789*#w",
    *(
        "*",
        "*w",
        "*0",
        "00",
        "3",
        "33",
        "5101##",
        "5102#w",
        "5101#*12#",
        "5100##",
        "5999#",
        "4",
        "94*",
        "94#",
    ),
    *(
        "97" + "4711#" * 2,
        "974711#4712#",
        "9712#12#",
        "9512#",
        "95#",
        "9812#*",
        "9812#0",
        "9812#1",
        "93555#",
        "96",
    ),
]


# -- the reference ---------------------------------------------------------------------------------


class HungUp(Exception):
    """There are no more keys."""


def _nothing() -> None:
    """What a key without a meaning does."""


@dataclass
class Owner:
    """What becomes of a mailbox, by the manual."""

    keys: Iterator[str]
    inbox: dict[str, list[Any]]
    """Message -> [caller, heard, forwarded by], in the order of arrival."""
    others: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {number: [] for number in OTHERS}
    )
    """What was forwarded to whom: caller, and by whom."""
    pin: str = OWNER
    greeting: bool = False
    name: bool = False
    before: list[str] = field(default_factory=list)
    current: str = ""
    after: list[str] = field(default_factory=list)
    pending: str = ""
    ended: bool = False

    def take(self) -> str:
        """What is done next: a key, or nothing."""
        if self.pending:
            key, self.pending = self.pending, ""
            return key
        try:
            return next(self.keys)
        except StopIteration:
            raise HungUp from None

    def visit(self) -> None:
        """From the counts to the end."""
        menu, idle = self.welcome, 0
        try:
            while not self.ended and idle < 3:
                key = self.take()
                idle = idle + 1 if key == WAIT else 0
                if key == "#":
                    return
                if key != WAIT:
                    menu = menu(key) or menu
        except HungUp:
            return

    # Each menu takes a key and returns the menu that is next, or None to stay.

    def welcome(self, key: str) -> Any:
        what: dict[str, Callable[[], Any]] = {"*": self.listen, "9": lambda: self.options}
        return what.get(key, _nothing)()

    def message(self, key: str) -> Any:
        what: dict[str, Callable[[], Any]] = {
            "0": self.next,
            "1": self.previous,
            "2": self.play,
            "3": self.delete,
            "4": self.call_back,
            "5": self.forward,
            "9": lambda: self.options,
            "*": self.listen,
        }
        return what.get(key, _nothing)()

    def options(self, key: str) -> Any:
        what: dict[str, Callable[[], Any]] = {
            "3": lambda: self.dial(self.digits(32)),
            "4": self.delete_heard,
            "5": self.say_name,
            "7": self.change_pin,
            "8": self.say_greeting,
            "*": self.listen,
        }
        return what.get(key, _nothing)()

    def listen(self) -> Any:
        order = sorted(
            self.inbox, key=lambda one: self.inbox[one][1]
        )  # stable: the oldest first of each kind
        self.before, self.current, self.after = [], "", []
        if not order:
            return self.welcome
        self.current, *self.after = order
        self.play()
        return self.message

    def play(self) -> None:
        message = self.inbox[self.current]
        action = self.take()
        message[1] = True
        if action != WAIT:
            self.pending = action

    def next(self) -> None:
        if not self.after:
            known = {*self.before, self.current}
            self.after = [one for one, (_, heard, _) in self.inbox.items() if not heard and one not in known]
        if self.after:
            self.before.append(self.current)
            self.current = self.after.pop(0)
            self.play()

    def previous(self) -> None:
        if self.before:
            self.after.insert(0, self.current)
            self.current = self.before.pop()
            self.play()

    def delete(self) -> Any:
        del self.inbox[self.current]
        if self.after:
            self.current = self.after.pop(0)
            self.play()
            return None
        self.current = self.before.pop() if self.before else ""
        return None if self.current else self.welcome

    def call_back(self) -> None:
        caller = self.inbox[self.current][0]
        if caller:
            self.dial(caller)

    def dial(self, number: str) -> None:
        self.ended = number not in ("", UNREACHABLE)

    def forward(self) -> None:
        receiver = self.digits(32)
        if receiver not in (OWNER, *OTHERS):
            return
        caller = self.inbox[self.current][0]
        if self.take() == "*":
            self.says()
        if receiver == OWNER:
            self.inbox[f"copy {len(self.inbox)} {id(object())}"] = [caller, False, OWNER]
        else:
            self.others[receiver].append((caller, OWNER))

    def delete_heard(self) -> None:
        heard = [one for one, (_, heard, _) in self.inbox.items() if heard]
        if heard and self.take() == "*":
            for one in heard:
                del self.inbox[one]

    def say_name(self) -> None:
        self.name = self.says() or self.name

    def say_greeting(self) -> None:
        if self.says():
            key = self.take()
            self.greeting = key == "*" or (self.greeting and key != "0")

    def change_pin(self) -> None:
        pin = self.digits(11)
        if pin and self.digits(11) == pin and re.fullmatch("[0-9]{4,10}", pin):
            self.pin = pin

    def says(self) -> bool:
        """Whether something is recorded: here, any key but `#` stands for a word."""
        said = False
        while (key := self.take()) not in ("#", WAIT):
            said = bool(key)
        return said

    def digits(self, most: int) -> str:
        typed = ""
        while len(typed) < most and (key := self.take()) not in ("#", WAIT):
            typed += key
        return typed


# -- the code, with a voice of a test's own --------------------------------------------------------


class Keypad(Voice):
    """A phone that presses a key, or waits, whenever it is asked for one, or a message has begun."""

    def __init__(self, keys: Iterator[str], messages: Path) -> None:
        super().__init__(0, cast(Any, None), Silence(), "en")
        self._script = keys
        self._messages = messages
        self._quiet = False

    async def _act(self) -> None:
        await asyncio.sleep(1)
        try:
            key = next(self._script)
        except StopIteration:
            raise asyncio.CancelledError from None
        if key != WAIT:
            self._keys.append(key)

    async def play(self, *prompts: prompts.Token | Path, steering: Steering | None = None) -> bool:
        for prompt in prompts:
            if not self._keys and isinstance(prompt, Path) and prompt.parent == self._messages:
                assert prompt.is_file()
                await self._act()
        return not self._keys

    async def _wait_for_key(self, seconds: float) -> None:
        if not self._keys:
            await self._act()

    async def record(
        self, path: Path, *, seconds: float = 10.0, silence_seconds: float | None = None, keys: str = ""
    ) -> bool:
        said = False
        while True:
            await self._act()
            if not self._keys or self._keys[-1] in keys:
                break
            said = True
        self._keys.clear()
        write(path)
        return said


class Caller:
    """A call whose owner can be led on."""

    def __init__(self, office: Office) -> None:
        self.switch, self.config = office.switch, office.config
        self.caller = office.switch.directory.find(OWNER)
        self.voice: Voice | None = None

    async def answer(self) -> Voice:
        assert self.voice is not None
        return self.voice

    async def lead_to(self, destination: Destination, *, chosen: bool = False) -> None:
        assert isinstance(destination, Number)
        if destination.dialled == UNREACHABLE:
            raise Refused(480, "Temporarily Unavailable")


def write(path: Path) -> None:
    writer = WavWriter(path)
    writer.write(b"\x10\x20" * 8000)
    writer.close()


@asynccontextmanager
async def an_office(simulation: Simulation, folder: Path) -> AsyncIterator[Office]:
    office = Office(simulation, features=[voicemail.feature], store={"data_dir": str(folder)})
    await office.open()
    try:
        yield office
    finally:
        await office.close()


async def visit(simulation: Simulation, keys: list[str], folder: Path) -> None:
    """Press keys, and compare what is left with the reference."""
    async with an_office(simulation, folder) as office:
        boxes = {number: office.switch.mailboxes.find(number) for number in (OWNER, *OTHERS)}
        mailbox = boxes[OWNER]
        assert mailbox is not None
        inbox: dict[str, list[Any]] = {}
        for caller in CALLERS:
            async with mailbox.draft(caller, "") as draft:
                source = folder / "source.wav"
                write(source)
                await draft.copy([source], by="")
            await asyncio.sleep(1)
        for index, message in enumerate(await mailbox.messages()):
            if index < 1:
                await mailbox.mark(message.id)
            inbox[message.id] = [message.caller_number, index < 1, ""]
        call = Caller(office)
        call.voice = voice = Keypad(iter(keys), mailbox.path_of(message).parent)
        task = asyncio.ensure_future(Visit(cast(Call, call), voice, mailbox).run())
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        owner = Owner(iter(keys), inbox)
        owner.visit()
        messages = await mailbox.messages()
        found = [(one.caller_number, one.heard, one.forwarded_by) for one in messages]
        assert found == [tuple(one) for one in owner.inbox.values()]
        heard = sum(one.heard for one in messages)
        assert mailbox.counts == Counts(len(messages) - heard, heard)
        for number in OTHERS:
            box = boxes[number]
            assert box is not None
            copies = await box.messages()
            assert [(one.caller_number, one.forwarded_by) for one in copies] == owner.others[number]
            assert box.counts == Counts(len(copies), 0)
        assert await office.switch.store.fetch(partial(check_pin, OWNER, owner.pin))
        assert (await mailbox.greeting() is not None, await mailbox.name() is not None) == (
            owner.greeting,
            owner.name,
        )
        kept = {box.path_of(one) for box in boxes.values() if box for one in await box.messages()}
        files = {path for path in (folder / "voicemail").rglob("*") if path.is_file()}
        assert {path for path in files if path.name not in ("greeting.wav", "name.wav")} == kept
        assert EPOCH + timedelta(seconds=simulation.loop.time()) >= messages[-1].left_at if messages else True


@pytest.mark.row("VM-40", "VM-10", "VM-11", "VM-12", "VM-13", "VM-18", "VM-20", "VM-31", "VM-36")
@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(ACTIONS), max_size=25)
    | st.lists(st.sampled_from("0001112333w*"), max_size=25).map(lambda keys: ["*", *keys])
)
def test_any_keys_leave_the_mailbox_as_the_reference_says(actions: list[str]) -> None:
    keys = [key for action in actions for key in action]
    with TemporaryDirectory() as folder, Simulation(40) as simulation:
        simulation.run(visit(simulation, keys, Path(folder)))


# -- the menus alone -------------------------------------------------------------------------------


@given(messages=st.integers(0, 6), moves=st.lists(st.sampled_from("nnnppde"), max_size=40))
def test_a_playlist_is_gone_through_as_two_piles_are(messages: int, moves: list[str]) -> None:
    menu = Menu()
    current, *after = [str(number) for number in range(messages)] or [""]
    before: list[str] = []
    assert menu.listen(tuple(filter(None, [current, *after]))) == bool(current)
    for number, move in enumerate(moves):
        assert (menu.current, menu.place) == (current, Place.MESSAGE if current else Place.WELCOME)
        if not current:
            break
        match move:
            case "n":
                assert menu.next() == bool(after)
                if after:
                    before, current, after = [*before, current], after[0], after[1:]
            case "p":
                assert menu.previous() == bool(before)
                if before:
                    before, current, after = before[:-1], before[-1], [current, *after]
            case "d":
                assert menu.drop() == bool(after)
                if after:
                    current, after = after[0], after[1:]
                else:
                    before, current = before[:-1], before[-1] if before else ""
            case _:
                menu.extend((current, *before, f"new {number}"))
                after = [*after, f"new {number}"]
    assert menu.playlist == tuple(filter(None, [*before, current, *after]))


@pytest.mark.row("VM-18")
@given(st.sampled_from(Place), st.text(max_size=2))
def test_a_key_has_a_meaning_or_changes_nothing(place: Place, key: str) -> None:
    menu = Menu(place, ("a", "b"), 1)
    action = menu.press(key)
    if action is Action.OPTIONS:
        assert (key, menu.place) == ("9", Place.OPTIONS)
    else:
        assert menu == Menu(place, ("a", "b"), 1)
    assert (action is Action.END) == (key == "#")
