"""Calls that are led to a destination: by a feature, by a number of the system, and round and round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallEnded
from pbx.phone import CallFailed
from pbx.plugin import Call, Feature, destinations
from pbx.switch import Switch
from tests.journeys.talking import assert_talk
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


class Desk:
    """A feature in the place of voicemail and queues. What is led there is noted."""

    def __init__(self) -> None:
        self.served: list[tuple[str, str, tuple[str, ...]]] = []
        """The kind, the number, and the way there."""
        self.next: dict[str, tuple[destinations.Destination, bool]] = {}
        """Where calls go on to from a number, and whether somebody chose that."""
        self.feature = Feature("desk")
        self.feature.destination("voicemail", summary="Leave a message")(self.leave_message)
        self.feature.destination("queue", summary="Wait")(self.enter)
        self.feature.start(self.begin)

    async def begin(self, switch: Switch) -> None:
        """Enter the numbers of the queues."""
        for number in ("804", "805"):
            switch.system_numbers.add(number, "queue")

    async def leave_message(self, call: Call, mailbox: str) -> None:
        """Answer and wait."""
        self.served.append(("voicemail", mailbox, call.trail))
        await call.answer()
        await call.stay()

    async def enter(self, call: Call, queue: str) -> None:
        """Answer, and go on to the next destination a second later."""
        self.served.append(("queue", queue, call.trail))
        await call.answer()
        await asyncio.sleep(1)
        destination, chosen = self.next[queue]
        await call.lead_to(destination, chosen=chosen)


async def open_office(make_office: MakeOffice, desk: Desk) -> Office:
    """An office with queues 804 and 805."""
    office = make_office(features=[desk.feature])
    await office.open()
    return office


async def test_a_number_of_the_system_is_dialled_and_leads_on_to_a_phone(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    desk = Desk()
    desk.next["804"] = destinations.ExtensionNumber("101"), False
    office = await open_office(make_office, desk)
    lee, richardson = await office.phone("100"), await office.phone("101")
    outgoing = lee.dial("804")
    incoming = await richardson.incoming()
    await outgoing.answered()
    incoming.answer()
    await asyncio.sleep(0.5)
    await assert_talk(tmp_path, outgoing, incoming)
    assert desk.served == [("queue", "804", ("804",))]
    incoming.hang_up()
    assert await outgoing.over() == 200
    await office.settle()


async def test_a_number_that_was_removed_leads_nowhere(make_office: MakeOffice) -> None:
    desk = Desk()
    office = await open_office(make_office, desk)
    lee = await office.phone("100")
    office.switch.system_numbers.remove("804")
    with pytest.raises(CallFailed, match="404"):
        await lee.call("804")


async def test_a_mailbox_is_a_destination_like_any_other(make_office: MakeOffice) -> None:
    desk = Desk()
    desk.next["804"] = destinations.Voicemail("103"), False
    office = await open_office(make_office, desk)
    lee = await office.phone("100")
    outgoing = await lee.call("804")
    await asyncio.sleep(2)
    assert desk.served == [("queue", "804", ("804",)), ("voicemail", "103", ("804",))]
    outgoing.hang_up()
    await office.settle()


async def test_queues_that_lead_to_each_other_end_the_call(make_office: MakeOffice) -> None:
    desk = Desk()
    desk.next["804"] = destinations.SystemNumber("805"), False
    desk.next["805"] = destinations.Number("804"), False
    office = await open_office(make_office, desk)
    lee = await office.phone("100")
    outgoing = await lee.call("804")
    assert await outgoing.over() == 200
    assert [number for _, number, _ in desk.served] == ["804", "805"]
    (ended,) = office.told_of(CallEnded)
    assert ended.seconds == pytest.approx(2, abs=0.1)
    await office.settle()


async def test_what_a_person_chooses_may_be_visited_again(make_office: MakeOffice) -> None:
    desk = Desk()
    desk.next["804"] = destinations.SystemNumber("805"), True
    desk.next["805"] = destinations.SystemNumber("804"), True
    office = await open_office(make_office, desk)
    lee = await office.phone("100")
    outgoing = await lee.call("804")
    await asyncio.sleep(30)
    assert len(desk.served) > 20
    outgoing.hang_up()
    await office.settle()
