"""Before the answer: ringing and early media in every order, reliable on one side of a call or on both (RFC 3262)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pbx.happenings import CallEnded
from pbx.phone import Phone, PhoneCall
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow
from tests.journeys.talking import assert_talk, couple, listen
from tests.simulation.impairment import AWFUL, WIRELESS
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


def reliable(*phones: Phone) -> None:
    """Let phones ask for reliable responses, and send such."""
    for phone in phones:
        phone.endpoint.settings = replace(phone.endpoint.settings, reliable=True)


def pracks(office: Office, phone: Phone) -> list[str]:
    """Who sent a PRACK on the line of this phone: "phone" or "pbx"; repetitions counted."""
    host = phone.flow.local.host
    rungs = [rung for rung in office.simulation.ladder.rungs if rung.label.startswith("PRACK")]
    return [
        "phone" if rung.sender == host else "pbx" for rung in rungs if host in (rung.sender, rung.receiver)
    ]


async def rings(office: Office, lee: Phone, richardson: Phone) -> tuple[PhoneCall, PhoneCall]:
    outgoing = lee.dial("101")
    return outgoing, await richardson.incoming()


@pytest.mark.parametrize("called", [True, False])
@pytest.mark.parametrize("caller", [True, False])
async def test_each_side_of_a_call_is_reliable_for_itself(
    office: Office, tmp_path: Path, caller: bool, called: bool
) -> None:
    lee, richardson = await couple(office)
    reliable(*([lee] if caller else []), *([richardson] if called else []))
    outgoing, incoming = await rings(office, lee, richardson)
    incoming.leg.send_early_media()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, incoming) == [{1}, {0}]
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    assert set(pracks(office, lee)) == ({"phone"} if caller else set())
    assert set(pracks(office, richardson)) == ({"pbx"} if called else set())
    outgoing.hang_up()
    await office.settle()


async def test_it_can_be_switched_off(make_office: MakeOffice) -> None:
    office = make_office(sip={"reliable_provisionals": False})
    await office.open()
    lee, richardson = await couple(office)
    reliable(lee, richardson)
    outgoing, incoming = await rings(office, lee, richardson)
    incoming.answer()
    await outgoing.answered()
    assert pracks(office, lee) == pracks(office, richardson) == []
    outgoing.hang_up()
    await office.settle()


@pytest.mark.parametrize("link", [WIRELESS, AWFUL])
@pytest.mark.parametrize("who", ["answered", "cancelled", "refused"])
async def test_reliable_calls_over_links_that_lose(
    make_office: MakeOffice, tmp_path: Path, link: Any, who: str
) -> None:
    office = make_office(link=link)
    await office.open()
    lee, richardson = await couple(office)
    reliable(lee, richardson)
    outgoing, incoming = await rings(office, lee, richardson)
    incoming.leg.send_early_media()
    if who == "answered":
        incoming.answer()
        await outgoing.answered()
        await assert_talk(tmp_path, outgoing, incoming, within=2.0)
        outgoing.hang_up()
        assert await incoming.over() == 200
    elif who == "cancelled":
        outgoing.hang_up()
        assert await incoming.over() == 487
    else:
        incoming.reject(486)
        assert await outgoing.over() == 486
    await office.settle()


@pytest.mark.parametrize(
    ("story", "heard"),
    [(["ring"], [180]), (["media"], [180, 183]), (["media", "ring"], [180, 183])],
    ids=["180", "180 and 183", "180, 183 and 180"],
)
async def test_the_caller_hears_ringing_or_what_the_phone_sends(
    office: Office, tmp_path: Path, story: list[str], heard: list[int]
) -> None:
    """A phone that only rings leaves the ringing tone to the caller's phone."""
    lee, richardson = await couple(office)
    outgoing, incoming = await rings(office, lee, richardson)
    for step in story:
        if step == "media":
            incoming.leg.send_early_media()
        else:
            say(incoming, 180)
        await asyncio.sleep(0.2)
    assert outgoing.provisionals == heard
    if 183 in heard:
        assert await listen(tmp_path, outgoing, incoming) == [{1}, {0}]
    else:
        assert outgoing.leg.plan is None
    incoming.answer()
    await outgoing.answered()
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await office.settle()


def say(call: PhoneCall, status: int) -> None:
    """Send a provisional response that says nothing of sound."""
    session: Any = call.leg.session
    call.phone.driver.perform(session.progress(status, call.phone.loop.time()))


async def test_early_sound_may_be_put_on_hold(office: Office) -> None:
    """An UPDATE before the answer (RFC 3311) is answered, and changes no other leg."""
    lee, richardson = await couple(office)
    reliable(lee, richardson)
    outgoing, incoming = await rings(office, lee, richardson)
    incoming.leg.send_early_media()
    await asyncio.sleep(0.2)
    for call in (outgoing, incoming):
        session: Any = call.leg.session
        assert session.can_update
        call.phone.driver.perform(session.update(call.leg.negotiation.offer(), call.phone.loop.time()))
        await asyncio.sleep(0.2)
        assert session.can_update
    incoming.answer()
    await outgoing.answered()
    outgoing.hang_up()
    await office.settle()


# -- several phones behind one contact ---------------------------------------------------------------------


class Fork:
    """A proxy behind the contact of a phone, played by hand: it answers the INVITE in the name of several phones."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.flow: Flow = phone.flow
        self.heard: list[Request] = []
        phone.driver.on_wire = self._on_wire

    def _on_wire(self, outgoing: bool, flow: Flow, data: bytes) -> None:
        if not outgoing:
            message = parse_message(data)
            if isinstance(message, Request):
                self.heard.append(message)

    def heard_of(self, method: str, tag: str = "") -> list[Request]:
        return [
            message for message in self.heard if message.method == method and (message.to.tag or "") == tag
        ]

    def say(self, status: int, tag: str, body: bytes = b"", *more: tuple[str, str]) -> None:
        """A response of one of the phones."""
        contact = ("Contact", f"<{self.phone.contact}>")
        kind = [("Content-Type", "application/sdp")] if body else []
        response: Response = response_to(
            self.heard_of("INVITE")[0], status, to_tag=tag, headers=[contact, *kind, *more], body=body
        )
        self.phone.driver._transmit(self.flow, response.to_bytes())


async def test_of_the_phones_behind_one_contact_the_one_that_answers_wins(office: Office) -> None:
    """Each has a description of its own; the late 2xx of another gets ACK and BYE."""
    lee, richardson = await couple(office)
    outgoing, incoming = await rings(office, lee, richardson)
    fork = Fork(richardson)
    assert incoming.leg.session is not None
    invite = incoming.leg.session.request
    fork.heard.append(invite)
    body = incoming.leg.negotiation.answer().to_bytes()
    fork.say(183, "first", body, ("Require", "100rel"), ("RSeq", "1"))
    fork.say(183, "second", body.replace(b"o=- ", b"o=- 9"), ("Require", "100rel"), ("RSeq", "700"))
    fork.say(199, "first", b"", ("Require", "100rel"), ("RSeq", "2"))
    await asyncio.sleep(0.2)
    assert [prack.get("RAck") for prack in fork.heard_of("PRACK", "first")] == [
        f"{rseq} {invite.cseq}" for rseq in (1, 2)
    ]
    assert len(fork.heard_of("PRACK", "second")) >= 1
    fork.say(200, "second")
    await outgoing.answered()
    fork.say(200, "first", body)
    await asyncio.sleep(0.2)
    assert len(fork.heard_of("ACK", "second")) == len(fork.heard_of("ACK", "first")) == 1
    assert fork.heard_of("BYE", "second") == []
    assert len(fork.heard_of("BYE", "first")) >= 1
    outgoing.hang_up()
    await asyncio.sleep(0.2)
    assert len(fork.heard_of("BYE", "second")) >= 1
    [ended] = office.told_of(CallEnded)
    assert ended.status == 200
    await asyncio.sleep(64)
    await office.settle()
