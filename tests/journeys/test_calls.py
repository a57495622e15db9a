"""Calls between extensions, from the INVITE to silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from media.plan import Codec, Direction
from pbx.happenings import (
    CallAnswered,
    CallConnected,
    CallEnded,
    CallRang,
    CallRouted,
    CallStarted,
    PresenceChanged,
)
from pbx.phone import CallFailed, PhoneCall
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri
from tests.journeys.talking import assert_talk, caller_shown, connect, couple, listen
from tests.simulation.office import COMPANY, PBX, Office


def dial_uri(call: PhoneCall, uri: Uri, offer: SessionDescription | None = None) -> None:
    """Send an INVITE to any URI; `call` is to be new."""
    phone = call.phone
    phone.calls.add(call)
    me = NameAddress(None, Uri("sip", phone.account.number, host=PBX))
    call.leg.session, effects = phone.endpoint.invite(
        uri,
        phone.flow,
        from_=me,
        to=NameAddress(None, uri),
        offer=offer or call.leg.negotiation.offer(),
        now=phone.loop.time(),
        owner=call,
    )
    phone.driver.perform(effects)


def media_seconds_between(office: Office, sender: str, receiver: str) -> float:
    """How much sound the network has carried since the ladder was cleared."""
    ladder = office.simulation.ladder
    packets = [rung for rung in ladder.rungs if rung.label == "172 bytes"]  # 20 ms of G.711 and a header
    return sum((rung.sender, rung.receiver) == (sender, receiver) for rung in packets) * 0.02


# -- talking ---------------------------------------------------------------------------------------


@pytest.mark.row("CORE-01", "CORE-02", "CORE-03")
async def test_two_extensions_talk(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    assert office.live()["calls"] == 1
    assert office.live()["legs"] == 2
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


async def test_all_sound_passes_through_the_switch(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    ladder = office.simulation.ladder
    ladder.media = True
    outgoing.play_tone(440)
    incoming.play_tone(620)
    await asyncio.sleep(1)
    hosts = [lee.flow.local.host, richardson.flow.local.host]
    assert {frozenset((rung.sender, rung.receiver)) for rung in ladder.rungs if "bytes" in rung.label} == {
        frozenset((host, PBX)) for host in hosts
    }


@pytest.mark.parametrize("who", ["caller", "called"])
async def test_either_side_hangs_up(office: Office, who: str) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(5)
    first, second = (outgoing, incoming) if who == "caller" else (incoming, outgoing)
    first.hang_up()
    assert await second.over() == 200
    [ended] = office.told_of(CallEnded)
    assert ended.status == 200
    assert ended.talk_seconds == pytest.approx(5, abs=0.1)
    await office.settle()
    assert not lee.calls
    assert not richardson.calls


async def test_both_sides_hang_up_at_the_same_instant(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.hang_up()
    incoming.hang_up()
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1


async def test_what_happens_in_a_call_is_told_in_order(office: Office) -> None:
    lee, richardson = await couple(office)
    office.told.clear()
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(3)
    incoming.answer()
    await outgoing.answered()
    for call in (outgoing, incoming):
        call.play_tone(440)  # or that they are silent would be told too
    await asyncio.sleep(10)
    outgoing.hang_up()
    await incoming.over()
    told = [happening for happening in office.told if not isinstance(happening, PresenceChanged)]
    started, routed, rang, answered, connected, ended, *_ = told
    assert isinstance(started, CallStarted)
    assert (started.caller, started.callee, started.internal) == ("100", "101", True)
    assert isinstance(routed, CallRouted)
    assert (routed.sought, routed.reasons) == (("101",), ("ring 101",))
    assert isinstance(rang, CallRang)
    assert rang.extension == "101"
    assert isinstance(answered, CallAnswered)
    assert answered.by == "101"
    assert (answered.at - rang.at).total_seconds() == pytest.approx(3, abs=0.1)
    assert isinstance(connected, CallConnected)
    assert (connected.to, connected.at) == ("101", answered.at)
    assert isinstance(ended, CallEnded)
    assert ended.seconds == pytest.approx(13, abs=0.1)
    assert {each.call for each in (routed, rang, answered, connected, ended)} == {started.call}


async def test_an_extension_calls_itself_and_is_busy(office: Office) -> None:
    lee = await office.phone("100")
    with pytest.raises(CallFailed) as failed:
        await lee.call("100")
    assert failed.value.status == 486


async def test_calls_do_not_hear_each_other(office: Office, tmp_path: Path) -> None:
    phones = [await office.phone(number) for number in ("100", "101", "102", "103")]
    first = await connect(phones[0], "101", phones[1])
    second = await connect(phones[2], "103", phones[3])
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, *first, *second) == [{1}, {0}, {3}, {2}]
    first[0].hang_up()
    await asyncio.sleep(0.1)
    assert await listen(tmp_path, *second) == [{1}, {0}]


# -- what the caller and the called see --------------------------------------------------------------


@pytest.mark.row("CORE-03")
async def test_name_and_number_of_the_caller_are_shown(office: Office) -> None:
    lee, richardson = await couple(office)
    lee.dial("101")
    assert caller_shown(await richardson.incoming()) == (COMPANY["100"], "100")


async def test_what_the_phone_says_of_its_user_is_not_believed(office: Office) -> None:
    lee, richardson = await couple(office)
    lee.account = replace(lee.account, display_name="The Director")
    lee.dial("101")
    assert caller_shown(await richardson.incoming()) == (COMPANY["100"], "100")


async def test_inside_the_office_the_extension_is_shown_whatever_the_outside_sees(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(extensions={"100": {"outbound_caller_id": "0142000100"}})
    await office.open()
    lee, richardson = await couple(office)
    lee.dial("101")
    assert caller_shown(await richardson.incoming()) == (COMPANY["100"], "100")


async def test_the_caller_hears_of_ringing_before_the_answer(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(20)
    assert outgoing.provisionals == [180]
    incoming.answer()
    await outgoing.answered()
    assert outgoing.provisionals == [180]


async def test_a_phone_that_answers_without_ringing(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    outgoing = await lee.call("101")
    assert outgoing.provisionals == []
    (incoming,) = richardson.calls
    await assert_talk(tmp_path, outgoing, incoming)


# -- what can be dialled ---------------------------------------------------------------------------


@pytest.mark.row("CORE-24", "DC-05")
@pytest.mark.parametrize(
    "uri",
    [
        f"sip:ext101@{PBX}",
        f"sip:EXT101@{PBX}",
        f"sip:Director@{PBX}",
        f"sip:101@{PBX};user=phone",
        f"sip:1-0.1@{PBX};user=phone",
        f"sip:%31%301@{PBX}",
        f"sip:101@{PBX}:5060;transport=udp",
        "tel:101",
        "tel:1-01;phone-context=example.com",
    ],
)
async def test_an_extension_is_reached_under_each_of_its_addresses(
    make_office: Callable[..., Office], uri: str
) -> None:
    sip_id = {"101": {"sip_id": "director"}} if "irector" in uri else {}
    office = make_office(extensions=sip_id)
    await office.open()
    lee, richardson = await couple(office)
    call = PhoneCall(lee)
    dial_uri(call, Uri.parse(uri))
    (await richardson.incoming()).answer()
    await call.answered()
    assert office.told_of(CallAnswered)[0].by == "101"


@pytest.mark.row("DC-05")
@pytest.mark.parametrize("user", ["*777", "%2A777", "%2a777"])
@pytest.mark.parametrize("parameters", ["", ";user=phone"])
async def test_a_code_is_understood_however_a_phone_writes_its_star(
    make_office: Callable[..., Office], tmp_path: Path, user: str, parameters: str
) -> None:
    from features.echo import feature

    office = make_office(features=[feature])
    await office.open()
    lee = await office.phone("100")
    call = PhoneCall(lee)
    dial_uri(call, Uri.parse(f"sip:{user}@{PBX}{parameters}"))
    await call.answered()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, call) == [{0}]  # oneself: that is what an echo is
    call.hang_up()
    await office.settle()


async def test_what_is_supported_stands_in_one_line(office: Office) -> None:
    """SIPp is not alone in reading no more than the first line of a header."""
    lee, richardson = await couple(office)
    _, incoming = await connect(lee, "101", richardson)
    assert incoming.leg.session is not None
    [supported] = incoming.leg.session.request.get_all("Supported")
    assert set(supported.split(", ")) >= {"100rel", "replaces", "timer"}


# -- offers and answers ----------------------------------------------------------------------------


async def test_a_caller_that_leaves_the_offer_to_us(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101", offerless=True)
    incoming = await richardson.incoming()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


ULAW, ALAW = (Codec.PCMU,), (Codec.PCMA,)


@pytest.mark.parametrize(
    ("caller", "called", "offerless"),
    [
        (ALAW, ALAW, False),
        (ULAW, ULAW, False),
        (ALAW, ULAW, False),
        (ULAW, ALAW, False),
        ((*ALAW, *ULAW), ALAW, False),
        ((*ALAW, *ULAW), ULAW, False),
        (ALAW, ULAW, True),
        (ULAW, ALAW, True),
    ],
)
async def test_phones_of_any_codec_talk(
    office: Office, tmp_path: Path, caller: tuple[Codec, ...], called: tuple[Codec, ...], offerless: bool
) -> None:
    lee, richardson = await couple(office)
    lee.codecs, richardson.codecs = caller, called
    outgoing = lee.dial("101", offerless=offerless)
    incoming = await richardson.incoming()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    assert incoming.leg.codec in called
    if called[0] in caller:  # then nothing has to be recoded
        assert outgoing.leg.codec is incoming.leg.codec


def foreign_offer(call: PhoneCall) -> SessionDescription:
    """An offer of GSM and G.729, neither of which we speak."""
    ours = call.leg.negotiation.offer()
    (audio,) = ours.media
    return ours._replace(media=(audio._replace(formats=("3", "18"), attributes=()),))


async def test_a_caller_without_a_codec_of_ours_gets_488(office: Office) -> None:
    lee, _ = await couple(office)
    call = PhoneCall(lee)
    dial_uri(call, Uri.parse(f"sip:101@{PBX}"), foreign_offer(call))
    assert await call.over() == 488
    await office.settle()
    assert office.told_of(CallRang) == []


async def test_a_phone_without_a_codec_of_ours_turns_the_call_into_488(office: Office) -> None:
    lee, richardson = await couple(office)
    richardson.codecs = ()
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 488
    await office.settle()


# -- hold ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holder", ["caller", "called"])
async def test_hold_and_resume(office: Office, tmp_path: Path, holder: str) -> None:
    lee, richardson = await couple(office)
    pair = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, *pair)
    holding, held = pair if holder == "caller" else reversed(pair)
    holding.hold()
    await asyncio.sleep(1)
    assert holding.leg.plan is not None
    assert holding.leg.plan.direction is Direction.SENDONLY
    ladder = office.simulation.ladder
    ladder.media = True
    ladder.rungs.clear()
    await asyncio.sleep(1)
    assert media_seconds_between(office, PBX, holding.phone.flow.local.host) == 0
    assert media_seconds_between(office, PBX, held.phone.flow.local.host) == pytest.approx(1, abs=0.1)
    holding.resume()
    await assert_talk(tmp_path, *pair)
    held.hang_up()
    assert await holding.over() == 200
    await office.settle()


def change(call: PhoneCall, offer: SessionDescription) -> None:
    """Send a re-INVITE with an offer of any kind."""
    session = call.leg.session
    assert session is not None
    call.phone.driver.perform(session.modify(offer, call.phone.loop.time()))


@pytest.mark.parametrize("kind", ["0.0.0.0", "inactive"])
async def test_hold_of_another_kind(office: Office, tmp_path: Path, kind: str) -> None:
    """0.0.0.0 in place of the address (RFC 3264 section 8.4), as many older phones do it; or neither way."""
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    negotiation = outgoing.leg.negotiation
    if kind == "inactive":
        change(outgoing, negotiation.offer(direction=Direction.INACTIVE))
    else:
        change(outgoing, negotiation.offer()._replace(connection=kind))
    await asyncio.sleep(1)
    ladder = office.simulation.ladder
    ladder.media = True
    ladder.rungs.clear()
    await asyncio.sleep(1)
    assert media_seconds_between(office, PBX, lee.flow.local.host) == 0
    outgoing.resume()
    await assert_talk(tmp_path, outgoing, incoming)


@pytest.mark.parametrize(("before", "after"), [(ULAW, ALAW), (ALAW, ULAW)])
async def test_a_phone_changes_its_codec_in_the_call(
    office: Office, tmp_path: Path, before: tuple[Codec, ...], after: tuple[Codec, ...]
) -> None:
    lee, richardson = await couple(office)
    lee.codecs = before
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.leg.negotiation.codecs = after
    outgoing.resume()
    await assert_talk(tmp_path, outgoing, incoming)
    assert outgoing.leg.codec is after[0]
    assert incoming.leg.codec is before[0]


async def test_both_hold_and_one_after_the_other_resumes(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    outgoing.hold()
    incoming.hold()
    await asyncio.sleep(2)
    assert await listen(tmp_path, outgoing, incoming) == [set(), set()]
    outgoing.resume()
    await asyncio.sleep(1)
    incoming.resume()
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)


async def test_a_held_call_is_hung_up(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    incoming.hold()
    outgoing.hang_up()  # crosses the re-INVITE
    assert await incoming.over() == 200
    await office.settle()
