"""INVITE with Replaces: lamp keys pick up what rings elsewhere, and another phone of one's own takes a call over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from media.plan import Codec
from pbx.happenings import CallAnswered, CallEnded, CallRecorded, CallStarted
from pbx.phone import CallFailed, Phone, PhoneCall
from pbx.phone_transfer import pick_up
from sipcore.dialog.transfer import Replaces
from tests.journeys.talking import connect, listen
from tests.simulation.office import Office

ROW = pytest.mark.row("CORE-13")


def named(call: PhoneCall, *, early_only: bool = False, far: bool = True) -> Replaces:
    """A dialog as a lamp tells it, who sees it from the side of the phone; or (`far` is False) from ours."""
    dialog = call.dialog
    tags = (dialog.local_tag, dialog.remote_tag) if far else (dialog.remote_tag, dialog.local_tag)
    return Replaces(dialog.call_id, *tags, early_only)


async def phones_of(office: Office) -> list[Phone]:
    """Lee's, Richardson's, and that of Taylor, who picks up."""
    return [await office.phone(number) for number in ("100", "101", "102")]


async def status_of(call: PhoneCall) -> int:
    """How a call was refused."""
    with pytest.raises(CallFailed) as caught:
        await call.answered()
    return caught.value.status


@ROW
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("offerless", [False, True])
async def test_a_lamp_key_picks_up_what_rings_there(
    office: Office, tmp_path: Path, far: bool, offerless: bool
) -> None:
    lee, richardson, taylor = await phones_of(office)
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    headers = [("Replaces", str(named(ringing, early_only=True, far=far)))]
    picked = taylor.dial("101", headers=headers, offerless=offerless)
    await picked.answered()
    await outgoing.answered()
    assert await ringing.over() == 487
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, picked) == [{1}, {0}]
    (answered,) = office.told_of(CallAnswered)
    assert answered.by == "102"
    assert len(office.told_of(CallStarted)) == 1
    outgoing.hang_up()
    assert await picked.over() == 200
    await office.settle()
    assert len(office.told_of(CallEnded)) == 1


@ROW
async def test_who_picks_up_may_have_another_codec(office: Office, tmp_path: Path) -> None:
    lee, richardson, taylor = await phones_of(office)
    lee.codecs, taylor.codecs = (Codec.PCMA,), (Codec.PCMU,)
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    picked = pick_up(taylor, "101", named(ringing))
    await outgoing.answered()
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, picked) == [{1}, {0}]


@ROW
@pytest.mark.parametrize("by", [0, 1])
async def test_a_user_takes_his_call_over_to_his_other_phone(office: Office, tmp_path: Path, by: int) -> None:
    lee, richardson, _ = await phones_of(office)
    other_phone = await office.phone(f"10{by}")
    other_phone.refuse_with = 486
    calls = await connect(lee, "101", richardson)
    taken = pick_up(other_phone, "100", named(calls[by]))
    await taken.answered()
    assert await calls[by].over() == 200
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, calls[1 - by], taken) == [{1}, {0}]
    calls[1 - by].hang_up()
    assert await taken.over() == 200
    await office.settle()


@ROW
async def test_calls_of_others_are_not_taken_over(office: Office, tmp_path: Path) -> None:
    lee, richardson, taylor = await phones_of(office)
    calls = await connect(lee, "101", richardson)
    assert await status_of(pick_up(taylor, "101", named(calls[1]))) == 403
    assert await status_of(pick_up(taylor, "101", named(calls[1], early_only=True))) == 486
    assert await listen(tmp_path, *calls) == [{1}, {0}]


@ROW
async def test_what_is_not_there_is_not_picked_up(office: Office) -> None:
    lee, richardson, taylor = await phones_of(office)
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    await asyncio.sleep(0.1)
    dialog = named(ringing)
    wrong = (Replaces("a", "b", "c"), Replaces(dialog.call_id, dialog.to_tag, "x"))
    # The caller's own dialog is none that we have begun (RFC 3891 section 3).
    for replaces in (*wrong, named(outgoing)):
        assert await status_of(pick_up(taylor, "101", replaces)) == 481
    for text in ("nonsense", f"{dialog}, {dialog}"):
        assert await status_of(taylor.dial("101", headers=[("Replaces", text)])) == 400
    ringing.answer()
    await outgoing.answered()


@ROW
async def test_of_two_who_pick_up_one_gets_the_call(office: Office, tmp_path: Path) -> None:
    lee, richardson, taylor = await phones_of(office)
    miller = await office.phone("103")
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    picked = [pick_up(phone, "101", named(ringing)) for phone in (taylor, miller)]
    results = await asyncio.gather(*(call.answered() for call in picked), return_exceptions=True)
    (winner,) = [call for call, result in zip(picked, results, strict=True) if result is None]
    (loser,) = [result for result in results if result is not None]
    assert isinstance(loser, CallFailed)
    assert loser.status == 481
    await asyncio.sleep(0.3)
    assert await listen(tmp_path, outgoing, winner) == [{1}, {0}]
    outgoing.hang_up()
    await office.settle()


@ROW
async def test_who_has_no_codec_in_common_leaves_it_ringing(office: Office) -> None:
    lee, richardson, taylor = await phones_of(office)
    outgoing = lee.dial("101")
    ringing = await richardson.incoming()
    taylor.codecs = (Codec.OPUS,)
    office.switch.codecs = (Codec.PCMA,)
    assert await status_of(pick_up(taylor, "101", named(ringing))) == 488
    ringing.answer()
    await outgoing.answered()


@pytest.mark.row("AST-21")
async def test_a_call_that_is_recorded_is_so_at_the_other_phone_too(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = make_office(store={"data_dir": tmp_path / "data"}, extensions={"101": {"record_calls": "all"}})
    await office.open()
    lee, richardson = await office.phone("100"), await office.phone("101")
    other_phone = await office.phone("101")
    other_phone.refuse_with = 486
    calls = await connect(lee, "101", richardson)
    await asyncio.sleep(1)
    taken = pick_up(other_phone, "100", named(calls[1]))
    await taken.answered()
    await asyncio.sleep(2)
    calls[0].hang_up()
    await taken.over()
    await office.settle()
    told = office.told_of(CallRecorded)
    assert [each.extension for each in told] == ["101", "101"]
    assert [each.seconds for each in told] == [pytest.approx(1, abs=0.3), pytest.approx(2, abs=0.3)]
