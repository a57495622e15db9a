"""Lamps on phones: what they are told of calls, when, and how it ends (RFC 6665, RFC 4235)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from features.parking import feature as parking
from pbx.leg import LegState
from pbx.phone_watch import Lamp
from sipcore.events.dialog_info import Party
from sipcore.events.subscription import Reason
from sipcore.transport.flow import Transport
from tests.journeys.talking import couple
from tests.simulation.impairment import AWFUL, INTERNET, WIRELESS
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

MakeOffice = Callable[..., Office]


async def dark(lamp: Lamp) -> None:
    """Wait until the lamp has been told of no call."""
    await lamp.told()
    while lamp.light:
        await lamp.told(len(lamp.notified) + 1)


@pytest.mark.row("PRES-17")
async def test_a_lamp_follows_a_call(office: Office) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    caller, called = taylor.lamp("100"), taylor.lamp("101")
    await dark(caller)
    await dark(called)
    call = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(0.05)
    assert (caller.light, called.light) == ("early", "early")
    [told] = called.dialogs
    assert (told.initiator, told.local, told.remote) == (
        False,
        Party("101", "Richardson Bailey"),
        Party("100", "Lee Parker"),
    )
    assert incoming.leg.session is not None
    dialog = incoming.leg.session.dialog
    assert dialog is not None  # what it takes to pick the call up (RFC 3891)
    assert (told.call_id, told.local_tag, told.remote_tag) == (
        dialog.call_id,
        dialog.local_tag,
        dialog.remote_tag,
    )
    [told] = caller.dialogs
    assert (told.initiator, told.remote) == (True, Party("101", "Richardson Bailey"))
    incoming.answer()
    await call.answered()
    await asyncio.sleep(0.05)
    assert (caller.light, called.light) == ("confirmed", "confirmed")
    call.hang_up()
    await asyncio.sleep(0.05)
    assert (caller.light, called.light) == ("", "")
    for lamp in (caller, called):
        assert lamp.versions == list(range(len(lamp.versions)))
        lamp.stop()
    await office.settle()


@pytest.mark.row("PRES-10", "PRES-17")
async def test_a_notify_leaves_within_100_ms_of_the_change(office: Office) -> None:
    lee, richardson = await couple(office)
    lamp = (await office.phone("102")).lamp("101")
    await lamp.told()
    lee.dial("101")
    incoming = await richardson.incoming()
    rang = office.simulation.loop.time()
    await lamp.told(2)
    assert office.simulation.loop.time() - rang < 0.1
    incoming.answer()
    await lamp.told(3)
    assert office.simulation.loop.time() - rang < 0.1


async def test_a_subscription_is_refreshed_and_told_everything_each_time(office: Office) -> None:
    lamp = (await office.phone("102")).lamp("101", 600)
    await lamp.told()
    await asyncio.sleep(3600)
    assert len(lamp.notified) >= 6
    assert lamp.versions == list(range(len(lamp.versions)))
    assert not lamp.ended.done()
    assert len(office.switch.events.notifier) == 1


async def test_a_subscription_expires_and_says_so(office: Office) -> None:
    phone = await office.phone("102")
    lamp = phone.lamp("101", 600)
    await lamp.told()
    lamp.watch.deadline = None  # the phone forgets to refresh
    phone.endpoint.watch(lamp.watch)
    await asyncio.sleep(601)
    assert lamp.ended.result().reason == Reason.TIMEOUT.value
    await office.settle()


async def test_a_state_is_fetched_without_a_subscription(office: Office) -> None:
    """RFC 6665 section 4.4.3."""
    lamp = (await office.phone("102")).lamp("101", 0)
    assert (await lamp.ended).reason == "timeout"
    assert lamp.versions == [0]
    await office.settle()


async def test_subscriptions_end_with_a_reason_when_the_system_stops(office: Office) -> None:
    phones = [await office.phone("102"), await office.phone("103", transport=Transport.TCP)]
    lamps = [phone.lamp("101") for phone in phones]
    for lamp in lamps:
        await lamp.told()
    await office.switch.stop()
    assert [lamp.ended.result().reason for lamp in lamps] == ["deactivated"] * 2


async def test_a_lamp_of_a_phone_that_is_gone_is_given_up(office: Office) -> None:
    lee, _ = await couple(office)
    taylor = await office.phone("102")
    lamp = taylor.lamp("101")
    await lamp.told()
    await taylor.stop()
    call = lee.dial("101")
    await asyncio.sleep(33)
    assert len(office.switch.events.notifier) == 0
    call.hang_up()
    await office.settle()


async def test_a_lamp_over_a_connection_goes_with_it(office: Office) -> None:
    phone = await office.phone("102", transport=Transport.TCP)
    lamp = phone.lamp("101")
    await lamp.told()
    await phone.stop()
    await asyncio.sleep(0.1)
    assert len(office.switch.events.notifier) == 0


async def test_a_phone_that_has_forgotten_its_lamp_is_told_no_more(office: Office) -> None:
    lee, _ = await couple(office)
    phone = await office.phone("102")
    lamp = phone.lamp("101")
    await lamp.told()
    phone.endpoint.leave(lamp.watch)  # a restart: 481 to the next NOTIFY
    call = lee.dial("101")
    await asyncio.sleep(0.1)
    assert len(office.switch.events.notifier) == 0
    call.hang_up()
    await office.settle()


@pytest.mark.parametrize("link", [WIRELESS, INTERNET, replace(AWFUL, bursts=None)])
async def test_lamps_say_the_truth_over_lossy_networks(make_office: MakeOffice, link: object) -> None:
    office = make_office()
    await office.open()
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    taylor = await office.phone("102", link=link)  # type: ignore[arg-type]
    lamp = taylor.lamp("101")
    await lamp.told()
    for _ in range(5):
        call = await lee.call("101")
        await asyncio.sleep(40)
        assert lamp.light == "confirmed"
        call.hang_up()
        await asyncio.sleep(40)
        assert lamp.light == ""
    assert lamp.versions == sorted(set(lamp.versions))
    lamp.stop()
    await office.settle()


async def test_states_that_follow_each_other_quickly_are_told_by_the_newest(office: Office) -> None:
    """One NOTIFY at a time: what changes until it is answered is told together."""
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    lamp = taylor.lamp("101")
    await lamp.told()
    cable = office.simulation.network.hosts[-1]
    cable.unplug()
    richardson.auto_answer = True
    for _ in range(5):
        call = await lee.call("101")
        call.hang_up()
        await asyncio.sleep(0.1)
    cable.plug()
    await asyncio.sleep(10)
    assert lamp.light == ""
    assert lamp.versions[-1] <= 3


async def test_lamps_follow_their_phone_to_another_port_of_the_nat(office: Office) -> None:
    """The box forgets its mappings; from the next registration on the phone is told again."""
    box = NatBox(office.simulation.network, "203.0.113.7", NatKind.SYMMETRIC)
    taylor = await office.phone("102", behind=box)
    await taylor.register(90)
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    lamp = taylor.lamp("101")
    await lamp.told()
    box.forget()
    await asyncio.sleep(90)
    call = await lee.call("101")
    await asyncio.sleep(0.1)
    assert lamp.light == "confirmed"
    call.hang_up()
    await asyncio.sleep(0.1)
    assert lamp.light == ""
    assert len(office.switch.events.notifier) == 1


async def test_a_line_with_many_calls_is_told_by_what_has_changed(make_office: MakeOffice) -> None:
    office = make_office(extensions={"101": {"busy_detection": "phone"}})
    await office.open()
    richardson = await office.phone("101")
    richardson.auto_answer = True
    lamp = (await office.phone("107")).lamp("101")
    callers = [await office.phone(number) for number in ("100", "102", "103", "104", "105")]
    calls = [await caller.call("101") for caller in callers]
    await asyncio.sleep(0.1)
    assert len(lamp.dialogs) == 5
    assert b'state="partial"' in lamp.body
    calls[2].hang_up()
    await asyncio.sleep(0.1)
    assert {dialog.remote.user for dialog in lamp.dialogs} == {"100", "102", "104", "105"}
    assert lamp.versions == list(range(len(lamp.versions)))
    legs = [leg for leg in office.switch.legs.of("101") if leg.state is LegState.ANSWERED]
    assert {leg.call_id for leg in legs} == {dialog.id for dialog in lamp.dialogs}


@pytest.mark.row("PRES-17")
async def test_a_park_orbit_has_a_lamp_at_each_of_its_codes(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(features=[parking], prompts=Prompter(tmp_path))
    await office.open()
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    taylor = await office.phone("102")
    park, take, other = taylor.lamp("*03"), taylor.lamp("*13"), taylor.lamp("*14")
    for lamp in (park, take, other):
        await dark(lamp)
    call = await lee.call("101")
    assert await call.transfer("*03").outcome() == 200
    await asyncio.sleep(0.1)
    assert [lamp.light for lamp in (park, take, other)] == ["confirmed", "confirmed", ""]
    assert len(take.dialogs) == 1
    taken = await taylor.call("*13")
    await asyncio.sleep(0.1)
    assert [lamp.light for lamp in (park, take, other)] == ["", "", ""]
    assert len(other.notified) == 1
    taken.hang_up()


async def test_phones_that_ring_together_are_one_call(office: Office) -> None:
    lee = await office.phone("100")
    phones = [await office.phone("101"), await office.phone("101")]
    lamp = (await office.phone("102")).lamp("101")
    lee.dial("101")
    for phone in phones:
        await phone.incoming()
    await asyncio.sleep(0.1)
    assert len(lamp.dialogs) == 1
