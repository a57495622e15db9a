"""Who hears whom: each party speaks a tone of its own, and the tones are looked for in what the others recorded."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from pbx.phone import Phone, PhoneCall
from tests.interop.tones import level, read_samples
from tests.simulation.office import Office
from tests.simulation.prompter import MUSIC_HZ

TONES_HZ = (440, 620, 1010, 1390)
"""One for each party; none is a harmonic of another."""

MUSIC = -1
"""The music of those who wait, among positions of parties."""

HEARD = 1000.0
"""Of a tone that was sent at an amplitude of 7336, however much of it was lost."""

_numbers = count(1)


async def listen(folder: Path, *calls: PhoneCall, seconds: float = 0.5) -> list[set[int]]:
    """What each party hears during the next seconds: the positions of the parties whose tones it recorded, and
    MUSIC."""
    paths = [folder / f"{next(_numbers)}.wav" for _ in calls]
    for call, path, hertz in zip(calls, paths, TONES_HZ, strict=False):
        call.play_tone(hertz)
        call.record(path)
    await asyncio.sleep(seconds)
    for call, path in zip(calls, paths, strict=True):
        call.record(path.with_suffix(".after"))  # of no interest, but it completes the file before
    return [tones_in(path) for path in paths]


def tones_in(path: Path) -> set[int]:
    """The positions of the parties whose tones a recording holds, and MUSIC."""
    samples = read_samples(path)
    tones = {**dict(enumerate(TONES_HZ)), MUSIC: MUSIC_HZ}
    return {index for index, hertz in tones.items() if level(samples, hertz) > HEARD}


async def assert_talk(folder: Path, *calls: PhoneCall, within: float = 0.3) -> None:
    """Both hear the other, and nobody himself. Until streams are locked (media.latch), seconds may go by."""
    for call, hertz in zip(calls, TONES_HZ, strict=False):
        call.play_tone(hertz)
    await asyncio.sleep(within)
    assert await listen(folder, *calls) == [{1}, {0}]


async def connect(caller: Phone, number: str, called: Phone) -> tuple[PhoneCall, PhoneCall]:
    """Call a number that rings at `called`, which answers: the call as both have it."""
    outgoing = caller.dial(number)
    incoming = await called.incoming()
    incoming.answer()
    await outgoing.answered()
    return outgoing, incoming


async def couple(office: Office) -> tuple[Phone, Phone]:
    """Lee's phone (100) and Richardson's (101)."""
    return await office.phone("100"), await office.phone("101")


def caller_shown(call: PhoneCall) -> tuple[str | None, str | None]:
    """Name and number of the caller, as the INVITE shows them."""
    session = call.leg.session
    assert session is not None
    return session.request.from_.display_name, session.request.from_.uri.user
