"""Hold: who is held hears music, and afterwards both hear each other again, whoever held and however it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from features import conference
from media.plan import Direction
from pbx.phone import PhoneCall
from sipcore.sdp.description import SessionDescription
from tests.journeys.talking import MUSIC, assert_talk, connect, couple, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@dataclass
class Pair:
    """A call as both parties have it, the caller first."""

    office: Office
    folder: Path
    calls: tuple[PhoneCall, PhoneCall]

    async def hear(self) -> list[set[int]]:
        """What both hear, once what was asked for has been done."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *self.calls)


@pytest.fixture
def musical(make_office: Callable[..., Office], tmp_path: Path) -> Office:
    """A running office that has music."""
    office = make_office(prompts=Prompter(tmp_path))
    office.simulation.run(office.open())
    return office


@pytest.fixture
def pair(musical: Office, tmp_path: Path) -> Pair:
    """Lee and Richardson, talking."""

    async def talk() -> Pair:
        lee, richardson = await couple(musical)
        pair = Pair(musical, tmp_path, await connect(lee, "101", richardson))
        await assert_talk(tmp_path, *pair.calls)
        return pair

    return musical.simulation.run(talk())


def modify(call: PhoneCall, offer: SessionDescription) -> None:
    """Send a re-INVITE with an offer of any kind."""
    session = call.leg.session
    assert session is not None
    call.phone.driver.perform(session.modify(offer, call.phone.loop.time()))


def hold(call: PhoneCall, kind: str) -> None:
    """Hold in one of the ways of phones (RFC 3264 section 8.4)."""
    negotiation = call.leg.negotiation
    if kind == "0.0.0.0":
        modify(call, negotiation.offer()._replace(connection=kind))
    else:
        modify(call, negotiation.offer(direction=Direction(kind)))


TALK: list[set[int]] = [{1}, {0}]


@pytest.mark.row("CORE-14", "CORE-15")
@pytest.mark.parametrize("kind", ["sendonly", "inactive", "0.0.0.0"])
@pytest.mark.parametrize("holder", [0, 1])
async def test_the_held_party_hears_music_and_then_both_talk_again(
    pair: Pair, holder: int, kind: str
) -> None:
    holding = pair.calls[holder]
    for _ in range(2):
        hold(holding, kind)
        heard = await pair.hear()
        assert (heard[holder], heard[1 - holder]) == (set(), {MUSIC})
        holding.resume()
        assert await pair.hear() == TALK
    holding.hang_up()
    await pair.office.settle()


@pytest.mark.row("CORE-14")
async def test_music_goes_on_as_long_as_the_hold(pair: Pair) -> None:
    """The file of the music lasts a second."""
    pair.calls[0].hold()
    await asyncio.sleep(100)
    assert await pair.hear() == [set(), {MUSIC}]
    pair.calls[0].resume()
    assert await pair.hear() == TALK


@pytest.mark.row("CORE-14")
@pytest.mark.parametrize("first", [0, 1])
async def test_who_takes_the_call_back_while_the_other_holds_hears_music(pair: Pair, first: int) -> None:
    resuming, other = pair.calls[first], pair.calls[1 - first]
    pair.calls[0].hold()
    pair.calls[1].hold()
    assert await pair.hear() == [set(), set()]
    resuming.resume()
    heard = await pair.hear()
    assert (heard[first], heard[1 - first]) == ({MUSIC}, set())
    other.resume()
    assert await pair.hear() == TALK


@pytest.mark.row("CORE-14")
async def test_a_hold_that_is_asked_for_again_changes_nothing(pair: Pair) -> None:
    """Phones refresh their sessions by re-INVITEs."""
    pair.calls[0].hold()
    assert await pair.hear() == [set(), {MUSIC}]
    pair.calls[0].hold()
    hold(pair.calls[1], "sendrecv")
    assert await pair.hear() == [set(), {MUSIC}]


@pytest.mark.row("CORE-14")
@pytest.mark.parametrize("ends", [0, 1])
async def test_a_held_call_ends_for_both_and_leaves_nothing(pair: Pair, ends: int) -> None:
    pair.calls[0].hold()
    await asyncio.sleep(2)
    pair.calls[ends].hang_up()
    assert await pair.calls[1 - ends].over() == 200
    await pair.office.settle()


class SlowPrompter(Prompter):
    """Takes a while to find its music."""

    async def music(self, folder: Path | None = None) -> tuple[str, ...]:
        await asyncio.sleep(2)
        return await super().music()


@pytest.mark.parametrize("ends", ["hang up", "resume"])
async def test_music_that_is_found_too_late_is_not_played(
    make_office: Callable[..., Office], tmp_path: Path, ends: str
) -> None:
    office = make_office(prompts=SlowPrompter(tmp_path))
    await office.open()
    lee, richardson = await couple(office)
    pair = Pair(office, tmp_path, await connect(lee, "101", richardson))
    pair.calls[0].hold()
    await asyncio.sleep(1)
    if ends == "resume":
        pair.calls[0].resume()
        await asyncio.sleep(2)
        assert await pair.hear() == TALK
    pair.calls[0].hang_up()
    assert await pair.calls[1].over() == 200
    await office.settle()


@pytest.mark.row("CORE-14")
async def test_a_call_that_begins_on_hold_begins_with_music(musical: Office, tmp_path: Path) -> None:
    """The phone answers with what it says on hold."""
    lee, richardson = await couple(musical)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    negotiation = incoming.leg.negotiation
    answer = negotiation.answer()
    (audio,) = answer.media
    held = tuple(
        ("sendonly", None) if name == "sendrecv" else (name, value) for name, value in audio.attributes
    )
    negotiation.local = answer._replace(media=(audio._replace(attributes=held),))
    negotiation._ours = negotiation._usable_audio(negotiation.local)
    incoming.answer()
    await outgoing.answered()
    pair = Pair(musical, tmp_path, (outgoing, incoming))
    assert await pair.hear() == [{MUSIC}, set()]
    incoming.resume()
    assert await pair.hear() == TALK


@pytest.mark.row("CORE-14")
@pytest.mark.parametrize("kind", ["sendonly", "inactive", "0.0.0.0"])
async def test_a_party_on_hold_is_absent_from_its_conference(
    make_office: Callable[..., Office], tmp_path: Path, kind: str
) -> None:
    """Neither its own music nor ours is for the others; afterwards it is back."""
    store = {"data_dir": str(tmp_path / "data")}
    office = make_office(features=[conference.feature], prompts=Prompter(tmp_path), store=store)
    await office.open()
    calls = []
    for number, keys in (("100", "55#*1"), ("101", "55#1"), ("102", "55#1")):
        call = await (await office.phone(number)).call("700")
        for key in keys:
            call.send_digits(key)
            await asyncio.sleep(0.6)
        calls.append(call)
        await asyncio.sleep(4)
    assert await listen(tmp_path, *calls) == [{1, 2}, {0, 2}, {0, 1}]
    hold(calls[1], kind)
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, *calls) == [{2}, set(), {0}]
    calls[1].resume()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, *calls) == [{1, 2}, {0, 2}, {0, 1}]
