"""Message lamps: every phone of an extension knows whether messages wait (RFC 3842)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx.phone import Phone
from sipcore.events.message_summary import Messages, read_messages
from sipcore.transport.flow import Transport
from tests.simulation.impairment import WIRELESS
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


def lit(phone: Phone) -> bool:
    """Whether the message lamp of a phone that has not subscribed is on."""
    return bool(phone.notified) and read_messages(phone.notified[-1].body)[0]


@pytest.mark.row("VM-37")
async def test_a_message_lights_the_lamps_of_all_phones_and_hearing_it_puts_them_out(office: Office) -> None:
    phones = [
        await office.phone("101"),
        await office.phone("101", transport=Transport.TCP),
        await office.phone("101", link=WIRELESS),
    ]
    other = await office.phone("102")
    office.switch.mailboxes.set("101", new=1)
    await asyncio.sleep(5)
    assert [lit(phone) for phone in (*phones, other)] == [True, True, True, False]
    assert read_messages(phones[0].notified[-1].body)[1] == Messages(1, 0)
    office.switch.mailboxes.set("101", new=0, old=1)
    await asyncio.sleep(5)
    assert [lit(phone) for phone in phones] == [False] * 3
    await office.settle()


@pytest.mark.row("VM-37")
async def test_a_phone_that_registers_is_told_at_once(office: Office) -> None:
    office.switch.mailboxes.set("101", new=2, old=1, new_urgent=1)
    phone = await office.phone("101")
    await asyncio.sleep(0.05)
    assert read_messages(phone.notified[-1].body) == (True, Messages(2, 1, 1))
    await phone.register()  # a refresh is no news
    await asyncio.sleep(0.05)
    assert len(phone.notified) == 1


@pytest.mark.row("VM-37")
@pytest.mark.parametrize("number", ["101", "ext101", "999"])
async def test_a_phone_that_asks_is_told_within_its_subscription(office: Office, number: str) -> None:
    phone = await office.phone("101")
    watch = phone.watch(number, "message-summary")
    assert read_messages(await watch.told()) == (False, Messages())
    office.switch.mailboxes.set("101", new=1)
    await asyncio.sleep(0.05)
    assert read_messages(watch.body) == (True, Messages(1))
    assert phone.notified == [], "not told twice"
    watch.stop()
    await office.settle()


async def test_phones_that_have_not_asked_may_be_left_in_peace(make_office: MakeOffice) -> None:
    office = make_office(events={"unsolicited_mwi": False})
    await office.open()
    phone = await office.phone("101")
    office.switch.mailboxes.set("101", new=1)
    await phone.unregister()
    await phone.register()
    await asyncio.sleep(1)
    assert phone.notified == []


async def test_counts_that_stay_the_same_are_no_news(office: Office) -> None:
    phone = await office.phone("101")
    for _ in range(3):
        office.switch.mailboxes.set("101", new=1)
    await asyncio.sleep(0.05)
    assert len(phone.notified) == 1
