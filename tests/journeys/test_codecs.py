"""Phones of different codecs: what they agree on, and that they hear each other, press keys, and meet in rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from features import conference, echo
from media.messages import DigitEnded
from media.plan import Codec
from pbx.phone import PhoneCall
from tests.journeys.talking import TONES_HZ, assert_talk, connect, couple, listen, tones_in
from tests.simulation.impairment import INTERNET
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

PCMU, PCMA, G722, OPUS = Codec.PCMU, Codec.PCMA, Codec.G722, Codec.OPUS
PAIRS = [
    pytest.param(one, other, id=f"{one.encoding_name} and {other.encoding_name}")
    for one, other in product(Codec, repeat=2)
]


async def call_between(
    office: Office, caller: tuple[Codec, ...], called: tuple[Codec, ...]
) -> tuple[PhoneCall, PhoneCall]:
    """A call between a phone that speaks `caller` and one that speaks `called`."""
    lee, richardson = await couple(office)
    lee.codecs, richardson.codecs = caller, called
    return await connect(lee, "101", richardson)


@pytest.mark.parametrize(("caller", "called"), PAIRS)
async def test_phones_of_any_two_codecs_talk(
    office: Office, tmp_path: Path, caller: Codec, called: Codec
) -> None:
    calls = await call_between(office, (caller,), (called,))
    assert [call.leg.codec for call in calls] == [caller, called]
    await assert_talk(tmp_path, *calls)
    calls[0].hang_up()
    assert await calls[1].over() == 200
    await office.settle()


@pytest.mark.parametrize(("caller", "called"), [(G722, OPUS), (OPUS, PCMA), (PCMU, G722)])
async def test_they_talk_over_a_bad_network(
    make_office: Callable[..., Office], tmp_path: Path, caller: Codec, called: Codec
) -> None:
    office = make_office(link=INTERNET)
    await office.open()
    calls = await call_between(office, (caller,), (called,))
    await assert_talk(tmp_path, *calls)


@pytest.mark.parametrize(
    ("caller", "called", "agreed"),
    [
        ((OPUS, PCMA), (PCMA, OPUS), OPUS),
        ((PCMA, OPUS), (OPUS, PCMA), PCMA),
        ((G722, PCMU), (OPUS, PCMU), PCMU),
        ((PCMU, PCMA, G722), (OPUS, G722), G722),
        ((OPUS, G722), tuple(Codec), OPUS),
    ],
)
async def test_they_agree_on_what_both_speak_as_the_caller_prefers_it(
    office: Office, tmp_path: Path, caller: tuple[Codec, ...], called: tuple[Codec, ...], agreed: Codec
) -> None:
    calls = await call_between(office, caller, called)
    assert [call.leg.codec for call in calls] == [agreed, agreed]
    await assert_talk(tmp_path, *calls)


# -- keys, holds, changes --------------------------------------------------------------------------


@pytest.mark.parametrize(("caller", "called"), [(OPUS, PCMA), (PCMA, OPUS), (OPUS, OPUS), (G722, OPUS)])
async def test_keys_are_told_with_their_durations_across_clocks(
    office: Office, tmp_path: Path, caller: Codec, called: Codec
) -> None:
    outgoing, incoming = await call_between(office, (caller,), (called,))
    await assert_talk(tmp_path, outgoing, incoming)
    told: list[tuple[str, int]] = []
    incoming.phone.media.on_event = lambda event: (
        told.append((event.digit, event.duration_ms)) if isinstance(event, DigitEnded) else None
    )
    outgoing.send_digits("1#9")
    await asyncio.sleep(2)
    assert told == [("1", 100), ("#", 100), ("9", 100)]
    assert await listen(tmp_path, outgoing, incoming) == [{1}, {0}]


@pytest.mark.parametrize("after", [OPUS, G722, PCMU])
async def test_a_phone_changes_its_codec_in_the_call(office: Office, tmp_path: Path, after: Codec) -> None:
    outgoing, incoming = await call_between(office, (PCMA,), (PCMA,))
    await assert_talk(tmp_path, outgoing, incoming)
    for codec in (after, PCMA, after):
        outgoing.leg.negotiation.codecs = (codec,)
        outgoing.resume()
        await assert_talk(tmp_path, outgoing, incoming)
        assert [call.leg.codec for call in (outgoing, incoming)] == [codec, PCMA]


@pytest.mark.parametrize("holder", [0, 1])
async def test_hold_and_resume_with_recoding(office: Office, tmp_path: Path, holder: int) -> None:
    calls = await call_between(office, (OPUS,), (G722,))
    await assert_talk(tmp_path, *calls)
    calls[holder].hold()
    await asyncio.sleep(1)
    calls[holder].resume()
    await assert_talk(tmp_path, *calls)


# -- the system itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("codec", Codec)
async def test_a_phone_hears_its_echo_in_its_own_codec(
    make_office: Callable[..., Office], tmp_path: Path, codec: Codec
) -> None:
    office = make_office(features=[echo.feature])
    await office.open()
    lee = await office.phone("100")
    lee.codecs = (codec,)
    call = await lee.call("*777")
    call.play_tone(TONES_HZ[0])
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, call) == [{0}]


@pytest.mark.row("CONF-19")
async def test_four_codecs_meet_in_one_room(make_office: Callable[..., Office], tmp_path: Path) -> None:
    """IDs by key, names recorded and announced, and every party hears all others and not himself."""
    office = make_office(
        features=[conference.feature],
        prompts=Prompter(tmp_path),
        store={"data_dir": str(tmp_path / "data")},
    )
    await office.open()
    calls = []
    for number, codec in zip(("100", "101", "102", "103"), (OPUS, PCMA, G722, PCMU), strict=True):
        phone = await office.phone(number)
        phone.codecs = (codec,)
        call = await phone.call("700")
        calls.append(call)
        assert call.leg.codec is codec
        for key in "55#*" if len(calls) == 1 else "55#":
            call.send_digits(key)
            await asyncio.sleep(0.5)
        call.play_tone(TONES_HZ[len(calls) - 1])
        await asyncio.sleep(0.5)
        call.send_digits("1")
        await asyncio.sleep(2)
    everybody = set(range(4))
    assert await listen(tmp_path, *calls) == [everybody - {own} for own in range(4)]
    names = (tmp_path / "data" / "conference").iterdir()
    assert sorted(map(sorted, map(tones_in, names))) == [[0], [1], [2], [3]]


# -- what the system offers ------------------------------------------------------------------------


async def test_the_configuration_says_what_phones_may_speak(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = make_office(media={"codecs": ["G722", "PCMA"]})
    await office.open()
    lee, richardson = await couple(office)
    lee.codecs, richardson.codecs = (PCMU, OPUS, PCMA, G722), (OPUS, PCMU, G722, PCMA)
    outgoing, incoming = await connect(lee, "101", richardson)
    assert [call.leg.codec for call in (outgoing, incoming)] == [PCMA, PCMA]
    offer = incoming.leg.negotiation.remote
    assert offer is not None
    assert offer.media[0].formats == ("8", "9", "101")
    await assert_talk(tmp_path, outgoing, incoming)


async def test_who_makes_no_offer_is_offered_what_the_configuration_prefers(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(media={"codecs": ["opus", "G722", "PCMA"]})
    await office.open()
    lee, richardson = await couple(office)
    lee.codecs = richardson.codecs = tuple(Codec)
    outgoing = lee.dial("101", offerless=True)
    incoming = await richardson.incoming()
    incoming.answer()
    await outgoing.answered()
    assert [call.leg.codec for call in (outgoing, incoming)] == [OPUS, OPUS]


async def test_what_a_phone_says_of_its_opus_reaches_the_other(office: Office) -> None:
    lee, richardson = await couple(office)
    lee.codecs = richardson.codecs = (OPUS,)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    incoming.leg.negotiation.opus_parameters = "useinbandfec=1"
    incoming.answer()
    await outgoing.answered()
    assert outgoing.leg.negotiation.remote_opus_parameters == "useinbandfec=1"
    assert incoming.leg.negotiation.remote_opus_parameters == ""
