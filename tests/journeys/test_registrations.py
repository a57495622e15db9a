"""Phones come and go: who is registered, until when, and how calls and listeners notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from pbx.happenings import ExtensionRegistered, ExtensionUnregistered, Happening, Unregistration
from pbx.phone import CallFailed, Phone, RegistrationFailed
from sipcore.syntax.message import Request, Response
from sipcore.transport.flow import Transport
from tests.journeys.talking import couple
from tests.simulation.office import COMPANY, Office

MakeOffice = Callable[..., Office]


async def send(phone: Phone, method: str, user: str, *headers: tuple[str, str]) -> Response:
    """Send a request in the name of `user` with the phone's own credentials: the response to these."""
    address = f"<sip:{user}@{phone.account.server.host}>"

    def request(number: int, *more: tuple[str, str]) -> Request:
        common = [
            ("Max-Forwards", "70"),
            ("From", f"{address};tag=written-by-hand"),
            ("To", address),
            ("Call-ID", f"by-hand-of-{phone.account.number}"),
            ("CSeq", f"{number} {method}"),
        ]
        return Request(method, f"sip:{phone.account.server.host}", [*common, *headers, *more])

    number = int(phone.loop.time() * 1000)
    challenged = request(number)
    challenge = await phone.request(challenged)
    assert challenge.status == 401
    credentials = phone.credentials_for(challenged, challenge)
    assert credentials is not None
    return await phone.request(request(number + 1, credentials))


async def reaches(caller: Phone, number: str) -> bool:
    """Whether a phone rings when `number` is called; it is hung up again."""
    call = caller.dial(number)
    await asyncio.sleep(0.1)
    rings = 180 in call.provisionals
    call.hang_up()
    await asyncio.sleep(0.1)
    return rings


# -- coming and going ------------------------------------------------------------------------------


@pytest.mark.row("CORE-02")
async def test_a_phone_is_reachable_from_its_registration_on(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101", register=False)
    assert not office.switch.registered("101")
    assert not await reaches(lee, "101")
    await richardson.register()
    assert office.switch.registered("101")
    assert await reaches(lee, "101")
    told = office.told_of(ExtensionRegistered)[-1]
    assert (told.extension, told.contact) == ("101", str(richardson.contact))


@pytest.mark.row("CORE-08")
async def test_a_phone_that_unregisters_is_not_reachable_any_more(office: Office) -> None:
    lee, richardson = await couple(office)
    await richardson.unregister()
    assert not office.switch.registered("101")
    [told] = office.told_of(ExtensionUnregistered)
    assert (told.extension, told.reason) == ("101", Unregistration.REMOVED)
    began = office.simulation.loop.time()
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    assert office.simulation.loop.time() - began < 0.1


async def test_a_registration_that_is_refreshed_lasts_and_is_told_once(office: Office) -> None:
    lee, _ = await couple(office)
    await asyncio.sleep(20 * 3600)
    assert len(office.told_of(ExtensionRegistered)) == 2
    assert office.told_of(ExtensionUnregistered) == []
    assert await reaches(lee, "101")


@pytest.mark.row("CORE-09")
@pytest.mark.parametrize("seconds", [60, 61, 3600])
async def test_a_registration_expires_on_time_without_any_other_trigger(office: Office, seconds: int) -> None:
    phone = await office.phone("101", register=False)
    await phone.register(seconds)
    registered = office.simulation.loop.time()
    await phone.stop()  # without a word
    when: list[tuple[float, bool]] = []

    def note(happening: Happening) -> None:
        when.append((office.simulation.loop.time() - registered, office.switch.registered("101")))

    office.switch.happenings.subscribe(ExtensionUnregistered, note)
    await asyncio.sleep(max(60, 0.9 * seconds) - 1.1)
    assert office.switch.registered("101")
    await asyncio.sleep(0.1 * seconds + 2)
    [(lasted, still_registered)] = when
    assert max(60, 0.9 * seconds) - 1 < lasted < seconds + 0.01
    assert not still_registered
    [told] = office.told_of(ExtensionUnregistered)
    assert told.reason is Unregistration.EXPIRED


@pytest.mark.row("CORE-08", "CORE-09")
async def test_an_expired_phone_is_not_called(office: Office) -> None:
    lee, richardson = await couple(office)
    await richardson.stop()
    await asyncio.sleep(3601)
    began = office.simulation.loop.time()
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    assert office.simulation.loop.time() - began < 0.1


@pytest.mark.row("CORE-10")
@pytest.mark.parametrize("leaves", [0, 1])
async def test_one_of_two_phones_unregisters(office: Office, leaves: int) -> None:
    lee = await office.phone("100")
    phones = [await office.phone("101"), await office.phone("101")]
    await phones[leaves].unregister()
    assert office.switch.registered("101")
    assert [binding.contact for binding in office.switch.registrar.bindings("101", lee.loop.time())] == [
        phones[1 - leaves].contact
    ]
    call = lee.dial("101")
    (await phones[1 - leaves].incoming()).answer()
    await call.answered()
    assert not phones[leaves].calls


@pytest.mark.row("CORE-09", "CORE-10")
async def test_one_of_two_phones_expires(office: Office) -> None:
    lee = await office.phone("100")
    stays, leaves = await office.phone("101"), await office.phone("101")
    await leaves.stop()
    await asyncio.sleep(3700)
    [told] = office.told_of(ExtensionUnregistered)
    assert told.contact == str(leaves.contact)
    assert office.switch.registered("101")
    call = lee.dial("101")
    (await stays.incoming()).answer()
    await call.answered()


async def test_a_phone_takes_all_registrations_of_its_extension_back(office: Office) -> None:
    first, _ = await office.phone("101"), await office.phone("101")
    response = await send(first, "REGISTER", "101", ("Contact", "*"), ("Expires", "0"))
    assert response.status == 200
    assert not office.switch.registered("101")
    reasons = [told.reason for told in office.told_of(ExtensionUnregistered)]
    assert reasons == [Unregistration.REMOVED] * 2


@pytest.mark.row("CORE-08")
async def test_a_connection_that_closes_takes_its_registration_along(office: Office) -> None:
    lee = await office.phone("100")
    phone = await office.phone("101", transport=Transport.TCP)
    assert await reaches(lee, "101")
    await phone.stop()
    await asyncio.sleep(0.1)
    [told] = office.told_of(ExtensionUnregistered)
    assert told.reason is Unregistration.FLOW_CLOSED
    assert not await reaches(lee, "101")


async def test_a_call_outlives_the_registration(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await richardson.unregister()
    await asyncio.sleep(10)
    incoming.answer()
    await outgoing.answered()
    await asyncio.sleep(5000)
    outgoing.hang_up()
    assert await incoming.over() == 200


async def test_a_phone_comes_back_after_an_outage(office: Office) -> None:
    lee, _ = await couple(office)
    cable = office.simulation.network.hosts[-1]
    await asyncio.sleep(2000)
    cable.unplug()
    await asyncio.sleep(2000)
    assert not office.switch.registered("101")
    cable.plug()
    await asyncio.sleep(120)
    assert await reaches(lee, "101")


@pytest.mark.parametrize("seconds", [1000, 3500, 10_000])
async def test_a_phone_on_a_connection_stays_reachable_however_long_nothing_happens(
    office: Office, seconds: int
) -> None:
    lee, _ = await office.phone("100"), await office.phone("101", transport=Transport.TCP)
    await asyncio.sleep(seconds)
    assert await reaches(lee, "101")


async def test_a_phone_whose_connection_broke_connects_again(office: Office) -> None:
    lee, _ = await office.phone("100"), await office.phone("101", transport=Transport.TCP)
    [stream] = office.simulation.network.hosts[-1].streams
    stream.break_off()
    await asyncio.sleep(1)
    assert not office.switch.registered("101")
    await asyncio.sleep(3000)  # the time of the refresh has come
    assert await reaches(lee, "101")


# -- limits ----------------------------------------------------------------------------------------


async def test_registrations_are_neither_too_short_nor_too_long(make_office: MakeOffice) -> None:
    office = make_office(sip={"min_expires": 90, "max_expires": 1800})
    await office.open()
    phone = await office.phone("101", register=False)
    with pytest.raises(RegistrationFailed) as failed:
        await phone.register(89)
    assert failed.value.status == 423
    assert not office.switch.registered("101")
    await phone.register(90)
    await phone.register(100_000)
    [binding] = office.switch.registrar.bindings("101", phone.loop.time())
    assert 0.9 * 1800 - 1 < binding.expires_at - phone.loop.time() <= 1800
    await asyncio.sleep(3 * 1800)  # the phone has seen what it was granted, and refreshes in time
    assert office.told_of(ExtensionUnregistered) == []


async def test_phones_that_come_together_do_not_come_back_together(office: Office) -> None:
    phones = [await office.phone(number) for number in COMPANY]
    bindings = office.switch.registrar.bindings
    ends = {round(bindings(number, phones[0].loop.time())[0].expires_at) for number in COMPANY}
    assert len(ends) > len(COMPANY) // 2
    assert max(ends) - min(ends) > 30


@pytest.mark.row("CORE-06")
async def test_an_extension_has_room_for_so_many_phones(make_office: MakeOffice) -> None:
    office = make_office(sip={"max_contacts": 3})
    await office.open()
    phones = [await office.phone("101") for _ in range(3)]
    one_more = await office.phone("101", register=False)
    with pytest.raises(RegistrationFailed) as failed:
        await one_more.register()
    assert failed.value.status == 403
    await phones[0].unregister()
    await one_more.register()


# -- strangers -------------------------------------------------------------------------------------


async def with_password(office: Office, number: str, password: str) -> Phone:
    """A phone whose user has typed this password."""
    phone = await office.phone(number, register=False)
    phone.account = replace(phone.account, password=password)
    return phone


@pytest.mark.row("CORE-02", "CORE-23")
async def test_a_wrong_password_registers_nobody(office: Office) -> None:
    phone = await with_password(office, "101", "guessed")
    with pytest.raises(RegistrationFailed) as failed:
        await phone.register()
    assert failed.value.status == 401
    assert not office.switch.registered("101")
    assert office.told == []


@pytest.mark.row("CORE-23")
async def test_a_stranger_calls_nobody(office: Office) -> None:
    richardson = await office.phone("101")
    stranger = await with_password(office, "100", "guessed")
    call = stranger.dial("101")
    assert await call.over() == 401
    assert not richardson.calls
    await office.settle()


@pytest.mark.row("CORE-23")
async def test_who_guesses_on_is_answered_slowly_and_the_owner_does_not_notice(office: Office) -> None:
    lee, _ = await couple(office)
    stranger = await with_password(office, "101", "guessed")
    loop = asyncio.get_running_loop()
    seconds = []
    for _ in range(15):
        began = loop.time()
        with pytest.raises(RegistrationFailed):
            await stranger.register()
        seconds.append(loop.time() - began)
    assert max(seconds[:5]) < 0.1, "people mistype"
    assert sum(seconds[6:]) > 9 * 4
    assert await reaches(lee, "101")


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS"])
async def test_nobody_speaks_for_another_extension(office: Office, method: str) -> None:
    lee = await office.phone("100")
    contact = ("Contact", f"<{lee.contact}>")
    assert (await send(lee, method, "101", contact)).status == 403
    assert not office.switch.registered("101")


@pytest.mark.row("CORE-24")
async def test_a_phone_registers_under_the_sip_id_too(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101", register=False)
    response = await send(richardson, "REGISTER", "ext101", ("Contact", f"<{richardson.contact}>"))
    assert response.status == 200
    assert await reaches(lee, "101")
