"""Conferences: all who dial the conference number and the same ID talk together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path

from pbx.plugin import Call, Feature, Voice, prompts
from values import dataclass

ROUNDS = 3
"""How often the ID is asked for."""
MOST_DIGITS = 10
NAME_SECONDS = 10.0

feature = Feature("conference")


@dataclass(eq=False, slots=True)
class Party:
    """Somebody in a conference."""

    voice: Voice
    name: Path | None
    """The name, spoken by its owner; None: nothing was said."""

    @property
    def announced(self) -> prompts.Token | Path:
        """What the others hear for a name."""
        return self.name or prompts.CONFERENCE_SOMEONE


@dataclass(slots=True)
class Conference:
    """One conference: it exists while somebody is in it, or on the way."""

    room: int
    parties: list[Party] = field(default_factory=list)
    expected: int = 0
    """Callers who have chosen it, those in it included."""
    names: list[Path] = field(default_factory=list)
    """Recordings to remove at the end."""

    async def enter(self, party: Party) -> None:
        """The claim is made before anything is waited for, so that a place is never given twice."""
        self.parties.append(party)
        first, *others = self.parties
        party.voice.join(self.room)
        if not others:
            await party.voice.play(prompts.CONFERENCE_ALONE)
            await self._entertain()
            return
        if len(others) == 1:
            first.voice.quiet()
        await self._announce(party.voice, party.announced, prompts.CONFERENCE_HAS_JOINED)

    async def exit(self, party: Party) -> None:
        """Tell those who stay; one who is left alone hears music again."""
        self.parties.remove(party)
        party.voice.leave()
        if len(self.parties) > 1:
            await self._announce(self.parties[0].voice, party.announced, prompts.CONFERENCE_HAS_LEFT)
        await self._entertain(party.announced, prompts.CONFERENCE_HAS_LEFT)

    async def _announce(self, by: Voice, *said: prompts.Token | Path) -> None:
        """Tell everybody, each in his language."""
        await by.announce(*said, to=[party.voice for party in self.parties])

    async def _entertain(self, *before: prompts.Token | Path) -> None:
        """Music for one who is alone, after prompts that say why."""
        if len(self.parties) != 1:
            return
        [lonely] = self.parties
        await lonely.voice.music(*before)
        if len(self.parties) > 1:  # somebody came while the music was looked for
            lonely.voice.quiet()


class Conferences:
    """The conferences of a system, by ID."""

    def __init__(self) -> None:
        self._by_id: dict[str, Conference] = {}

    def __contains__(self, conference_id: str) -> bool:
        return conference_id in self._by_id

    @contextmanager
    def choose(self, conference_id: str, call: Call) -> Iterator[Conference]:
        """The conference of this ID, created if need be. It ends, and its ID is free, when the last has left it."""
        conference = self._by_id.get(conference_id)
        if conference is None:
            conference = self._by_id[conference_id] = Conference(call.new_room())
        conference.expected += 1
        try:
            yield conference
        finally:
            conference.expected -= 1
            if not conference.expected:
                del self._by_id[conference_id]
                for name in conference.names:
                    with suppress(OSError):  # it was never recorded, or somebody tidied up
                        name.unlink()


@feature.number("conference", summary="Join a conference, or begin one")
async def conference(call: Call) -> None:
    """Ask for the ID, have a new conference confirmed, ask for the name, and join."""
    voice = await call.answer()
    conferences = call.shared(Conferences)
    conference_id = await _ask_id(voice, conferences)
    if conference_id is None:
        await voice.play(prompts.GOODBYE)
        return
    with conferences.choose(conference_id, call) as chosen:
        await call.go_to_room(chosen.room)
        name = await _ask_name(call, voice, chosen)
        if len(chosen.parties) >= call.config.conference.max_parties:
            await voice.play(prompts.CONFERENCE_FULL)
            return
        party = Party(voice, name)
        try:
            with call.attend(conference_id):
                await chosen.enter(party)
                await call.stay()
        finally:
            await chosen.exit(party)


async def _ask_id(voice: Voice, conferences: Conferences) -> str | None:
    """An ID that exists, or one whose creation was confirmed; None after too many rounds."""
    for _ in range(ROUNDS):
        conference_id = await voice.collect(prompts.CONFERENCE_ENTER_ID, most=MOST_DIGITS + 1)
        if not 0 < len(conference_id) <= MOST_DIGITS:
            continue
        if conference_id in conferences:
            return conference_id
        key = await voice.key(prompts.CONFERENCE_CREATE)
        if key == "*" or (not key and conference_id in conferences):  # somebody else was quicker to create it
            return conference_id
    return None


async def _ask_name(call: Call, voice: Voice, conference: Conference) -> Path | None:
    """The caller's name as a recording; None if nothing is said."""
    path = call.folder("conference") / f"{call.id}.wav"
    conference.names.append(path)
    await voice.play(prompts.CONFERENCE_SAY_NAME)
    voice.forget_keys()
    await voice.play(prompts.BEEP)
    return path if await voice.record(path, seconds=NAME_SECONDS) else None
