"""The call flows of RFC 3665, by section, over links that lose messages.

Where the RFC has proxies between two user agents there is the switch, which is both ends of two calls (B2BUA): what
each phone sees is held, and that nothing is left. 3.5 (a firewall that writes its own address) is `test_networks`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallAnswered, CallEnded
from pbx.phone import CallFailed, Phone, PhoneCall, RegistrationFailed
from tests.journeys.talking import assert_talk, connect, couple
from tests.journeys.test_registrations import send
from tests.simulation.impairment import AWFUL, INTERNET, LAN, Profile
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]

LINKS = {"lan": LAN, "internet": INTERNET, "awful": AWFUL}


@pytest.fixture(params=sorted(LINKS))
def link(request: pytest.FixtureRequest) -> Profile:
    return LINKS[request.param]


@pytest.fixture
def office(make_office: MakeOffice, simulation: Simulation, link: Profile) -> Office:
    """An office whose switch is behind that link."""
    office = make_office(link=link)
    simulation.run(office.open())
    return office


def sent_by(office: Office, phone: Phone, since: int = 0) -> list[str]:
    """What a phone has sent, repetitions left out."""
    rungs = list(office.simulation.ladder.rungs)[since:]
    labels = [rung.label for rung in rungs if rung.sender == phone.flow.local.host]
    return list(dict.fromkeys(labels))


def methods(office: Office, phone: Phone, since: int = 0) -> list[str]:
    """The methods of the requests among them."""
    return list(
        dict.fromkeys(
            label.partition(" ")[0] for label in sent_by(office, phone, since) if label[0].isalpha()
        )
    )


async def settled(call: PhoneCall) -> None:
    """Wait until neither side is changing anything."""
    session = call.leg.session
    while session is not None and not session.can_change:
        await asyncio.sleep(0.5)


# -- 2: registrations ----------------------------------------------------------------------------------


@pytest.mark.row("CORE-02")
async def test_2_1_successful_new_registration(office: Office) -> None:
    lee = await office.phone("100", register=False)
    await lee.register()
    statuses = [
        rung.label[:3] for rung in office.simulation.ladder.rungs if rung.receiver == lee.flow.local.host
    ]
    assert list(dict.fromkeys(statuses)) == ["401", "200"]
    assert office.switch.registered("100")


async def test_2_2_update_of_contact_list(office: Office) -> None:
    lee = await office.phone("100")
    answer = await send(lee, "REGISTER", "100", ("Contact", "<sip:100@10.0.1.77>"))
    assert answer.status == 200
    assert {contact.uri.host for contact in answer.contacts} == {lee.flow.local.host, "10.0.1.77"}


async def test_2_3_request_for_current_contact_list(office: Office) -> None:
    lee = await office.phone("100")
    answer = await send(lee, "REGISTER", "100")
    [contact] = answer.contacts
    assert contact.uri.matches(lee.contact)
    assert 0 < int(contact.parameter("expires") or 0) <= 3600


async def test_2_4_cancellation_of_registration(office: Office) -> None:
    lee = await office.phone("100")
    answer = await send(lee, "REGISTER", "100", ("Contact", "*"), ("Expires", "0"))
    assert (answer.status, answer.contacts) == (200, [])
    assert not office.switch.registered("100")


async def test_2_5_unsuccessful_registration(office: Office) -> None:
    lee = await office.phone("100", register=False)
    lee.account = type(lee.account)("100", "wrong", lee.account.server)
    with pytest.raises(RegistrationFailed) as failed:
        await lee.register()
    assert failed.value.status in (401, 403)
    assert not office.switch.registered("100")


# -- 3: sessions -----------------------------------------------------------------------------------------


@pytest.mark.row("CORE-03")
@pytest.mark.parametrize("who", ["caller", "called"])
async def test_3_1_and_3_2_successful_session_establishment(office: Office, tmp_path: Path, who: str) -> None:
    lee, richardson = await couple(office)
    since = len(office.simulation.ladder.rungs)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming, within=2.0)
    ends, other = (outgoing, incoming) if who == "caller" else (incoming, outgoing)
    ends.hang_up()
    assert await other.over() == 200
    assert [name for name in methods(office, lee, since) if name in ("INVITE", "ACK")] == ["INVITE", "ACK"]
    [ended] = office.told_of(CallEnded)
    assert ended.status == 200
    await office.settle()


async def test_3_3_session_establishment_with_authentication(office: Office) -> None:
    """Of several proxies that ask, there is one: the switch; the phone it calls is asked nothing."""
    lee, richardson = await couple(office)
    since = len(office.simulation.ladder.rungs)
    outgoing, _ = await connect(lee, "101", richardson)
    rungs = list(office.simulation.ladder.rungs)[since:]
    heard = [rung.label for rung in rungs if rung.receiver == lee.flow.local.host]
    assert any(label.startswith("401") for label in heard)
    assert not any(
        rung.label.startswith("401") for rung in rungs if rung.receiver == richardson.flow.local.host
    )
    outgoing.hang_up()
    await office.settle()


async def test_3_4_session_with_a_phone_that_fails(office: Office) -> None:
    """Where the RFC has a proxy fail over to another, the switch rings all phones: a dead one is in nobody's way."""
    lee, dead = await couple(office)
    alive = await office.phone("101")
    await dead.stop()  # without a word
    office.phones.remove(dead)
    outgoing, incoming = await connect(lee, "101", alive)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await asyncio.sleep(40)
    await office.settle()


async def test_3_6_session_via_redirect_with_sdp_in_ack(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    outgoing = lee.dial("101", offerless=True)
    (await richardson.incoming()).redirect("102")
    incoming = await taylor.incoming()
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming, within=2.0)
    [answered] = office.told_of(CallAnswered)
    assert answered.by == "102"
    outgoing.hang_up()
    await office.settle()


async def test_3_7_session_with_re_invite(office: Office, tmp_path: Path) -> None:
    """Its sound moves to another address; the call goes on."""
    lee, richardson = await couple(office)
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming, within=2.0)
    since = len(office.simulation.ladder.rungs)
    for change in (incoming.hold, incoming.resume):
        await settled(incoming)
        change()
    await settled(incoming)
    assert methods(office, richardson, since)[:2] == ["INVITE", "ACK"]
    await assert_talk(tmp_path, outgoing, incoming, within=2.0)
    outgoing.hang_up()
    await office.settle()


@pytest.mark.row("CORE-18")
async def test_3_8_unsuccessful_no_answer(office: Office) -> None:
    lee, richardson = await couple(office)
    outgoing = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(3)
    outgoing.hang_up()
    assert await incoming.over() == 487
    assert await outgoing.over() == 487
    assert "CANCEL" in methods(office, lee)
    await office.settle()


@pytest.mark.row("CORE-18")
@pytest.mark.parametrize(("section", "phone_says", "heard"), [("3.9", 486, 486), ("3.11", 480, 480)])
async def test_3_9_and_3_11_unsuccessful_busy_and_temporarily_unavailable(
    office: Office, section: str, phone_says: int, heard: int
) -> None:
    lee, richardson = await couple(office)
    richardson.refuse_with = phone_says
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == heard, section
    await office.settle()


@pytest.mark.row("CORE-18")
async def test_3_10_unsuccessful_no_response_from_user_agent(office: Office) -> None:
    lee, richardson = await couple(office)
    await richardson.stop()  # without a word
    office.phones.remove(richardson)
    began = office.simulation.loop.time()
    with pytest.raises(CallFailed) as failed:
        await lee.call("101")
    assert failed.value.status == 480
    assert office.simulation.loop.time() - began == pytest.approx(32, abs=3)  # 64*T1
    await office.settle()
