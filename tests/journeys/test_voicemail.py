"""Voicemail by phone: leaving messages, signing in, listening."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pbx.happenings import VoicemailLeft
from pbx.phone import CallFailed
from pbx.store.voicemails import Counts
from sipcore.events.message_summary import read_messages
from tests.interop.tones import level, read_samples
from tests.journeys.voicemails import GREETING, NONE, SAID_HZ, SIGN_IN, Voicemails, open_office
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MENU = "voicemail.message_menu"


@pytest.fixture
def office(make_office: Callable[..., Office], simulation: Simulation, tmp_path: Path) -> Voicemails:
    return simulation.run(open_office(make_office, tmp_path))


# -- leaving ---------------------------------------------------------------------------------------


@pytest.mark.row("VM-01", "VM-35")
async def test_a_message_is_left_without_ringing_the_extension(office: Voicemails) -> None:
    lee = await office.phone("100")
    await office.leave("101", "100")
    assert lee.calls == set()
    assert office.prompter.said == [*GREETING, "voicemail.leave_message", "beep"]
    [message] = await office.messages()
    assert (message.caller_number, message.caller_name, message.heard) == ("101", "Richardson Bailey", False)
    sound = read_samples(office.mailbox().path_of(message))
    assert len(sound) / 8000 == pytest.approx(message.seconds)
    assert 1.9 < message.seconds < 3.0
    assert level(sound, SAID_HZ) > 5000
    [left] = office.office.told_of(VoicemailLeft)
    assert (left.mailbox, left.message, left.caller) == ("100", message.id, "101")
    await office.office.settle()


@pytest.mark.row("VM-37")
async def test_a_message_lights_the_lamp_and_hearing_it_puts_it_out(office: Voicemails) -> None:
    lee = await office.phone("100")
    await office.leave()
    await asyncio.sleep(1)
    assert read_messages(lee.notified[-1].body)[0]
    call = await office.sign_in()
    await office.keys(call, "*")
    await asyncio.sleep(3)
    assert not read_messages(lee.notified[-1].body)[0]
    assert office.counts() == Counts(0, 1)
    await office.keys(call, "3")
    await asyncio.sleep(1)
    assert office.counts() == Counts(0, 0)


@pytest.mark.row("VM-39", "DC-10")
async def test_pound_ends_a_message_and_the_caller_hears_that_it_is_kept(office: Voicemails) -> None:
    call = await (await office.phone("101")).call("*4100")
    await asyncio.sleep(2.1)
    call.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    office.said()
    await office.keys(call, "1#")  # the first is no end
    assert await call.over() == 200
    assert office.said() == ["voicemail.saved", "goodbye"]
    [message] = await office.messages()
    assert 2.0 < message.seconds < 3.5


@pytest.mark.row("VM-39")
async def test_silence_ends_a_message(office: Voicemails) -> None:
    call = await (await office.phone("101")).call("*4100")
    await asyncio.sleep(2.1)
    call.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    call.quiet()
    assert await call.over() == 200
    assert office.said()[-2:] == ["voicemail.saved", "goodbye"]


@pytest.mark.row("VM-39")
async def test_the_greatest_length_ends_a_message(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"max_seconds": 5})
    call = await (await office.phone("101")).call("*4100")
    call.play_tone(SAID_HZ)
    assert await call.over() == 200
    [message] = await office.messages()
    assert message.seconds == pytest.approx(5.0)


async def test_a_key_cuts_the_greeting_short_and_ends_nothing(office: Voicemails) -> None:
    call = await (await office.phone("101")).call("*4100")
    await office.keys(call, "#")
    call.play_tone(SAID_HZ)
    await asyncio.sleep(2)
    call.hang_up()
    await asyncio.sleep(0.5)
    [message] = await office.messages()
    assert message.seconds > 1.9


@pytest.mark.row("VM-38")
@pytest.mark.parametrize("when", [0.3, 1.9, 2.1])
async def test_who_hangs_up_at_the_beep_has_left_nothing(office: Voicemails, when: float) -> None:
    call = await (await office.phone("101")).call("*4100")
    await asyncio.sleep(when)
    call.hang_up()
    await asyncio.sleep(1)
    assert await office.messages() == ()
    assert list((office.folder / "data" / "voicemail" / "incoming").iterdir()) == []
    await office.office.settle()


@pytest.mark.row("VM-38")
async def test_with_no_least_length_even_that_is_kept(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"min_seconds": 0})
    await office.leave(seconds=0.1)
    [message] = await office.messages()
    assert message.seconds < 1.0


async def test_who_says_nothing_has_left_nothing_and_is_told_so(office: Voicemails) -> None:
    call = await (await office.phone("101")).call("*4100")
    assert await call.over() == 200
    assert office.said()[-2:] == ["voicemail.too_short", "goodbye"]
    assert await office.messages() == ()


@pytest.mark.row("VM-34")
async def test_without_voicemail_nobody_leaves_anything_and_hears_why(office: Voicemails) -> None:
    await office.set_up("100", enabled=False)
    call = (await office.phone("101")).dial("*4100")
    with pytest.raises(CallFailed) as failed:
        await call.answered()
    assert failed.value.status == 480
    assert office.said() == ["voicemail.none"]
    assert 183 in call.provisionals


async def test_there_is_no_mailbox_for_nobody(office: Voicemails) -> None:
    with pytest.raises(CallFailed) as failed:
        await (await office.phone("101")).call("*4555")
    assert failed.value.status == 404


async def test_a_full_mailbox_is_told_and_a_place_is_given_once(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"max_messages": 2})
    await office.leave("101")
    first = asyncio.ensure_future(office.leave("102"))
    await asyncio.sleep(1)
    late = await (await office.phone("103")).call("*4100")
    assert await late.over() == 200
    assert {"voicemail.full", "goodbye"} <= set(office.said())
    await first
    assert [message.caller_number for message in await office.messages()] == ["101", "102"]


async def test_a_place_that_was_not_used_is_free_again(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"max_messages": 1})
    await office.leave("101", seconds=0.1)
    await office.leave("102")
    assert [message.caller_number for message in await office.messages()] == ["102"]


# -- signing in ------------------------------------------------------------------------------------


@pytest.mark.row("VM-02", "VM-05", "VM-08")
async def test_extension_and_pin_open_a_mailbox_from_another_phone(office: Voicemails) -> None:
    await office.leave()
    office.said()
    await office.sign_in("104", number="100")
    await asyncio.sleep(1)
    assert office.said() == [
        *SIGN_IN,
        *("voicemail.you_have", "number.1", "voicemail.new", "voicemail.message"),
        *("word.and", "number.0", "voicemail.old.plural", "voicemail.messages"),
        *("voicemail.press_star", "voicemail.welcome_menu"),
    ]


@pytest.mark.row("VM-03")
async def test_the_number_of_voicemail_is_configured(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, numbers={"voicemail": "888"})
    await (await office.phone("100")).call("888")
    await asyncio.sleep(0.1)
    assert office.said() == ["voicemail.enter_mailbox"]


@pytest.mark.row("VM-06")
async def test_pound_alone_means_ones_own_mailbox(office: Voicemails) -> None:
    call = await office.dial()
    await office.keys(call, "#")
    await office.keys(call, "100#")
    await asyncio.sleep(0.3)
    assert office.said() == [*SIGN_IN, *NONE]


async def test_a_pause_ends_number_and_pin_too(office: Voicemails) -> None:
    call = await office.dial()
    await office.keys(call, "100")
    await asyncio.sleep(4)
    await office.keys(call, "100")
    assert office.said() == SIGN_IN
    await asyncio.sleep(4)
    assert office.said() == NONE


async def test_the_question_may_be_left_out(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"ask_extension": False})
    call = await office.dial()
    await office.keys(call, "100#")
    assert office.said() == ["voicemail.enter_pin", *NONE]


@pytest.mark.row("VM-07")
@pytest.mark.parametrize("number", ["100", "555"])
async def test_three_wrong_answers_end_the_call_and_tell_nothing(office: Voicemails, number: str) -> None:
    call = await office.dial("101")
    for _ in range(3):
        await office.keys(call, f"{number}#")
        await office.keys(call, "9876#")
    assert await call.over() == 200
    assert office.said() == [*SIGN_IN, "voicemail.wrong_sign_in"] * 3 + ["goodbye"]


@pytest.mark.row("VM-07")
async def test_who_guesses_on_waits_longer_and_longer_but_not_the_owner(office: Voicemails) -> None:
    waits = []
    for _ in range(3):
        call = await office.dial("101")
        for _ in range(3):
            await office.keys(call, "100#")
            office.said()
            began = asyncio.get_running_loop().time()
            await office.keys(call, "9876#")
            while "voicemail.wrong_sign_in" not in office.prompter.said:
                await asyncio.sleep(0.5)
            waits.append(asyncio.get_running_loop().time() - began)
        await call.over()
    assert max(waits[:3]) < 3
    assert all(later > earlier * 1.2 for earlier, later in pairwise(waits[4:]))
    assert waits[8] > 30
    office.said()
    await office.sign_in("100")
    assert "voicemail.no_messages" in office.said()


@pytest.mark.row("VM-07")
async def test_an_empty_pin_opens_nothing(office: Voicemails) -> None:
    call = await office.dial("101")
    await office.keys(call, "100##")
    assert office.said()[:3] == [*SIGN_IN, "voicemail.wrong_sign_in"]


# -- listening -------------------------------------------------------------------------------------


@pytest.mark.row("VM-09", "VM-31")
async def test_star_plays_the_new_messages_the_oldest_first(office: Voicemails) -> None:
    await office.leave("101", hertz=700)
    await office.leave("102", hertz=900)
    call = await office.sign_in()
    await office.keys(call, "*")
    assert await office.hears(call, 700)
    await asyncio.sleep(2)
    assert office.counts() == Counts(1, 1)
    await office.keys(call, "0")
    await asyncio.sleep(0.2)
    assert await office.hears(call, 900)


@pytest.mark.row("VM-31")
async def test_who_hangs_up_before_a_message_has_begun_has_not_heard_it(office: Voicemails) -> None:
    await office.set_up("100", say_caller=True)
    await office.leave("101")
    call = await office.sign_in()
    office.said()
    await office.keys(call, "*")
    call.hang_up()
    await asyncio.sleep(1)
    assert "voicemail.from" in office.said()
    assert office.counts() == Counts(1, 0)


@pytest.mark.row("VM-31")
async def test_a_message_that_was_skipped_after_it_began_is_heard(office: Voicemails) -> None:
    await office.leave("101", seconds=10)
    call = await office.sign_in()
    await office.keys(call, "*")
    await asyncio.sleep(1)
    await office.keys(call, "0")
    assert office.counts() == Counts(0, 1)


@pytest.mark.row("VM-10", "VM-11", "VM-12", "VM-20")
async def test_on_back_again_and_no_further_than_the_ends(office: Voicemails) -> None:
    for caller, hertz in (("101", 700), ("102", 900)):
        await office.leave(caller, hertz=hertz)
    call = await office.sign_in()
    for keys, hertz in (("*", 700), ("2", 700), ("0", 900), ("2", 900), ("1", 700)):
        await office.keys(call, keys)
        await asyncio.sleep(0.2)
        assert await office.hears(call, hertz), keys
    office.said()
    await office.keys(call, "1")
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.first_already", MENU]
    await office.keys(call, "0")
    await asyncio.sleep(2)
    office.said()
    await office.keys(call, "0")
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.no_more_messages", MENU]
    await office.keys(call, "2")
    assert await office.hears(call, 900)


@pytest.mark.row("VM-09", "VM-10")
async def test_after_the_new_ones_come_those_that_were_heard(office: Voicemails) -> None:
    for caller, hertz in (("101", 700), ("102", 900), ("103", 1100)):
        await office.leave(caller, hertz=hertz)
    [old, *_] = await office.messages()
    await office.mailbox().mark(old.id)
    call = await office.sign_in()
    for keys, hertz in (("*", 900), ("0", 1100), ("0", 700)):
        await office.keys(call, keys)
        await asyncio.sleep(0.2)
        assert await office.hears(call, hertz), keys


@pytest.mark.row("VM-09")
async def test_where_nothing_is_new_that_is_said_before_the_others(office: Voicemails) -> None:
    await office.leave()
    [message] = await office.messages()
    await office.mailbox().mark(message.id)
    call = await office.sign_in()
    assert "voicemail.press_star.heard" in office.said()
    await office.keys(call, "*")
    await asyncio.sleep(1)
    said = office.said()
    assert said[:2] == ["voicemail.no_new_messages", "voicemail.heard_messages"]


@pytest.mark.row("VM-13")
async def test_three_deletes_a_message_and_goes_on(office: Voicemails) -> None:
    for caller, hertz in (("101", 700), ("102", 900)):
        await office.leave(caller, hertz=hertz)
    call = await office.sign_in()
    await office.keys(call, "*")
    await office.keys(call, "3")
    await asyncio.sleep(0.4)
    assert await office.hears(call, 900)
    assert [message.caller_number for message in await office.messages()] == ["102"]
    office.said()
    await office.keys(call, "3")
    await asyncio.sleep(1)
    assert office.said()[:2] == ["voicemail.deleted", "voicemail.no_more_messages"]
    assert await office.messages() == ()
    assert list((office.folder / "data" / "voicemail" / "100").iterdir()) == []


@pytest.mark.row("VM-17", "VM-30")
@pytest.mark.parametrize("before", ["", "*", "9"])
async def test_pound_ends_the_call(office: Voicemails, before: str) -> None:
    await office.leave()
    call = await office.sign_in()
    await office.keys(call, f"{before}#")
    assert await call.over() == 200
    assert office.said()[-1] == "goodbye"


@pytest.mark.row("VM-18")
async def test_keys_without_a_meaning_change_nothing(office: Voicemails) -> None:
    await office.leave()
    call = await office.sign_in()
    await office.keys(call, "*")
    for key in "678":
        office.said()
        await office.keys(call, key)
        await asyncio.sleep(0.5)
        assert office.said() == ["entry.wrong", MENU]
    await office.keys(call, "2")
    assert await office.hears(call, SAID_HZ)


@pytest.mark.row("VM-32", "VM-33")
async def test_caller_and_time_are_said_as_the_owner_wants(office: Voicemails) -> None:
    await office.leave()
    for settings, expected in (
        ({"say_caller": True}, ["voicemail.from", "number.1", "number.0", "number.1"]),
        ({"say_time": True}, ["voicemail.received", "day.today", "time.at", "number.8"]),
        ({}, []),
    ):
        await office.set_up("100", **settings)
        call = await office.sign_in()
        office.said()
        await office.keys(call, "*")
        await asyncio.sleep(0.2)
        said = [
            one
            for one in office.said()
            if one not in ("voicemail.no_new_messages", "voicemail.heard_messages")
        ]
        assert said[: len(expected)] == expected
        if not expected:
            assert isinstance(said[0], Path)
        call.hang_up()
        await asyncio.sleep(1)


async def test_who_presses_nothing_is_reminded_and_then_let_go(office: Voicemails) -> None:
    call = await office.sign_in()
    assert await call.over() == 200
    assert office.said()[-4:] == ["voicemail.welcome_menu"] * 3 + ["goodbye"]


async def test_a_message_that_comes_meanwhile_is_played_too(office: Voicemails) -> None:
    await office.leave("101", hertz=700)
    call = await office.sign_in()
    await office.keys(call, "*")
    await office.leave("102", hertz=900)
    await office.keys(call, "0")
    await asyncio.sleep(0.2)
    assert await office.hears(call, 900)


async def test_a_message_that_is_deleted_elsewhere_is_passed_over(office: Voicemails) -> None:
    for caller, hertz in (("101", 700), ("102", 900), ("103", 1100)):
        await office.leave(caller, hertz=hertz)
    call = await office.sign_in()
    await office.keys(call, "*")
    _, second, third = await office.messages()
    await office.mailbox().delete(second.id)
    await office.keys(call, "0")
    await asyncio.sleep(0.2)
    assert await office.hears(call, 1100)
    await office.mailbox().delete(third.id)
    office.said()
    await office.keys(call, "2")
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.no_more_messages", MENU]


@pytest.mark.row("VM-36")
async def test_what_a_page_changes_is_told_by_phone_and_lamp(office: Voicemails) -> None:
    lee = await office.phone("100")
    await office.leave()
    [message] = await office.messages()
    await office.mailbox().mark(message.id)
    await asyncio.sleep(1)
    assert read_messages(lee.notified[-1].body) == (False, office.office.switch.mailboxes.get("100"))
    await office.mailbox().mark(message.id, heard=False)
    await asyncio.sleep(1)
    assert read_messages(lee.notified[-1].body)[0]
    office.said()
    await office.sign_in()
    assert office.said()[3:5] == ["number.1", "voicemail.new"]
