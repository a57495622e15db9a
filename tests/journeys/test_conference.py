"""Conferences on 700, as people use them: by ear and by key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from features import conference
from pbx.phone import PhoneCall
from sipcore.events.conference_info import read_conference
from tests.interop.tones import level, read_samples
from tests.journeys.talking import HEARD
from tests.simulation.office import Office
from tests.simulation.prompter import MUSIC_HZ, PROMPT_HZ, Prompter

TALK_HZ = [300 + 37 * index for index in range(32)]
"""A tone for each party, far enough from its neighbours and from music."""


@dataclass
class Hall:
    """An office with conferences, and a folder for what its phones record."""

    office: Office
    prompter: Prompter
    folder: Path
    recordings: int = 0
    calls: list[PhoneCall] = field(default_factory=list)

    async def dial(self, extension: str = "100") -> PhoneCall:
        """A call to 700 from a new phone of an extension."""
        phone = next((phone for phone in self.office.phones if phone.account.number == extension), None)
        call = await (phone or await self.office.phone(extension)).call("700")
        self.calls.append(call)
        return call

    async def enter(
        self, extension: str = "100", conference_id: str = "55", *, first: bool = False
    ) -> PhoneCall:
        """Dial, give the ID, confirm it if it is new, and say a name (the tone of the caller's place)."""
        call = await self.dial(extension)
        await keys(call, f"{conference_id}#")
        if first:
            await keys(call, "*")
        call.play_tone(TALK_HZ[len(self.calls) - 1])
        await asyncio.sleep(0.5)
        await keys(call, "1")
        await asyncio.sleep(1.5)  # the announcement
        return call

    async def hears(self, *calls: PhoneCall, seconds: float = 0.5) -> list[set[int]]:
        """Whose tones each of the calls hears: places in the order of dialling; -1 is the music."""
        paths = []
        for call in calls:
            self.recordings += 1
            paths.append(self.folder / f"heard-{self.recordings}.wav")
            call.record(paths[-1])
        await asyncio.sleep(seconds)
        for call in calls:
            call.record(self.folder / "after.wav")
        return [self._places(path) for path in paths]

    def _places(self, path: Path) -> set[int]:
        samples = read_samples(path)
        tones = {place: TALK_HZ[place] for place in range(len(self.calls))} | {-1: MUSIC_HZ}
        return {place for place, hertz in tones.items() if level(samples, hertz, 8.0) > HEARD}


async def keys(call: PhoneCall, digits: str) -> None:
    """Press keys, one after another, and wait until the last has been sent."""
    call.send_digits(digits)
    await asyncio.sleep(0.3 * len(digits) + 0.2)


@pytest.fixture
def hall(make_office: Callable[..., Office], tmp_path: Path) -> Hall:
    prompter = Prompter(tmp_path)
    store = {"data_dir": str(tmp_path / "data")}
    office = make_office(features=[conference.feature], prompts=prompter, store=store)
    office.simulation.run(office.open())
    return Hall(office, prompter, tmp_path)


# -- beginning -------------------------------------------------------------------------------------


@pytest.mark.row("CONF-03", "CONF-04", "CONF-05", "CONF-07", "CONF-09", "CONF-10", "CORE-15")
async def test_the_first_caller_confirms_says_a_name_and_hears_music(hall: Hall) -> None:
    lee = await hall.enter("100", first=True)
    assert hall.prompter.said == [
        "conference.enter_id",
        "conference.create",
        "conference.say_name",
        "beep",
        "conference.alone",
        "music",
    ]
    assert await hall.hears(lee) == [{-1}]


@pytest.mark.row("CONF-06", "CONF-08", "CONF-11", "CONF-12", "CONF-18")
async def test_two_who_give_the_same_id_talk(hall: Hall) -> None:
    lee = await hall.enter("100", first=True)
    hall.prompter.said.clear()
    richardson = await hall.enter("101")
    said = hall.prompter.said
    assert said[:3] == ["conference.enter_id", "conference.say_name", "beep"]
    assert isinstance(said[3], Path)
    assert said[4:] == ["conference.has_joined"]
    assert await hall.hears(lee, richardson) == [{1}, {0}]


@pytest.mark.row("CONF-11")
async def test_the_name_that_was_said_is_announced_to_all(hall: Hall) -> None:
    lee = await hall.enter("100", first=True)
    call = await hall.dial("101")
    await keys(call, "55#")
    call.play_tone(TALK_HZ[1])
    await asyncio.sleep(1.0)
    call.quiet()
    [heard, _] = await asyncio.gather(hall.hears(lee, seconds=3.0), keys(call, "1"))
    assert 1 in heard[0]


@pytest.mark.row("CONF-11", "ADM-18")
async def test_each_hears_who_comes_and_goes_in_a_language_of_his_own(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    prompter = Prompter(tmp_path)
    store = {"data_dir": str(tmp_path / "data")}
    extensions = {"101": {"language": "fr"}}
    office = make_office(
        features=[conference.feature], prompts=prompter, store=store, extensions=extensions
    )
    await office.open()
    hall = Hall(office, prompter, tmp_path)

    def languages(prompt: str) -> list[str]:
        prompts = [said for said in prompter.said if said != "music"]
        told = zip(prompts, prompter.languages, strict=True)
        return [language for said, language in told if said == prompt]

    lee = await hall.enter("100", first=True)
    richardson = await hall.enter("101")
    assert sorted(languages("conference.has_joined")) == ["en", "fr"]
    taylor = await hall.dial("102")
    await keys(taylor, "55#")
    taylor.quiet()
    await keys(taylor, "1")
    path = [tmp_path / f"told-{place}.wav" for place in range(2)]
    for call, each in zip((lee, richardson), path, strict=True):
        call.quiet()
        call.record(each)
    await asyncio.sleep(2)
    taylor.hang_up()
    await asyncio.sleep(2)
    for call in (lee, richardson):
        call.record(tmp_path / "after.wav")
    assert [level(read_samples(each), PROMPT_HZ) > 100 for each in path] == [True, True]
    assert languages("conference.has_left") in (["en", "fr"], ["fr", "en"])
    richardson.hang_up()
    await asyncio.sleep(2)
    assert languages("conference.has_left")[2:] == ["en"]  # nobody else is there
    lee.hang_up()
    await office.settle()


@pytest.mark.row("CONF-06")
async def test_two_conferences_never_hear_each_other(hall: Hall) -> None:
    calls = [
        await hall.enter("100", "1", first=True),
        await hall.enter("101", "2", first=True),
        await hall.enter("102", "1"),
        await hall.enter("103", "2"),
    ]
    assert await hall.hears(*calls) == [{2}, {3}, {0}, {1}]


@pytest.mark.row("CONF-07", "CONF-15")
async def test_who_cancels_three_times_is_sent_away(hall: Hall) -> None:
    lee = await hall.dial()
    for _ in range(conference.ROUNDS):
        await keys(lee, "55#")
        await keys(lee, "#")
    assert await lee.over() == 200
    assert hall.prompter.said == ["conference.enter_id", "conference.create"] * 3 + ["goodbye"]


@pytest.mark.row("CONF-16")
async def test_a_pause_ends_the_id_too(hall: Hall) -> None:
    lee = await hall.dial()
    await keys(lee, "55")
    await asyncio.sleep(4)
    assert hall.prompter.said == ["conference.enter_id", "conference.create"]


@pytest.mark.row("CONF-16")
async def test_the_key_that_ends_the_id_cancels_nothing(hall: Hall) -> None:
    lee = await hall.dial()
    await keys(lee, "55#")
    await asyncio.sleep(1)
    assert hall.prompter.said[-1] == "conference.create"
    await keys(lee, "*")
    assert hall.prompter.said[-2:] == ["conference.say_name", "beep"]


@pytest.mark.row("CONF-16")
async def test_the_longest_id_ends_with_its_key_too(hall: Hall) -> None:
    lee = await hall.dial()
    await keys(lee, "1234567890#")
    await keys(lee, "*")
    assert hall.prompter.said[1:3] == ["conference.create", "conference.say_name"]


@pytest.mark.row("CONF-21")
async def test_who_says_no_name_is_announced_as_somebody(hall: Hall) -> None:
    await hall.enter("100", first=True)
    call = await hall.dial("101")
    call.quiet()
    await keys(call, "55#")
    await asyncio.sleep(12)
    assert hall.prompter.said[-2:] == ["conference.someone", "conference.has_joined"]


# -- races and limits ------------------------------------------------------------------------------


@pytest.mark.row("CONF-17")
async def test_two_who_create_it_at_once_are_in_one_conference(hall: Hall) -> None:
    lee, richardson = await hall.dial("100"), await hall.dial("101")
    await asyncio.gather(keys(lee, "55#"), keys(richardson, "55#"))
    await asyncio.gather(keys(lee, "*"), keys(richardson, "*"))
    lee.play_tone(TALK_HZ[0])
    richardson.play_tone(TALK_HZ[1])
    await asyncio.sleep(1)
    await asyncio.gather(keys(lee, "1"), keys(richardson, "1"))
    await asyncio.sleep(2)
    assert await hall.hears(lee, richardson) == [{1}, {0}]


@pytest.mark.row("CONF-02")
async def test_a_lower_limit_is_kept(make_office: Callable[..., Office], tmp_path: Path) -> None:
    prompter = Prompter(tmp_path)
    office = make_office(
        features=[conference.feature],
        prompts=prompter,
        store={"data_dir": str(tmp_path / "data")},
        conference={"max_parties": 2},
    )
    await office.open()
    hall = Hall(office, prompter, tmp_path)
    lee, richardson = await hall.enter("100", first=True), await hall.enter("101")
    third = await hall.enter("102")
    assert await third.over() == 200
    assert prompter.said[-1] == "conference.full"
    assert await hall.hears(lee, richardson) == [{1}, {0}]


@pytest.mark.row("CONF-01", "CONF-18")
async def test_32_talk_and_the_33rd_is_told_that_it_is_full(hall: Hall) -> None:
    people = [f"10{index % 6}" for index in range(33)]
    await hall.enter(people[0], first=True)
    for extension in people[1:32]:
        await hall.enter(extension)
    everybody = set(range(32))
    # One at a time is heard by all others; 32 tones at full level at once would be noise.
    for call in hall.calls:
        call.quiet()
    for speaker in (0, 13, 31):
        hall.calls[speaker].play_tone(TALK_HZ[speaker])
        await asyncio.sleep(0.3)
        heard = await hall.hears(*hall.calls)
        assert {place for place in everybody if speaker in heard[place]} == everybody - {speaker}
        assert all(places <= {speaker} for places in heard)
        hall.calls[speaker].quiet()
        await asyncio.sleep(0.3)
    refused = await hall.dial(people[32])
    await keys(refused, "55#")
    await asyncio.sleep(0.5)
    await keys(refused, "1")
    assert await refused.over() == 200
    assert hall.prompter.said[-1] == "conference.full"


# -- leaving ---------------------------------------------------------------------------------------


@pytest.mark.row("CONF-13")
async def test_the_one_who_stays_hears_that_the_other_left_and_then_music(hall: Hall) -> None:
    lee, richardson = await hall.enter("100", first=True), await hall.enter("101")
    richardson.hang_up()
    await asyncio.sleep(0.2)
    assert hall.prompter.said[-2:] == ["conference.has_left", "music"]
    [heard] = await hall.hears(lee, seconds=0.5)
    assert 1 in heard  # the name of who left, in its owner's voice
    await asyncio.sleep(2)
    assert await hall.hears(lee) == [{-1}]


@pytest.mark.row("CONF-14")
async def test_when_the_last_leaves_the_id_is_free_and_the_names_are_gone(hall: Hall) -> None:
    lee, richardson = await hall.enter("100", first=True), await hall.enter("101")
    names = hall.folder / "data" / "conference"
    assert len(list(names.iterdir())) == 2
    lee.hang_up()
    richardson.hang_up()
    await asyncio.sleep(1)
    assert list(names.iterdir()) == []
    hall.prompter.said.clear()
    await keys(await hall.dial("102"), "55#")
    assert hall.prompter.said == ["conference.enter_id", "conference.create"]


async def test_a_party_who_comes_and_goes_disturbs_nobody(hall: Hall) -> None:
    lee, richardson = await hall.enter("100", first=True), await hall.enter("101")
    for _ in range(5):
        (await hall.enter("102")).hang_up()
    await asyncio.sleep(3)
    assert await hall.hears(lee, richardson) == [{1}, {0}]


# -- for those who watch -----------------------------------------------------------------------------


async def test_who_is_in_a_conference_is_told_to_those_who_watch_it(hall: Hall) -> None:
    """RFC 4575."""
    lee = await hall.enter("100", first=True)
    watch = (await hall.office.phone("103")).watch("55", "conference")
    assert read_conference(await watch.told()) == (0, "sip:55@10.0.0.1", {"sip:100@10.0.0.1": 1})
    richardson = await hall.enter("101")
    both = {"sip:100@10.0.0.1": 1, "sip:101@10.0.0.1": 1}
    assert read_conference(watch.body) == (1, "sip:55@10.0.0.1", both)
    for call in (lee, richardson):
        call.hang_up()
    await asyncio.sleep(1)
    assert read_conference(watch.body)[2] == {}
    assert (await watch.ended).reason == "noresource"
