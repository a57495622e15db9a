"""Sound that does not arrive is told within 5 s of the answer, with the direction and the likely cause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from features.parking import feature as parking
from media.messages import ChangeStream
from pbx.happenings import AudioCause, AudioDirection, NoAudio, OneWayAudio
from pbx.media_keys import Srtp
from pbx.phone import Phone, PhoneCall
from sipcore.dialog.transfer import Replaces
from tests.journeys.talking import connect, couple
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.network import Datagram, HostNetwork
from tests.simulation.office import Office

HOME = "198.51.100.1"


def host_of(office: Office, phone: Phone) -> HostNetwork:
    """The simulated host that a phone runs on."""
    return next(host for host in office.simulation.network.hosts if host.address == phone.media_host)


def to_or_from_media(datagram: Datagram) -> bool:
    return 5060 not in (datagram.source.port, datagram.destination.port)


def only_outwards(host: str) -> Callable[[Datagram], bool]:
    """A firewall that lets no media in."""
    return lambda datagram: to_or_from_media(datagram) and datagram.destination.host == host


async def talk(caller: Phone, called: Phone) -> tuple[PhoneCall, PhoneCall]:
    """A call in which both speak."""
    calls = await connect(caller, called.account.number, called)
    for call in calls:
        call.play_tone(440)
    return calls


def told(office: Office) -> list[tuple[str, AudioDirection, AudioCause]]:
    return [
        (happening.extension, happening.direction, happening.cause)
        for happening in office.told
        if isinstance(happening, OneWayAudio | NoAudio)
    ]


async def test_a_firewall_before_a_phone(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    lee, richardson = await couple(office)
    host_of(office, richardson).firewall = to_or_from_media
    with caplog.at_level(logging.WARNING):
        await talk(lee, richardson)
        await asyncio.sleep(5)
    assert told(office) == [("101", AudioDirection.FROM_PHONE, AudioCause.NOTHING_RECEIVED)]
    [happening] = office.told_of(OneWayAudio)
    [line] = [record.getMessage() for record in caplog.records if "no sound" in record.getMessage()]
    assert happening.call in line
    assert "from 101" in line
    assert "firewall" in line
    await asyncio.sleep(60)
    assert len(told(office)) == 1  # once is enough


async def test_many_calls_without_sound_have_a_line_a_minute(
    make_office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    """Each is told nevertheless."""
    office = make_office(extensions={"101": {"busy_detection": "phone"}})
    await office.open()
    lee, richardson = await couple(office)
    taylor, miller = await office.phone("102"), await office.phone("103")
    host_of(office, richardson).firewall = to_or_from_media

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "no sound" in record.getMessage()]

    with caplog.at_level(logging.WARNING):
        for caller in (lee, taylor, miller):
            await talk(caller, richardson)
        await asyncio.sleep(5)
        assert len(told(office)) == 3
        first, second, third = (happening.call for happening in office.told_of(OneWayAudio))
        assert [line.partition(":")[0] for line in lines()] == [f"call {first}"]
        await asyncio.sleep(60)
        assert len(lines()) == 2
        assert lines()[1].startswith(f"2 more within a minute, the last: call {third}: no sound from 101")
        await asyncio.sleep(120)
        await talk(lee, richardson)
        await asyncio.sleep(5)
        assert len(told(office)) == 4
        assert lines()[2].startswith("call ")  # after a quiet minute one is told of at once again
        assert second not in "".join(lines())


async def test_a_phone_behind_a_nat_that_lets_no_media_out(office: Office) -> None:
    """Where it is cannot be learnt, and what it wrote leads nowhere: both ways are dead."""
    box = NatBox(office.simulation.network, HOME, NatKind.SYMMETRIC)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    host_of(office, lee).firewall = to_or_from_media
    await talk(lee, richardson)
    await asyncio.sleep(5)
    assert told(office) == [("100", AudioDirection.BOTH, AudioCause.PRIVATE_ADDRESS)]
    assert lee.media_host in office.told_of(NoAudio)[0].detail


async def test_sound_that_comes_from_an_address_nobody_named(office: Office) -> None:
    """Lee's sound leaves by another router than her SIP."""
    lee, richardson = await couple(office)
    other_way = office.simulation.network.host("10.0.9.9")

    def divert(datagram: Datagram) -> bool:
        if not to_or_from_media(datagram) or datagram.source.host != lee.media_host:
            return False
        other_way.send(datagram._replace(source=datagram.source._replace(host=other_way.address)))
        return True

    host_of(office, lee).firewall = divert
    await talk(lee, richardson)
    await asyncio.sleep(5)
    assert told(office) == [("100", AudioDirection.FROM_PHONE, AudioCause.OTHER_ADDRESS)]


async def test_keys_that_do_not_match(make_office: Callable[..., Office]) -> None:
    office = make_office(media={"srtp": "required"})
    await office.open()
    lee, richardson = await couple(office)
    lee.srtp = Srtp.REQUIRED
    calls = await connect(lee, "101", richardson)
    plan = calls[1].leg.plan
    assert plan is not None
    assert plan.srtp is not None
    wrong = replace(plan, srtp=replace(plan.srtp, send=bytes(30)))
    richardson.media.send(ChangeStream(calls[1].leg.stream, wrong))
    for call in calls:
        call.play_tone(440)
    await asyncio.sleep(5)
    assert told(office) == [("101", AudioDirection.FROM_PHONE, AudioCause.SRTP_KEYS)]


async def test_another_codec_than_was_agreed_on(office: Office) -> None:
    lee, richardson = await couple(office)
    calls = await connect(lee, "101", richardson)
    plan = calls[0].leg.plan
    assert plan is not None
    lee.media.send(ChangeStream(calls[0].leg.stream, replace(plan, send_payload_type=18)))
    for call in calls:
        call.play_tone(440)
    await asyncio.sleep(5)
    assert told(office) == [("100", AudioDirection.FROM_PHONE, AudioCause.OTHER_CODEC)]


@pytest.mark.parametrize("seconds", [10, 30])
async def test_a_phone_that_hears_nothing_says_so_itself(office: Office, seconds: float) -> None:
    lee, richardson = await couple(office)
    host_of(office, richardson).firewall = only_outwards(richardson.media_host)
    await talk(lee, richardson)
    await asyncio.sleep(seconds)
    expected = [("101", AudioDirection.TO_PHONE, AudioCause.NOT_HEARD)]
    assert told(office) == expected[: len(told(office))]
    assert seconds < 13 or told(office) == expected


# -- no faults ---------------------------------------------------------------------------------------


async def test_a_call_in_which_both_are_heard(office: Office) -> None:
    await talk(*await couple(office))
    await asyncio.sleep(30)
    assert told(office) == []


async def test_comfort_noise_is_no_fault(office: Office) -> None:
    lee, richardson = await couple(office)
    calls = await connect(lee, "101", richardson)
    plan = calls[0].leg.plan
    assert plan is not None
    lee.media.send(ChangeStream(calls[0].leg.stream, replace(plan, send_payload_type=13)))
    for call in calls:
        call.play_tone(440)
    await asyncio.sleep(30)
    assert told(office) == []


@pytest.mark.parametrize("seconds", [1, 600])
async def test_a_held_call_is_looked_at_when_it_goes_on(office: Office, seconds: float) -> None:
    lee, richardson = await couple(office)
    host_of(office, lee).firewall = to_or_from_media
    outgoing, incoming = await connect(lee, "101", richardson)
    incoming.play_tone(440)
    await asyncio.sleep(1)
    outgoing.hold()
    await asyncio.sleep(seconds)
    assert told(office) == []
    outgoing.resume()
    await asyncio.sleep(5)
    assert told(office) == [("100", AudioDirection.FROM_PHONE, AudioCause.NOTHING_RECEIVED)]


async def test_a_call_that_is_over_soon_is_not_looked_at(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(3.9)
    outgoing.hang_up()
    await asyncio.sleep(30)
    assert told(office) == []


async def join_by_transfer(office: Office, calls: tuple[PhoneCall, PhoneCall], late: Phone) -> PhoneCall:
    """Lee transfers Richardson to Taylor, without a word."""
    calls[0].transfer("102")
    target = await late.incoming()
    target.answer()
    return target


async def join_by_consultation(office: Office, calls: tuple[PhoneCall, PhoneCall], late: Phone) -> PhoneCall:
    consulting, target = await connect(calls[0].phone, "102", late)
    await calls[0].transfer_to(consulting).response()
    return target


async def join_by_retrieval(office: Office, calls: tuple[PhoneCall, PhoneCall], late: Phone) -> PhoneCall:
    await calls[0].transfer("*00").outcome()
    return await late.call("*10")


async def join_by_taking_over(office: Office, calls: tuple[PhoneCall, PhoneCall], late: Phone) -> PhoneCall:
    """Lee goes on at another of her phones."""
    other = await office.phone("100")
    host_of(office, other).firewall = to_or_from_media
    dialog = calls[0].dialog
    replaces = Replaces(dialog.call_id, dialog.local_tag, dialog.remote_tag)
    taking = other.dial("101", headers=[("Replaces", str(replaces))])
    await taking.answered()
    return taking


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize(
    ("join", "number"),
    [
        (join_by_transfer, "102"),
        (join_by_consultation, "102"),
        (join_by_retrieval, "102"),
        (join_by_taking_over, "100"),
    ],
)
async def test_whoever_joins_later_is_looked_at_too(
    make_office: Callable[..., Office],
    join: Callable[[Office, tuple[PhoneCall, PhoneCall], Phone], Awaitable[PhoneCall]],
    number: str,
) -> None:
    office = make_office(features=[parking], extensions={"100": {"busy_detection": "phone"}})
    await office.open()
    lee, richardson = await couple(office)
    late = await office.phone("102")
    host_of(office, late).firewall = to_or_from_media
    calls = await talk(lee, richardson)
    await asyncio.sleep(30)
    assert told(office) == []
    joined = await join(office, calls, late)
    joined.play_tone(620)
    await asyncio.sleep(5)
    assert told(office) == [(number, AudioDirection.FROM_PHONE, AudioCause.NOTHING_RECEIVED)]
    await asyncio.sleep(30)
    assert len(told(office)) == 1
