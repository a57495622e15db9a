"""Messages between extensions (RFC 3428): delivered to every phone, kept for who is away, refused with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx import messages
from pbx.happenings import MessageDelivered, MessageSent
from pbx.phone import Phone
from sipcore.page_message import PageMessage
from sipcore.syntax.message import Request, Response
from sipcore.transport.flow import Transport
from tests.journeys.talking import connect, couple
from tests.simulation.impairment import INTERNET, LAN, Profile
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


async def send_message(
    phone: Phone, number: str, text: str, content_type: str = "text/plain", *headers: tuple[str, str]
) -> Response:
    """Send a MESSAGE, with credentials when they are asked for: its final response."""
    message = PageMessage(content_type, text.encode())
    to, from_ = phone._address_of(number), phone._address_of(phone.account.number)

    def request(*more: tuple[str, str]) -> Request:
        made = message.request(to.uri, from_, to, phone.environment.rng)
        for name, value in (*headers, *more):
            made.add(name, value)
        return made

    challenged = request()
    response = await phone.request(challenged)
    credentials = phone.credentials_for(challenged, response) if response.status == 401 else None
    return response if credentials is None else await phone.request(request(credentials))


def texts(phone: Phone) -> list[str]:
    """What a phone has got."""
    return [message.body.decode() for message in phone.messages]


async def test_a_message_reaches_every_phone_of_the_receiver_in_the_name_of_its_sender(
    office: Office,
) -> None:
    lee, richardson = await couple(office)
    second = await office.phone("101", transport=Transport.TCP)
    response = await send_message(lee, "101", "Déjeuner à midi ?", "text/plain;charset=utf-8")
    assert response.status == 200
    await asyncio.sleep(0.1)
    for phone in (richardson, second):
        [message] = phone.messages
        assert message.body.decode() == "Déjeuner à midi ?"
        assert message.get("Content-Type") == "text/plain;charset=utf-8"
        assert (message.from_.display_name, message.from_.uri.user) == ("Lee Parker", "100")
        assert message.to.uri.user == "101"
        assert not message.has("Contact")
        assert not message.has("Date")
    [told] = office.told_of(MessageSent)
    assert (told.sender, told.receiver, told.text, told.delivered) == (
        "100",
        "101",
        "Déjeuner à midi ?",
        True,
    )
    await office.settle()


@pytest.mark.parametrize("statuses", [(200, 486), (None, 200), (480, 200)])
async def test_one_phone_that_takes_it_is_enough(office: Office, statuses: tuple[int | None, int]) -> None:
    lee = await office.phone("100")
    for status in statuses:
        phone = await office.phone("101")
        phone.message_status = status
    assert (await send_message(lee, "101", "Hi")).status == 200
    await office.settle()


async def test_what_is_sent_to_somebody_who_is_away_waits_for_him(office: Office) -> None:
    lee = await office.phone("100")
    for number in range(3):
        assert (await send_message(lee, "101", f"Message {number}")).status == 202
    assert [told.delivered for told in office.told_of(MessageSent)] == [False] * 3
    await asyncio.sleep(3600)
    richardson = await office.phone("101")
    await asyncio.sleep(1)
    assert texts(richardson) == ["Message 0", "Message 1", "Message 2"]
    assert richardson.messages[0].get("Date") == "Mon, 21 Sep 2009 08:16:40 GMT"
    assert len(office.told_of(MessageDelivered)) == 3
    await office.phone("101")
    await asyncio.sleep(1)
    assert len(richardson.messages) == 3  # once is enough
    await office.settle()


async def test_a_phone_that_does_not_answer_keeps_the_sender_waiting_for_ten_seconds_only(
    office: Office,
) -> None:
    lee, richardson = await couple(office)
    richardson.message_status = None
    began = office.simulation.loop.time()
    assert (await send_message(lee, "101", "Hello?")).status == 202
    assert office.simulation.loop.time() - began < 11
    await office.settle()
    richardson.message_status = 200
    await richardson.unregister()
    await richardson.register()
    await asyncio.sleep(1)
    assert texts(richardson)[-1] == "Hello?"


async def test_a_phone_that_takes_it_late_does_not_get_it_twice(office: Office) -> None:
    lee, richardson = await couple(office)
    host = next(host for host in office.simulation.network.hosts if host.address == richardson.media_host)
    host.degrade(Profile(delay_seconds=6))
    assert (await send_message(lee, "101", "Hello?")).status == 202
    await asyncio.sleep(30)
    host.degrade(LAN)
    await richardson.unregister()
    await richardson.register()
    await asyncio.sleep(1)
    assert texts(richardson) == ["Hello?"]
    await office.settle()


async def test_of_messages_that_wait_there_are_so_many_and_so_long(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "KEPT_SECONDS", 12 * 3600.0)
    lee = await office.phone("100")
    statuses = []
    for number in range(52):
        statuses.append((await send_message(lee, "101", str(number))).status)
        await asyncio.sleep(1)
    assert statuses == [202] * 50 + [480] * 2
    assert (await send_message(lee, "102", "soon", "text/plain", ("Expires", "60"))).status == 202
    await asyncio.sleep(61)
    taylor = await office.phone("102")
    await asyncio.sleep(1)
    assert texts(taylor) == []
    await asyncio.sleep(12 * 3600)
    richardson = await office.phone("101")
    await asyncio.sleep(1)
    assert texts(richardson) == []


@pytest.mark.parametrize(
    ("number", "content", "content_type", "status"),
    [
        ("555", "Hi", "text/plain", 404),
        ("101", "", "text/plain", 400),
        ("101", "<b>Hi</b>", "text/html", 415),
        ("101", "v=0", "application/sdp", 415),
        ("101", "x" * 1300, "text/plain", 513),
        ("101", "<isComposing/>", "application/im-iscomposing+xml", 200),
        ("102", "<isComposing/>", "application/im-iscomposing+xml", 480),
        ("101", "\x00\x01\x02", "text/plain", 200),
        ("ext101", "by another name", "text/plain", 200),
    ],
)
async def test_what_is_not_taken_is_refused_with_a_reason(
    office: Office, number: str, content: str, content_type: str, status: int
) -> None:
    lee, richardson = await couple(office)
    response = await send_message(lee, number, content, content_type)
    assert response.status == status
    if status == 415:
        assert "text/plain" in (response.get("Accept") or "")
    assert len(richardson.messages) == (status == 200)
    await office.settle()


async def test_long_messages_travel_over_streams_alone(office: Office) -> None:
    lee = await office.phone("100", transport=Transport.TCP)
    richardson, taylor = await office.phone("101", transport=Transport.TCP), await office.phone("102")
    assert (await send_message(lee, "101", "x" * 16000)).status == 200
    assert (await send_message(lee, "102", "x" * 16000)).status == 513
    assert (await send_message(lee, "101", "x" * 17000)).status == 413
    assert texts(richardson) == ["x" * 16000]
    assert texts(taylor) == []
    await office.settle()


async def test_what_all_phones_refuse_is_refused(office: Office) -> None:
    lee, richardson = await couple(office)
    richardson.message_status = 415
    assert (await send_message(lee, "101", "Hi")).status == 415
    assert office.told_of(MessageSent) == []
    await office.settle()


async def test_a_flood_of_messages_is_slowed_down(office: Office) -> None:
    lee, richardson = await couple(office)
    statuses = [(await send_message(lee, "101", str(number))).status for number in range(30)]
    assert statuses.count(200) == len(richardson.messages)
    assert 20 <= statuses.count(200) < 23
    assert set(statuses) == {200, 503}
    await asyncio.sleep(10)
    assert (await send_message(lee, "101", "calm again")).status == 200
    await office.settle()


async def test_nobody_writes_in_anothers_name(office: Office) -> None:
    lee, richardson = await couple(office)
    lee._address_of = lambda number: type(richardson)._address_of(  # type: ignore[method-assign]
        richardson, "102" if number == "100" else number
    )
    assert (await send_message(lee, "101", "It is Taylor")).status == 403
    assert richardson.messages == []


async def test_a_message_within_a_call_is_for_the_phone_at_its_other_end(office: Office) -> None:
    lee, richardson = await couple(office)
    second = await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    for call in (outgoing, incoming):
        session = call.leg.session
        assert session is not None
        headers = [("Content-Type", "text/plain")]
        call.phone.driver.perform(session.send_request("MESSAGE", call.phone.loop.time(), headers, b"psst"))
        await asyncio.sleep(0.1)
    assert texts(richardson) == texts(lee) == ["psst"]
    assert second.messages == []
    outgoing.hang_up()
    await office.settle()


async def test_messages_over_a_lossy_link_come_once(make_office: MakeOffice) -> None:
    office = make_office(link=INTERNET)
    await office.open()
    box = NatBox(office.simulation.network, "198.51.100.1", NatKind.SYMMETRIC)
    lee = await office.phone("100", link=INTERNET, behind=box)
    richardson = await office.phone("101", link=INTERNET)
    for number in range(20):
        assert (await send_message(lee, "101", str(number))).status == 200
        assert (await send_message(richardson, "100", str(number))).status == 200
        await asyncio.sleep(1)
    assert texts(richardson) == texts(lee) == [str(number) for number in range(20)]
    await office.settle()
