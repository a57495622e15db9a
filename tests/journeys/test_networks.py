"""Calls over networks as they are: lossy, behind NATs, over connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from media.rtp import RtpSender
from pbx.happenings import CallEnded, CallQuality
from pbx.media_keys import Srtp
from pbx.phone import Phone
from sipcore.transport.flow import Address, Transport
from tests.journeys.talking import assert_talk, connect
from tests.simulation.impairment import INTERNET, WIRELESS, Profile
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.network import HostNetwork
from tests.simulation.office import PBX, Office

MakeOffice = Callable[..., Office]

HOME = "198.51.100.1"
ELSEWHERE = "198.51.100.2"


def host_of(office: Office, phone: Phone) -> HostNetwork:
    """The simulated host that a phone runs on."""
    return next(
        host for host in office.simulation.network.hosts if host.address == phone.driver._settings.listen
    )


async def tell_a_story(folder: Path, caller: Phone, called: Phone, slowness: float = 0.3) -> None:
    """Ring, talk, hold, resume, hang up."""
    number = called.account.number
    outgoing = caller.dial(number)
    incoming = await called.incoming()
    await asyncio.sleep(2)
    incoming.answer()
    await outgoing.answered()
    await assert_talk(folder, outgoing, incoming, within=slowness)
    outgoing.quiet()
    incoming.quiet()
    await asyncio.sleep(10)  # by now even an ACK that was lost has come
    incoming.hold()
    await asyncio.sleep(10)
    incoming.resume()
    await asyncio.sleep(10)
    await assert_talk(folder, outgoing, incoming, within=slowness)
    incoming.hang_up()
    assert await outgoing.over() == 200


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "link",
    [
        WIRELESS,
        INTERNET,
        Profile(loss=0.1),
        Profile(duplication=0.5),
        Profile(reordering=0.3, reordering_seconds=0.2),
        Profile(delay_seconds=0.3, jitter_seconds=0.15),
    ],
    ids=["wireless", "internet", "loss", "duplication", "reordering", "delay"],
)
async def test_a_whole_call_over_an_imperfect_link(
    office: Office, tmp_path: Path, link: Profile, number: int
) -> None:
    lee, richardson = await office.phone("100", link=link), await office.phone("101", link=link)
    slow = link.delay_seconds > 0.1 or link.reordering > 0.1  # the first packets may come in an odd order
    await tell_a_story(tmp_path, lee, richardson, slowness=2.0 if slow else 0.3)
    await asyncio.sleep(64 * 0.5)  # until retransmissions that are still on their way are absorbed
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1


async def test_a_call_over_a_link_beyond_any_playout_buffer(office: Office) -> None:
    """Sound that is up to 0.6 s late is not fit to hear (media.jitter waits 0.2 s), but all else holds."""
    storm = Profile(delay_seconds=0.3, jitter_seconds=0.3)
    lee, richardson = await office.phone("100", link=storm), await office.phone("101", link=storm)
    outgoing, incoming = await connect(lee, "101", richardson)
    for call in (outgoing, incoming):
        call.play_tone(440)
    await asyncio.sleep(10)
    incoming.hold()
    await asyncio.sleep(10)
    incoming.resume()
    await asyncio.sleep(10)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await asyncio.sleep(64 * 0.5)
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1
    for quality in office.told_of(CallQuality):
        assert quality.packets > 500
        assert quality.sent > 500
    assert len(office.told_of(CallQuality)) == 2


# -- NATs ------------------------------------------------------------------------------------------


@pytest.mark.row("CORE-02", "CORE-03")
@pytest.mark.parametrize("called", [None, *NatKind])
@pytest.mark.parametrize("calling", NatKind)
async def test_phones_behind_nats_talk_both_ways(
    office: Office, tmp_path: Path, calling: NatKind, called: NatKind | None
) -> None:
    network = office.simulation.network
    lee = await office.phone("100", behind=NatBox(network, HOME, calling))
    there = None if called is None else NatBox(network, ELSEWHERE, called)
    richardson = await office.phone("101", behind=there)
    for caller, other in ((lee, richardson), (richardson, lee)):
        outgoing, incoming = await connect(caller, other.account.number, other)
        await assert_talk(tmp_path, outgoing, incoming)
        incoming.hang_up()
        assert await outgoing.over() == 200
    await office.settle()


@pytest.mark.parametrize("kind", NatKind)
async def test_two_phones_behind_one_nat(office: Office, tmp_path: Path, kind: NatKind) -> None:
    box = NatBox(office.simulation.network, HOME, kind)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101", behind=box)
    await tell_a_story(tmp_path, lee, richardson)
    await office.settle()


@pytest.mark.parametrize("kind", NatKind)
async def test_a_phone_that_keeps_its_mapping_open_is_reached_for_ever(
    office: Office, tmp_path: Path, kind: NatKind
) -> None:
    box = NatBox(office.simulation.network, HOME, kind, mapping_seconds=120)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    await lee.register(90)
    await asyncio.sleep(3600)
    outgoing, incoming = await connect(richardson, "100", lee)
    await asyncio.sleep(3600)  # without a sound
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


async def test_a_box_that_forgets_its_mappings_in_a_call(office: Office, tmp_path: Path) -> None:
    """Sound finds the new mapping's way out at once; the way in is found again with the next registration."""
    box = NatBox(office.simulation.network, HOME, NatKind.PORT_RESTRICTED_CONE)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    await lee.register(90)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    box.forget()
    outgoing.hang_up()
    await asyncio.sleep(1)
    assert not richardson.calls
    await asyncio.sleep(100)
    (await connect(richardson, "100", lee))[0].hang_up()
    await asyncio.sleep(1)
    await office.settle()


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize("kind", NatKind)
@pytest.mark.parametrize("secured", [False, True])
async def test_a_box_that_forgets_the_ports_of_sound_in_a_call(
    make_office: Callable[..., Office], tmp_path: Path, kind: NatKind, secured: bool
) -> None:
    """The phone does not know that its sound leaves by another port now, so no signalling tells."""
    office = make_office(media={"srtp": "required" if secured else "off"})
    await office.open()
    box = NatBox(office.simulation.network, HOME, kind)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    lee.srtp = richardson.srtp = Srtp.REQUIRED if secured else Srtp.OFF
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    for _ in range(2):
        box.forget(lambda private: private.port != 5060)
        await asyncio.sleep(4)
        await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


def is_rtcp(data: bytes) -> bool:
    """A report goes to the port beside that of the sound, whoever has that (RFC 5761 section 4)."""
    return 200 <= data[1] <= 204


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize("muted", [False, True])
async def test_nobody_behind_the_same_box_takes_the_sound_of_a_silent_phone(
    office: Office, tmp_path: Path, muted: bool
) -> None:
    """Not with any stream of its own."""
    box = NatBox(office.simulation.network, HOME, NatKind.FULL_CONE)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    leg = next(iter(office.switch.legs.of("100")))
    heard: list[bytes] = []
    thief = box.host("192.168.1.66")
    socket = thief.open_udp(Address(thief.address, 4000), lambda data, source: heard.append(data))
    if muted:
        outgoing.quiet()
        await asyncio.sleep(5)
    sender = RtpSender(Random(1))
    for _ in range(200):
        socket.send(sender.packet(0, bytes(160), 160), Address(PBX, leg.port))
        await asyncio.sleep(0.02)
    assert [data for data in heard if not is_rtcp(data)] == []
    await assert_talk(tmp_path, outgoing, incoming, within=1.5)
    socket.close()


# -- connections -----------------------------------------------------------------------------------


@pytest.fixture
def secure_office(make_office: MakeOffice, tls: dict[str, Any]) -> Office:
    """An office that takes TLS too; to be opened."""
    return make_office(sip=tls)


@pytest.mark.parametrize("called", [Transport.UDP, Transport.TCP, Transport.TLS])
@pytest.mark.parametrize("calling", [Transport.UDP, Transport.TCP, Transport.TLS])
async def test_phones_talk_over_every_transport(
    secure_office: Office, tmp_path: Path, calling: Transport, called: Transport
) -> None:
    office = secure_office
    await office.open()
    lee = await office.phone("100", transport=calling, link=WIRELESS)
    richardson = await office.phone("101", transport=called, link=WIRELESS)
    await tell_a_story(tmp_path, lee, richardson)
    await office.settle()


async def test_phones_behind_nats_talk_over_connections(secure_office: Office, tmp_path: Path) -> None:
    office = secure_office
    await office.open()
    box = NatBox(office.simulation.network, HOME, NatKind.SYMMETRIC)
    lee = await office.phone("100", transport=Transport.TLS, behind=box)
    richardson = await office.phone("101", transport=Transport.TCP, behind=box)
    await tell_a_story(tmp_path, lee, richardson)
    await tell_a_story(tmp_path, richardson, lee)
    await office.settle()


def break_connection(office: Office, phone: Phone) -> None:
    """The connection of a phone breaks, and both ends notice."""
    (stream,) = host_of(office, phone).streams
    stream.break_off()


@pytest.mark.parametrize("whose", ["caller", "called"])
async def test_a_phone_that_does_not_come_back_after_its_connection_broke_is_hung_up(
    office: Office, whose: str
) -> None:
    lee = await office.phone("100", transport=Transport.TCP)
    richardson = await office.phone("101", transport=Transport.TCP)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(10)
    loser, other = (lee, incoming) if whose == "caller" else (richardson, outgoing)
    break_connection(office, loser)
    assert await other.over() == 200
    await asyncio.sleep(1)
    assert not loser.calls
    [ended] = office.told_of(CallEnded)
    assert ended.talk_seconds == pytest.approx(10 + 32, abs=0.1)
    await office.settle()


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize("instance", ["", "<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"])
@pytest.mark.parametrize("whose", ["caller", "called"])
async def test_a_call_survives_the_loss_of_its_connection(
    secure_office: Office, tmp_path: Path, whose: str, instance: str
) -> None:
    """The phone registers over a new connection: the call follows it, also where its media comes from elsewhere now."""
    office = secure_office
    await office.open()
    box = NatBox(office.simulation.network, HOME, NatKind.PORT_RESTRICTED_CONE)
    lee = await office.phone("100", transport=Transport.TLS, behind=box)
    richardson = await office.phone("101", transport=Transport.TCP)
    for phone in (lee, richardson):
        phone.reconnects, phone.instance = True, instance
        await phone.register()
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    if whose == "caller":
        box.forget()  # it was the router that was switched off and on
    break_connection(office, lee if whose == "caller" else richardson)
    await asyncio.sleep(60)
    await assert_talk(tmp_path, outgoing, incoming)
    held, other = (outgoing, incoming) if whose == "caller" else (incoming, outgoing)
    held.hold()
    await asyncio.sleep(1)
    held.resume()
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)
    other.hang_up()
    assert await held.over() == 200
    await office.settle()


@pytest.mark.row("CORE-05")
async def test_a_call_follows_its_phone_to_another_port_of_the_nat(office: Office, tmp_path: Path) -> None:
    """The box forgets its mappings; from the next registration on both ways are known again."""
    box = NatBox(office.simulation.network, HOME, NatKind.SYMMETRIC)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    await lee.register(90)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    box.forget()
    await asyncio.sleep(90)
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_a_call_begun_over_a_connection_goes_on_over_udp_without_it(
    office: Office, tmp_path: Path
) -> None:
    """Its INVITE was too large for a datagram, and the connection is closed some time after."""
    lee, richardson = await office.phone("100"), await office.phone("101")
    registered = lee.flow
    lee._flow = await lee.driver.flow_to(Transport.TCP, lee.account.server)
    outgoing, incoming = await connect(lee, "101", richardson)
    await asyncio.sleep(10)
    break_connection(office, lee)
    lee._flow = registered
    session = outgoing.leg.session
    assert session is not None
    lee.driver.perform(lee.endpoint.move(session, registered))
    await asyncio.sleep(60)
    await assert_talk(tmp_path, outgoing, incoming)
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_another_phone_of_the_extension_takes_no_call_over(office: Office) -> None:
    lee = await office.phone("100", transport=Transport.TCP)
    richardson = await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    break_connection(office, lee)
    await office.phone("100", transport=Transport.TCP)
    assert await incoming.over() == 200
    assert await outgoing.over() == 408
    await office.settle()


async def test_a_connection_of_the_caller_that_breaks_while_it_rings(office: Office) -> None:
    lee = await office.phone("100", transport=Transport.TCP)
    richardson = await office.phone("101")
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    break_connection(office, lee)
    assert await incoming.over() == 487
    assert await outgoing.over() == 503
    await office.settle()


async def test_a_connection_of_the_called_that_breaks_while_it_rings(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101", transport=Transport.TCP)
    outgoing = lee.dial("101")
    await richardson.incoming()
    break_connection(office, richardson)
    assert await outgoing.over() == 480
    await asyncio.sleep(1)
    assert not richardson.calls
    await office.settle()


async def test_a_phone_that_is_gone_is_hung_up_when_the_other_side_hangs_up(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, _ = await connect(lee, "101", richardson)
    host_of(office, richardson).unplug()
    outgoing.hang_up()
    await asyncio.sleep(0.1)
    assert office.live()["calls"] == 0
    await office.settle()


async def test_a_phone_that_is_gone_without_a_word_is_noticed_by_its_silence(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, _ = await connect(lee, "101", richardson)
    outgoing.play_tone(440)
    await asyncio.sleep(1)
    began = office.simulation.loop.time()
    host_of(office, richardson).unplug()
    assert await outgoing.over() == 200
    assert office.simulation.loop.time() - began < 60 + 2 * 7.5 + 32 + 1
    await office.settle()


async def test_after_a_power_cut_no_extension_stays_busy(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    await connect(lee, "101", richardson)
    for phone in (lee, richardson):
        host_of(office, phone).unplug()
    await asyncio.sleep(120)
    assert office.live()["calls"] == 0
    await office.settle()


async def test_a_call_without_a_sound_goes_on(office: Office, tmp_path: Path) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    incoming.hold()
    await asyncio.sleep(4 * 3600)
    incoming.resume()
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)
