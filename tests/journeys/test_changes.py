"""Changes in the middle of a call: hold by UPDATE, offers from the switch, another codec, glare, and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from media.plan import Codec, Direction
from pbx.phone import PhoneCall
from sipcore.effects import Transmit
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.message import Response
from tests.journeys.talking import MUSIC, assert_talk, connect, couple, listen
from tests.simulation.office import Office
from tests.simulation.prompter import Prompter

TALK: list[set[int]] = [{1}, {0}]
ROW = pytest.mark.row("CORE-14")


@pytest.fixture
def calls(make_office: Callable[..., Office], tmp_path: Path) -> tuple[PhoneCall, PhoneCall]:
    """Lee's call with Richardson as both have it."""
    office = make_office(prompts=Prompter(tmp_path))

    async def talk() -> tuple[PhoneCall, PhoneCall]:
        await office.open()
        lee, richardson = await couple(office)
        calls = await connect(lee, "101", richardson)
        await assert_talk(tmp_path, *calls)
        return calls

    return office.simulation.run(talk())


async def hear(folder: Path, *calls: PhoneCall) -> list[set[int]]:
    """What both hear, once what was asked for has been done."""
    await asyncio.sleep(0.3)
    return await listen(folder, *calls)


def change(call: PhoneCall, offer: SessionDescription, verb: str = "modify") -> None:
    """Send an offer in a re-INVITE, or in an UPDATE."""
    session = call.leg.session
    assert session is not None
    call.phone.driver.perform(getattr(session, verb)(offer, call.phone.loop.time()))


@ROW
@pytest.mark.parametrize("holder", [0, 1])
async def test_hold_and_resume_by_update(
    calls: tuple[PhoneCall, PhoneCall], tmp_path: Path, holder: int
) -> None:
    holding = calls[holder]
    for _ in range(2):
        change(holding, holding.leg.negotiation.offer(direction=Direction.SENDONLY), "update")
        heard = await hear(tmp_path, *calls)
        assert (heard[holder], heard[1 - holder]) == (set(), {MUSIC})
        change(holding, holding.leg.negotiation.offer(), "update")
        assert await hear(tmp_path, *calls) == TALK


@ROW
async def test_a_re_invite_without_an_offer_gets_one_and_the_call_goes_on(
    calls: tuple[PhoneCall, PhoneCall], tmp_path: Path
) -> None:
    """So phones take a call back that want to hear all codecs (RFC 3261 section 14.2)."""
    lee, _ = calls
    lee.hold()
    assert await hear(tmp_path, *calls) == [set(), {MUSIC}]
    session, dialog, phone = lee.leg.session, lee.dialog, lee.phone
    assert session is not None
    flow = session.flow
    contact = phone.endpoint.local_headers(flow, "100")
    request = dialog.request("INVITE", contact)
    answers: list[SessionDescription] = []

    class Offerless:
        """Takes the offer of the 200, and answers it in the ACK."""

        def on_response(self, transaction: object, response: Response, now: float) -> list[object]:
            if response.status != 200:
                return []
            offer = SessionDescription.parse(response.body)
            answers.append(offer)
            lee.leg.negotiation.receive_offer(offer)
            answer = lee.leg.negotiation.answer()
            headers = [("Content-Type", "application/sdp")]
            ack = dialog.request("ACK", headers, answer.to_bytes(), cseq=request.cseq.number)
            ack.prepend("Via", phone.endpoint.via(flow)[1])
            return [Transmit(flow, ack.to_bytes())]

        def flow_closed(self, now: float) -> list[object]:
            return []

    phone.driver.perform(phone.endpoint.send(request, flow, Offerless(), phone.loop.time())[1])
    await asyncio.sleep(0.1)
    (offer,) = answers
    assert offer.direction_of(offer.media[0]) == "sendrecv"
    lee.leg._use_plan()
    assert await hear(tmp_path, *calls) == TALK


@ROW
@pytest.mark.parametrize("changing", [0, 1])
async def test_one_phone_changes_its_codec_and_changes_it_back(
    calls: tuple[PhoneCall, PhoneCall], tmp_path: Path, changing: int
) -> None:
    """What was passed on as it is is translated in between."""
    phone = calls[changing]
    before = phone.leg.codec
    other = Codec.PCMU if before is Codec.PCMA else Codec.PCMA
    assert before is not None
    for codec in (other, before):
        phone.leg.negotiation.codecs = (codec,)
        change(phone, phone.leg.negotiation.offer())
        assert await hear(tmp_path, *calls) == TALK
        assert phone.leg.codec is codec
        assert calls[1 - changing].leg.codec is before


@ROW
@pytest.mark.parametrize("verb", ["modify", "update"])
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    calls: tuple[PhoneCall, PhoneCall], tmp_path: Path, verb: str
) -> None:
    lee, _ = calls
    offer = lee.leg.negotiation.offer()
    (audio,) = offer.media
    lee.leg.negotiation.withdraw()
    strange = audio._replace(formats=("96",), attributes=(("rtpmap", "96 SPEEX/16000"),))
    change(lee, offer._replace(media=(strange,)), verb)
    assert await hear(tmp_path, *calls) == TALK
    lee.hang_up()
    assert await calls[1].over() == 200


@ROW
async def test_both_hold_at_the_same_moment(calls: tuple[PhoneCall, PhoneCall], tmp_path: Path) -> None:
    for call in calls:
        call.hold()
    assert await hear(tmp_path, *calls) == [set(), set()]
    for call in calls:
        call.resume()
    assert await hear(tmp_path, *calls) == TALK
