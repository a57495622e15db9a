"""Parking: who waits in an orbit hears music until somebody takes the call, from any phone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from features.parking import feature as parking
from pbx import steering
from pbx.happenings import CallEnded, CallParked, CallRetrieved, CallStarted
from pbx.negotiate import NotAcceptable
from pbx.phone import CallFailed, Phone, PhoneCall
from pbx.refused import Refused
from sipcore.sdp.description import SessionDescription
from tests.journeys.talking import MUSIC, assert_talk, connect, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter


@dataclass
class Lot:
    """Lee (100) talks to Richardson (101); Taylor (102) is there."""

    office: Office
    folder: Path
    phones: list[Phone]
    calls: tuple[PhoneCall, PhoneCall]

    async def hear(self, *calls: PhoneCall) -> list[set[int]]:
        """What each hears."""
        await asyncio.sleep(0.3)
        return await listen(self.folder, *calls)

    def waiting(self, orbit: str) -> list[str]:
        """The numbers of those who wait in an orbit."""
        return [parked.call.caller.number for parked in self.office.switch.parking.at(orbit)]


@pytest.fixture
def make_lot(make_office: Callable[..., Office], tmp_path: Path) -> Callable[..., Awaitable[Lot]]:
    async def make(**settings: object) -> Lot:
        prompts = Prompter(tmp_path)
        extensions = {"100": {"no_answer_seconds": 8}}
        office = make_office(features=[parking], prompts=prompts, extensions=extensions, parking=settings)
        await office.open()
        phones = [await office.phone(number) for number in ("100", "101", "102")]
        calls = await connect(phones[0], "101", phones[1])
        await assert_talk(tmp_path, *calls)
        return Lot(office, tmp_path, phones, calls)

    return make


@pytest.mark.row("PARK-01", "PARK-02", "PARK-07", "PARK-08", "PARK-10", "CORE-15")
@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_call_is_parked_by_a_transfer_and_taken_at_any_phone(
    make_lot: Callable[..., Awaitable[Lot]], by: int, hangs_up: bool
) -> None:
    lot = await make_lot()
    parker, stays = lot.calls[by], lot.calls[1 - by]
    refer = parker.transfer("*03")
    await refer.response()
    if hangs_up:
        parker.hang_up()
    else:
        assert await refer.outcome() == 200
    assert await parker.over() == 200
    assert await lot.hear(stays) == [{MUSIC}]
    assert lot.waiting("3") == [f"10{1 - by}"]
    taken = await lot.phones[2].call("*13")
    assert await lot.hear(stays, taken) == [{1}, {0}]
    assert lot.waiting("3") == []
    taken.hang_up()
    assert await stays.over() == 200
    (parked,), (retrieved,) = lot.office.told_of(CallParked), lot.office.told_of(CallRetrieved)
    assert (parked.orbit, parked.by, parked.party) == ("3", f"10{by}", f"10{1 - by}")
    assert (retrieved.orbit, retrieved.by, retrieved.call) == ("3", "102", parked.call)
    await lot.office.settle()
    started, ended = lot.office.told_of(CallStarted), lot.office.told_of(CallEnded)
    assert sorted(told.call for told in started) == sorted(told.call for told in ended)


@pytest.mark.row("PARK-09")
async def test_who_consults_an_orbit_parks_the_other_party(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    consulting = await lot.phones[0].call("*05")
    assert await lot.hear(consulting) == [{MUSIC}]
    assert lot.waiting("5") == []
    assert await lot.calls[0].transfer_to(consulting).outcome() == 200
    assert await consulting.over() == 200
    assert lot.waiting("5") == ["101"]
    assert await lot.hear(lot.calls[1]) == [{MUSIC}]


@pytest.mark.row("PARK-03", "PARK-04", "PARK-05")
async def test_an_orbit_holds_several_and_gives_the_first_or_that_of_one_extension(
    make_lot: Callable[..., Awaitable[Lot]],
) -> None:
    lot = await make_lot()
    bell, thomas, miller = [await lot.office.phone(number) for number in ("104", "105", "103")]
    others = await connect(bell, "105", thomas)
    assert await lot.calls[0].transfer("*00").outcome() == 200
    assert await others[0].transfer("*00").outcome() == 200
    assert lot.waiting("0") == ["101", "105"]
    taken = await lot.phones[2].call("*10104")
    assert await lot.hear(taken, others[1]) == [{1}, {0}]
    again = await miller.call("*10")
    assert await lot.hear(again, lot.calls[1]) == [{1}, {0}]


@pytest.mark.row("PARK-06")
async def test_one_is_taken_at_a_time(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    bell, thomas, miller = [await lot.office.phone(number) for number in ("104", "105", "103")]
    others = await connect(bell, "105", thomas)
    assert await lot.calls[0].transfer("*00").outcome() == 200
    assert await others[0].transfer("*00").outcome() == 200
    taken = await lot.phones[2].call("*10")
    assert lot.waiting("0") == ["105"]
    assert await lot.hear(taken, lot.calls[1], others[1]) == [{1}, {0}, {MUSIC}]
    again = await miller.call("*10")
    assert lot.waiting("0") == []
    assert await lot.hear(taken, lot.calls[1], again, others[1]) == [{1}, {0}, {3}, {2}]
    assert len(lot.office.told_of(CallRetrieved)) == 2


@pytest.mark.row("PARK-14")
@pytest.mark.parametrize("key", ["*03", "*13"])
async def test_a_key_shows_an_orbit_parks_in_a_call_and_takes_back_when_idle(
    make_lot: Callable[..., Awaitable[Lot]], key: str
) -> None:
    """In a call the phone transfers it to the number of the key, else it dials that."""
    lot = await make_lot()
    lamps = [phone.lamp(key) for phone in (lot.phones[0], lot.phones[2])]
    for lamp in lamps:
        await lamp.told()
    assert [lamp.light for lamp in lamps] == ["", ""]
    assert await lot.calls[0].transfer(key).outcome() == 200
    assert await lot.calls[0].over() == 200
    await asyncio.sleep(0.1)
    assert [lamp.light for lamp in lamps] == ["confirmed", "confirmed"]
    assert lot.waiting("3") == ["101"]
    taken = await lot.phones[2].call(key)
    await asyncio.sleep(0.1)
    assert [lamp.light for lamp in lamps] == ["", ""]
    assert await lot.hear(lot.calls[1], taken) == [{1}, {0}]
    assert await taken.transfer(key).outcome() == 200  # and so on, by the other
    taken = await lot.phones[0].call(key)
    assert await lot.hear(lot.calls[1], taken) == [{1}, {0}]
    for lamp in lamps:
        lamp.stop()
    taken.hang_up()
    assert await lot.calls[1].over() == 200
    await lot.office.settle()


@pytest.mark.row("PARK-09", "PARK-14")
async def test_who_is_in_a_call_and_dials_an_orbit_takes_nobody_from_it(
    make_lot: Callable[..., Awaitable[Lot]],
) -> None:
    lot = await make_lot()
    bell, thomas = await lot.office.phone("104"), await lot.office.phone("105")
    others = await connect(bell, "105", thomas)
    assert await others[0].transfer("*05").outcome() == 200
    consulting = await lot.phones[0].call("*05")
    assert lot.waiting("5") == ["105"]
    assert await lot.calls[0].transfer_to(consulting).outcome() == 200
    assert lot.waiting("5") == ["105", "101"]


@pytest.mark.parametrize("code", ["*10", "*10107"])
async def test_an_empty_orbit_gives_nothing(make_lot: Callable[..., Awaitable[Lot]], code: str) -> None:
    lot = await make_lot()
    with pytest.raises(CallFailed) as caught:
        await lot.phones[2].call(code)
    assert caught.value.status == 404


async def test_a_full_orbit_gives_the_call_back(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot(max_calls=1)
    bell, thomas = await lot.office.phone("104"), await lot.office.phone("105")
    others = await connect(bell, "105", thomas)
    assert await lot.calls[0].transfer("*00").outcome() == 200
    assert await others[0].transfer("*00").outcome() == 486
    assert await lot.hear(*others) == [{1}, {0}]


async def test_nobody_is_lost_who_is_parked_at_once_in_the_last_place(
    make_lot: Callable[..., Awaitable[Lot]],
) -> None:
    """By the pages of two users, which do not dial the orbit."""
    lot = await make_lot(max_calls=1)
    bell, thomas = await lot.office.phone("104"), await lot.office.phone("105")
    others = await connect(bell, "105", thomas)
    calls = {call.caller.number: call for call in lot.office.switch.calls.values()}
    for number in ("100", "104"):
        steering.park(calls[number], number, "0")
    await asyncio.sleep(1)
    assert lot.waiting("0") == ["101"]
    assert await lot.hear(*others) == [{1}, {0}]
    with pytest.raises(Refused):
        steering.park(calls["104"], "104", "0")
    assert await lot.hear(*others) == [{1}, {0}]
    for call in (lot.calls[1], others[0]):
        call.hang_up()
    await lot.office.settle()


@pytest.mark.row("PARK-11")
async def test_who_hangs_up_leaves_the_orbit(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    await lot.calls[0].transfer("*00").outcome()
    lot.calls[1].hang_up()
    await asyncio.sleep(0.1)
    assert lot.waiting("0") == []
    await lot.office.settle()


@pytest.mark.row("PARK-12")
async def test_after_the_time_out_the_parker_is_called_until_he_answers(
    make_lot: Callable[..., Awaitable[Lot]],
) -> None:
    lot = await make_lot(time_out_seconds=30)
    await lot.calls[0].transfer("*00").outcome()
    await lot.calls[0].over()
    first = await lot.phones[0].incoming()
    assert await first.over() == 487  # it was not answered
    await asyncio.sleep(1)
    assert lot.waiting("0") == ["101"]
    assert await lot.hear(lot.calls[1]) == [{MUSIC}]
    second = await lot.phones[0].incoming()
    second.answer()
    assert await lot.hear(lot.calls[1], second) == [{1}, {0}]
    assert [told.by for told in lot.office.told_of(CallRetrieved)] == ["100", "100"]
    second.hang_up()
    assert await lot.calls[1].over() == 200
    await lot.office.settle()


@pytest.mark.row("PARK-12")
async def test_without_a_time_out_it_waits_for_ever(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    await lot.calls[0].transfer("*00").outcome()
    await asyncio.sleep(90)
    assert lot.waiting("0") == ["101"]


async def test_of_two_who_take_one_call_one_gets_it(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    miller = await lot.office.phone("103")
    await lot.calls[0].transfer("*00").outcome()
    taking = [phone.call("*10") for phone in (lot.phones[2], miller)]
    results = await asyncio.gather(*taking, return_exceptions=True)
    (winner,) = [result for result in results if isinstance(result, PhoneCall)]
    assert await lot.hear(winner, lot.calls[1]) == [{1}, {0}]


async def test_who_hangs_up_while_he_is_taken_leaves_nobody_behind(
    make_lot: Callable[..., Awaitable[Lot]],
) -> None:
    lot = await make_lot()
    await lot.calls[0].transfer("*00").outcome()
    taking = lot.phones[2].dial("*10")
    await asyncio.sleep(0.0025)
    lot.calls[1].hang_up()
    await taking.over()
    await lot.office.settle()


async def test_a_call_that_was_taken_is_parked_again(make_lot: Callable[..., Awaitable[Lot]]) -> None:
    lot = await make_lot()
    await lot.calls[0].transfer("*00").outcome()
    taken = await lot.phones[2].call("*10")
    assert await taken.transfer("*09").outcome() == 200
    assert lot.waiting("9") == ["101"]
    again = await lot.phones[0].call("*19102")
    assert await lot.hear(again, lot.calls[1]) == [{1}, {0}]
    again.hang_up()
    await lot.office.settle()


@pytest.mark.row("PARK-10", "PARK-13")
@pytest.mark.parametrize("refusal", ["BYE", "ACK"])
async def test_whoever_is_taken_waits_again_where_the_taker_agrees_on_no_sound(
    make_lot: Callable[..., Awaitable[Lot]], refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An INVITE without an offer is answered by ours, and what the taker thinks of it comes after that."""
    lot = await make_lot()
    assert await lot.calls[0].transfer("*00").outcome() == 200
    taking = lot.phones[2].dial("*10", offerless=True)
    negotiation = taking.leg.negotiation
    if refusal == "ACK":
        answer = negotiation.answer

        def without_media() -> SessionDescription:
            description = answer()
            return description._replace(media=tuple(media._replace(port=0) for media in description.media))

        monkeypatch.setattr(negotiation, "answer", without_media)
    else:
        monkeypatch.setattr(negotiation, "receive_offer", refuse)
    await taking.over()
    assert await lot.hear(lot.calls[1]) == [{MUSIC}]
    assert lot.waiting("0") == ["101"]
    assert len(lot.office.told_of(CallParked)) == 2
    taken = await lot.phones[2].call("*10")
    assert await lot.hear(taken, lot.calls[1]) == [{1}, {0}]
    taken.hang_up()
    assert await lot.calls[1].over() == 200
    await lot.office.settle()


@pytest.mark.row("PARK-01", "PARK-12")
async def test_who_is_sent_on_to_an_orbit_waits_in_it(
    make_lot: Callable[..., Awaitable[Lot]], tmp_path: Path
) -> None:
    """And goes on to, where the parker's phone sends whoever comes back there again."""
    lot = await make_lot(time_out_seconds=30)
    thomas, miller = [await lot.office.phone(number) for number in ("105", "103")]

    async def send_on() -> None:
        while True:
            (await thomas.incoming()).redirect("*03")

    sending = asyncio.create_task(send_on())
    waits = await miller.call("105")
    for _ in range(20):
        parked = lot.office.switch.parking.at("3")
        assert [(one.call.caller.number, one.by.number) for one in parked] == [("103", "105")]
        await asyncio.sleep(47)
    assert len(lot.office.told_of(CallParked)) > 20
    assert await lot.hear(waits) == [{MUSIC}]
    taken = await lot.phones[2].call("*13")
    await assert_talk(tmp_path, waits, taken)
    taken.hang_up()
    assert await waits.over() == 200
    sending.cancel()
    lot.calls[0].hang_up()
    await lot.office.settle()


def refuse(offer: SessionDescription) -> None:
    raise NotAcceptable("nothing in common")
