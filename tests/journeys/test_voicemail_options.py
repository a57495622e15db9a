"""Voicemail by phone: calling back, forwarding, and the options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.happenings import CallWentOut
from pbx.mailboxes import MailboxError
from pbx.phone import PhoneCall
from pbx.store.voicemails import Counts, MailboxSettings
from tests.interop.tones import level, read_samples
from tests.journeys.talking import assert_talk
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.carrier import MOBILE
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

MENU = "voicemail.message_menu"
OPTIONS = "voicemail.options_menu"


@pytest.fixture
def office(make_office: Callable[..., Office], simulation: Simulation, tmp_path: Path) -> Voicemails:
    return simulation.run(open_office(make_office, tmp_path))


async def options(office: Voicemails, keys: str) -> PhoneCall:
    """Sign in, go to the options and press keys there; what is said then is still to be asked for."""
    call = await office.sign_in()
    await office.keys(call, "9")
    office.said()
    await office.keys(call, keys)
    return call


# -- calling back, and dialling --------------------------------------------------------------------


@pytest.mark.row("VM-14")
async def test_four_calls_whoever_left_the_message(office: Voicemails, tmp_path: Path) -> None:
    await office.leave("101")
    richardson = await office.phone("101")
    call = await office.sign_in()
    await office.keys(call, "*")
    await office.keys(call, "4")
    incoming = await richardson.incoming()
    incoming.answer()
    await asyncio.sleep(0.5)
    await assert_talk(tmp_path, call, incoming)
    incoming.hang_up()
    assert await call.over() == 200
    await office.office.settle()


@pytest.mark.row("VM-14")
async def test_who_cannot_be_called_back_now_is_told_and_the_message_is_there(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, forwarding={"unanswered": "end"})
    await office.leave("101")
    richardson = await office.phone("101")
    richardson.refuse_with = 486
    call = await office.sign_in()
    await office.keys(call, "*")
    office.said()
    await office.keys(call, "4")
    await asyncio.sleep(1)
    assert "call.busy" in office.said()
    await office.keys(call, "2")
    assert await office.hears(call, 700)


@pytest.mark.row("VM-14")
async def test_somebody_outside_is_called_back_as_the_rules_want_it_dialled(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    inbound = [{"did": "+33140000001", "target": "voicemail:100"}]
    office = await open_office(make_office, tmp_path, **tables(LINES, inbound_rules=inbound))
    gateway = await lines(office.office)
    incoming = gateway.call_in("0140000001", caller="0612345678", name="Durand")
    await incoming.answered()
    await asyncio.sleep(2)
    incoming.play_tone(700)
    await asyncio.sleep(2)
    incoming.hang_up()
    await asyncio.sleep(1)
    [message] = await office.messages()
    assert (message.caller_number, message.caller_name) == (MOBILE, "Durand")
    call = await office.sign_in()
    await office.keys(call, "*4")
    back = await gateway.incoming()
    back.answer()
    await asyncio.sleep(0.5)
    await assert_talk(tmp_path, call, back)
    [out] = office.office.told_of(CallWentOut)
    assert out.number == MOBILE


@pytest.mark.row("VM-21")
async def test_a_caller_without_a_number_cannot_be_called_back(office: Voicemails) -> None:
    await office.leave("101")
    [message] = await office.messages()
    async with office.mailbox().draft("", "") as draft:
        await draft.copy([office.mailbox().path_of(message)], by="")
    await office.mailbox().delete(message.id)
    call = await office.sign_in()
    await office.keys(call, "*")
    office.said()
    await office.keys(call, "4")
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.no_number", MENU]
    await office.keys(call, "2")
    assert await office.hears(call, 700)


@pytest.mark.row("VM-16", "VM-23")
async def test_a_number_is_dialled_from_the_options(office: Voicemails, tmp_path: Path) -> None:
    adam = await office.phone("107")
    call = await options(office, "3107#")
    assert office.said()[0] == "voicemail.enter_number"
    incoming = await adam.incoming()
    incoming.answer()
    await asyncio.sleep(0.5)
    await assert_talk(tmp_path, call, incoming)


@pytest.mark.row("VM-23")
async def test_a_number_that_leads_nowhere_is_told(office: Voicemails) -> None:
    await options(office, "3555#")
    await asyncio.sleep(1)
    assert "call.not_found" in office.said()


# -- forwarding ------------------------------------------------------------------------------------


@pytest.mark.row("VM-15", "VM-22")
async def test_a_message_is_forwarded_as_it_is(office: Voicemails) -> None:
    await office.leave("101")
    call = await office.sign_in()
    await office.keys(call, "*")
    office.said()
    await office.keys(call, "5102#")
    await office.keys(call, "#")
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.enter_receiver", "voicemail.add_comment", "voicemail.forwarded", MENU]
    [original], [copy] = await office.messages("100"), await office.messages("102")
    assert (copy.caller_number, copy.caller_name, copy.forwarded_by) == ("101", "Richardson Bailey", "100")
    assert (copy.heard, copy.seconds) == (False, original.seconds)
    sounds = [office.mailbox(box).path_of(one) for box, one in (("100", original), ("102", copy))]
    assert sounds[0].read_bytes() == sounds[1].read_bytes()
    office.said()
    other = await office.sign_in("102")
    await office.keys(other, "*")
    await asyncio.sleep(0.4)
    assert office.said()[-5:-1] == ["voicemail.forwarded_by", "number.1", "number.0", "number.0"]


@pytest.mark.row("VM-15")
async def test_a_comment_comes_before_the_message(office: Voicemails) -> None:
    await office.leave("101", hertz=700)
    call = await office.sign_in()
    await office.keys(call, "*")
    await office.keys(call, "5102#")
    await office.keys(call, "*")
    await asyncio.sleep(0.5)
    call.play_tone(1100)
    await asyncio.sleep(2)
    call.quiet()
    await office.keys(call, "#")
    await asyncio.sleep(0.5)
    [original], [copy] = await office.messages("100"), await office.messages("102")
    sound = read_samples(office.mailbox("102").path_of(copy))
    comment = len(sound) - round(original.seconds * 8000)
    assert comment > 8000
    assert (level(sound[:comment], 1100) > 1000, level(sound[:comment], 700) > 1000) == (True, False)
    assert (level(sound[comment:], 1100) > 1000, level(sound[comment:], 700) > 1000) == (False, True)


@pytest.mark.row("VM-22")
@pytest.mark.parametrize(("keys", "said"), [("5555#", "entry.wrong"), ("5#", "entry.cancelled")])
async def test_to_nobody_nothing_is_forwarded(office: Voicemails, keys: str, said: str) -> None:
    await office.leave("101")
    call = await office.sign_in()
    await office.keys(call, "*")
    office.said()
    await office.keys(call, keys)
    await asyncio.sleep(0.5)
    assert office.said() == ["voicemail.enter_receiver", said, MENU]
    assert office.counts() == Counts(0, 1)
    assert len(await office.messages()) == 1


async def test_what_the_other_mailbox_does_not_take_is_told(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"max_messages": 1})
    await office.leave("101", "100")
    await office.leave("101", "102")
    await office.set_up("103", enabled=False)
    call = await office.sign_in()
    await office.keys(call, "*")
    office.said()
    await office.keys(call, "5102#")
    await office.keys(call, "#")
    await asyncio.sleep(0.5)
    assert office.said()[2:] == ["voicemail.full", "voicemail.not_forwarded", MENU]
    await office.keys(call, "5103#")
    await asyncio.sleep(0.5)
    assert office.said()[1:] == ["voicemail.not_forwarded", MENU]
    assert [len(await office.messages(box)) for box in ("100", "102", "103")] == [1, 1, 0]


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.row("VM-16", "VM-29")
async def test_nine_leads_to_the_options_and_says_them_again(office: Voicemails) -> None:
    await office.leave()
    call = await office.sign_in()
    office.said()
    await office.keys(call, "*9")
    await office.keys(call, "9")
    assert office.said()[-2:] == [OPTIONS, OPTIONS]
    await office.keys(call, "1")
    assert office.said()[0] == "entry.wrong"


@pytest.mark.row("VM-24")
async def test_those_that_were_heard_are_deleted_when_that_is_confirmed(office: Voicemails) -> None:
    for caller in ("101", "102", "103"):
        await office.leave(caller)
    for message in (await office.messages())[:2]:
        await office.mailbox().mark(message.id)
    call = await options(office, "4")
    await office.keys(call, "#")
    assert "entry.cancelled" in office.said()
    assert len(await office.messages()) == 3
    await office.keys(call, "4")
    await asyncio.sleep(1)
    said = office.said()
    assert said[:4] == ["voicemail.will_be_deleted", "number.2", "voicemail.old.plural", "voicemail.messages"]
    assert said[4] == "voicemail.confirm"
    await office.keys(call, "*")
    assert office.said()[0] == "voicemail.all_deleted"
    assert [message.caller_number for message in await office.messages()] == ["103"]
    await office.keys(call, "4")
    assert office.said()[0] == "voicemail.nothing_to_delete"


@pytest.mark.row("VM-24")
async def test_all_messages_may_mean_all(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path, voicemail={"delete_all": "all"})
    await office.leave("101")
    await options(office, "4*")
    await asyncio.sleep(0.5)
    assert await office.messages() == ()


@pytest.mark.row("VM-25")
async def test_the_name_is_recorded_and_greets_callers(office: Voicemails) -> None:
    call = await options(office, "5")
    await asyncio.sleep(0.5)
    call.play_tone(1234)
    await asyncio.sleep(1)
    await office.keys(call, "#")
    await asyncio.sleep(0.3)
    assert "voicemail.name_kept" in office.said()
    call.hang_up()
    caller = await (await office.phone("101")).call("*4100")
    assert await office.hears(caller, 1234, seconds=1.5)
    name = await office.mailbox().name()
    assert office.said()[:2] == [name, "voicemail.not_available"]


async def test_who_says_no_name_keeps_the_old_one(office: Voicemails) -> None:
    call = await options(office, "5")
    await asyncio.sleep(0.5)
    await office.keys(call, "#")
    await asyncio.sleep(0.3)
    assert "voicemail.nothing_recorded" in office.said()
    assert await office.mailbox().name() is None


@pytest.mark.row("VM-28")
async def test_a_greeting_is_recorded_heard_and_kept(office: Voicemails) -> None:
    call = await options(office, "8")
    await asyncio.sleep(0.5)
    call.play_tone(1234)
    await asyncio.sleep(2)
    call.quiet()
    await office.keys(call, "#")
    assert await office.hears(call, 1234)
    await asyncio.sleep(3)
    await office.keys(call, "*")
    assert office.said()[-2:] == ["voicemail.greeting_kept", OPTIONS]
    caller = await (await office.phone("101")).call("*4100")
    assert await office.hears(caller, 1234, seconds=1.5)
    await office.keys(call, "8")
    await asyncio.sleep(0.5)
    call.play_tone(1400)
    await asyncio.sleep(1)
    await office.keys(call, "##")
    assert "voicemail.greeting_unchanged" in office.said()
    await office.keys(call, "8")
    await asyncio.sleep(0.5)
    call.play_tone(1400)
    await asyncio.sleep(1)
    await office.keys(call, "#0")
    assert "voicemail.greeting_standard" in office.said()
    assert await office.mailbox().greeting() is None


@pytest.mark.row("VM-26")
async def test_information_tells_of_the_mailbox(office: Voicemails) -> None:
    await office.leave()
    await office.set_up("100", email="lee@example.org", mail="notification")
    await options(office, "6")
    await asyncio.sleep(6)
    said = office.said()
    for token in ("voicemail.mailbox_of", "voicemail.you_have", "voicemail.room_for", "number.90"):
        assert token in said
    assert [
        token for token in said if token in ("voicemail.greeting_standard", "voicemail.greeting_own")
    ] == ["voicemail.greeting_standard"]
    assert {"voicemail.sent_by_mail", "voicemail.pin_is_default"} <= set(said)


@pytest.mark.row("VM-27", "AST-03", "MYP-11")
async def test_the_pin_is_changed_and_works_at_once(office: Voicemails) -> None:
    call = await options(office, "7")
    await office.keys(call, "4711#")
    await office.keys(call, "4711#")
    assert "voicemail.pin_changed" in office.said()
    call.hang_up()
    wrong = await office.sign_in("101", number="100", pin="100")
    assert "voicemail.wrong_sign_in" in office.said()
    wrong.hang_up()
    await office.sign_in("101", number="100", pin="4711")
    assert "voicemail.no_messages" in office.said()
    assert not await office.office.switch.voicemail.sign_in.pin_is_default("100")


@pytest.mark.row("VM-27")
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("4711#", "4712#", "voicemail.pins_differ"),
        ("123#", "123#", "voicemail.pin_not_allowed"),
        ("12345678901", "12345678901", "voicemail.pin_not_allowed"),
        ("12*4#", "12*4#", "voicemail.pin_not_allowed"),
        ("#", "", "entry.cancelled"),
    ],
)
async def test_a_pin_that_is_no_good_changes_nothing(
    office: Voicemails, first: str, second: str, said: str
) -> None:
    call = await options(office, "7")
    await office.keys(call, first)
    if second:
        await office.keys(call, second)
    assert said in office.said()
    assert await office.office.switch.voicemail.sign_in.pin_is_default("100")


# -- from outside ----------------------------------------------------------------------------------


async def test_from_outside_the_number_is_no_pin(make_office: Callable[..., Office], tmp_path: Path) -> None:
    inbound = [{"did": "+33140000001", "target": "999"}]
    office = await open_office(make_office, tmp_path, **tables(LINES, inbound_rules=inbound))
    await office.leave("101")
    gateway = await lines(office.office)

    async def sign_in(pin: str) -> list[str | Path]:
        call = gateway.call_in("0140000001", caller="0612345678")
        await call.answered()
        await office.keys(call, "100#")
        office.said()
        await office.keys(call, f"{pin}#")
        said = office.said()
        call.hang_up()
        await asyncio.sleep(0.5)
        return said

    assert "voicemail.wrong_sign_in" in await sign_in("100")
    await office.set_pin("100", "4711")
    assert "voicemail.you_have" in await sign_in("4711")


async def test_who_comes_from_outside_has_no_number_of_his_own(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    inbound = [{"did": "+33140000001", "target": "999"}]
    office = await open_office(make_office, tmp_path, **tables(LINES, inbound_rules=inbound))
    gateway = await lines(office.office)
    call = gateway.call_in("0140000001", caller="100")
    await call.answered()
    await office.keys(call, "#100#")
    assert office.said() == ["voicemail.enter_mailbox", "voicemail.enter_mailbox", "voicemail.enter_pin"]


@pytest.mark.row("EML-07")
async def test_mail_to_nobody_cannot_be_switched_on(office: Voicemails) -> None:
    with pytest.raises(MailboxError, match="no address"):
        await office.mailbox().set_up(MailboxSettings(mail="attachment"))
    assert await office.mailbox().settings() == MailboxSettings()
    await office.mailbox().set_up(MailboxSettings("lee@example.org", mail="attachment"))
    assert (await office.mailbox().settings()).mailed
