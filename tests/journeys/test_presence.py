"""What is shown of an extension: one truth for lists, documents, lamps and happenings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pbx.happenings import PresenceChanged
from pbx.phone import Phone
from pbx.phone_watch import publish
from pbx.presence import DisplayState, LineState, UserStatus
from sipcore.events.presence import Activity, PresenceFacts, print_presence, read_presence
from sipcore.events.registration_info import read_registration
from sipcore.syntax.message import Response
from sipcore.transport.flow import Transport
from tests.journeys.talking import couple
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]
AWAY = print_presence("sip:101@10.0.0.1", PresenceFacts(True, (Activity.AWAY,), "At lunch")).full.head
HERE = print_presence("sip:101@10.0.0.1", PresenceFacts(True)).full.head


def shown(office: Office, number: str) -> tuple[str, str]:
    """Machine name and colour."""
    display = office.switch.presence.of(number).display
    return display.value, display.colour


def pushed(office: Office, number: str) -> list[str]:
    """The states that listeners were told of, in order."""
    return [told.state for told in office.told_of(PresenceChanged) if told.extension == number]


def tag(response: Response) -> tuple[str, str]:
    assert response.status == 200
    return "SIP-If-Match", response.get("SIP-ETag") or ""


# -- the six states --------------------------------------------------------------------------------


async def test_who_begins_to_listen_is_told_all_that_changes_from_then_on(office: Office) -> None:
    office.stop_listening()
    lee, richardson = await couple(office)
    call = lee.dial("101")
    await richardson.incoming()
    await asyncio.sleep(0.01)
    assert "101" not in office.switch.legs.followed, "nothing is done for nobody"
    told: list[PresenceChanged] = []
    office.switch.happenings.subscribe(PresenceChanged, told.append)
    call.hang_up()
    await asyncio.sleep(1)
    assert {(each.extension, each.state) for each in told} == {("100", "available"), ("101", "available")}


@pytest.mark.row("PRES-01", "PRES-02", "PRES-04", "PRES-06", "PRES-07", "PRES-08", "PRES-10", "CORE-08")
async def test_the_states_of_a_call_are_shown_and_pushed_as_they_come(office: Office) -> None:
    assert shown(office, "101") == ("not_registered", "grey")
    lee, richardson = await couple(office)
    assert shown(office, "101") == ("available", "green")
    call = lee.dial("101")
    incoming = await richardson.incoming()
    await asyncio.sleep(0.01)
    assert shown(office, "101") == ("ringing", "yellow")
    assert shown(office, "100") == ("internal_call", "pale blue")
    incoming.answer()
    await call.answered()
    assert shown(office, "101") == ("internal_call", "pale blue")
    call.hang_up()
    await asyncio.sleep(0.01)
    await richardson.unregister()
    assert shown(office, "101") == ("not_registered", "grey")
    await asyncio.sleep(0.01)
    assert pushed(office, "101") == ["available", "ringing", "internal_call", "available", "not_registered"]
    assert pushed(office, "100") == ["available", "internal_call", "available"]
    colours = {told.state: told.colour for told in office.told_of(PresenceChanged)}
    assert colours == {state.value: state.colour for state in DisplayState if state.value in colours}


@pytest.mark.row("PRES-03")
async def test_a_user_is_away_until_said_otherwise(office: Office) -> None:
    await office.phone("101")
    office.switch.presence.say("101", UserStatus.AWAY, "At lunch")
    assert shown(office, "101") == ("away", "red")
    await asyncio.sleep(0.01)
    assert office.told_of(PresenceChanged)[-1].note == "At lunch"
    office.switch.presence.say("101", UserStatus.AVAILABLE)
    assert shown(office, "101") == ("available", "green")
    await asyncio.sleep(0.01)
    assert pushed(office, "101") == ["available", "away", "available"]


@pytest.mark.row("PRES-09")
async def test_a_call_is_shown_before_what_the_user_says_and_both_facts_are_given(office: Office) -> None:
    lee, richardson = await couple(office)
    lee.dial("101")
    await richardson.incoming()
    office.switch.presence.say("101", UserStatus.AWAY)
    await asyncio.sleep(0.01)
    state = office.switch.presence.of("101")
    assert (state.display, state.status, state.line) == (
        DisplayState.RINGING,
        UserStatus.AWAY,
        LineState.RINGING,
    )
    told = office.told_of(PresenceChanged)[-1]
    assert (told.state, told.status, told.line) == ("ringing", "away", "ringing")


@pytest.mark.row("PRES-07")
async def test_a_registration_that_expires_or_breaks_is_pushed(office: Office) -> None:
    first = await office.phone("101", register=False)
    await first.register(60)
    await first.stop()
    second = await office.phone("102", transport=Transport.TCP)
    await second.stop()
    await asyncio.sleep(61)
    assert pushed(office, "101") == ["available", "not_registered"]
    assert pushed(office, "102") == ["available", "not_registered"]


# -- presence documents ----------------------------------------------------------------------------


@pytest.mark.row("PRES-17")
async def test_a_presence_document_says_the_same(office: Office) -> None:
    lee, richardson = await couple(office)
    richardson.auto_answer = True
    watch = (await office.phone("102")).watch("101", "presence")
    assert read_presence(await watch.told()) == PresenceFacts(True)
    call = await lee.call("101")
    await asyncio.sleep(0.05)
    assert read_presence(watch.body) == PresenceFacts(True, (Activity.ON_THE_PHONE,))
    call.hang_up()
    await asyncio.sleep(0.05)
    assert read_presence(watch.body) == PresenceFacts(True)
    await richardson.unregister()
    await asyncio.sleep(0.05)
    assert read_presence(watch.body) == PresenceFacts(False)


@pytest.mark.row("PRES-03")
async def test_a_phone_publishes_that_its_user_is_away_until_that_expires(office: Office) -> None:
    phone = await office.phone("101")
    watch = (await office.phone("102")).watch("101", "presence")
    first = await publish(phone, AWAY, ("Expires", "100"))
    assert (first.status, 90 <= (first.expires or 0) <= 100) == (200, True)
    assert shown(office, "101") == ("away", "red")
    await asyncio.sleep(0.05)
    assert read_presence(watch.body) == PresenceFacts(True, (Activity.AWAY,), "At lunch")
    await asyncio.sleep(80)
    second = await publish(phone, b"", tag(first), ("Expires", "100"))
    await asyncio.sleep(80)
    assert shown(office, "101") == ("away", "red")
    await publish(phone, HERE, tag(second), ("Expires", "100"))
    assert shown(office, "101") == ("available", "green")
    office.switch.presence.say("101", UserStatus.AWAY)
    assert shown(office, "101") == ("available", "green"), "the phone knows better"
    await asyncio.sleep(101)
    assert shown(office, "101") == ("away", "red"), "the phone says nothing any more"
    assert len(office.switch.events.publications) == 0
    watch.stop()
    await office.settle()


async def test_what_a_phone_publishes_is_taken_back(office: Office) -> None:
    phone = await office.phone("101")
    made = await publish(phone, AWAY)
    await publish(phone, b"", tag(made), ("Expires", "0"))
    assert shown(office, "101") == ("available", "green")
    assert (await publish(phone, b"", tag(made))).status == 412
    await office.settle()


@pytest.mark.parametrize(
    ("body", "kind", "event", "status"),
    [
        (b'<!DOCTYPE p [<!ENTITY a "b">]><p>&a;</p>', "application/pidf+xml", "presence", 400),
        (b"<presence/>", "application/pidf+xml", "presence", 400),
        (AWAY, "text/plain", "presence", 415),
        (AWAY, "application/pidf+xml", "dialog", 489),
    ],
)
async def test_bad_publications_are_refused(
    office: Office, body: bytes, kind: str, event: str, status: int
) -> None:
    phone = await office.phone("101")
    assert (await publish(phone, body, content_type=kind, event=event)).status == status
    assert shown(office, "101") == ("available", "green")
    await office.settle()


# -- strangers -------------------------------------------------------------------------------------


async def as_stranger(office: Office, number: str) -> Phone:
    phone = await office.phone(number, register=False)
    phone.account = type(phone.account)(number, "guessed", phone.account.server)
    return phone


@pytest.mark.row("CORE-23")
async def test_a_stranger_watches_and_publishes_nothing(office: Office) -> None:
    stranger = await as_stranger(office, "101")
    for event in office.switch.events.notifier.events:
        watch = stranger.watch("102", event)
        assert (await watch.ended).status == 401
        await asyncio.sleep(10)
    assert (await publish(stranger, AWAY)).status == 401
    assert not stranger.notified
    await office.settle()


@pytest.mark.parametrize(
    ("number", "event", "status"),
    [
        ("102", "message-summary", 403),
        ("102", "reg", 403),
        ("555", "dialog", 404),
        ("42", "conference", 404),
        ("102", "moods", 489),
    ],
)
async def test_what_is_not_to_be_watched(office: Office, number: str, event: str, status: int) -> None:
    phone = await office.phone("101")
    assert (await phone.watch(number, event).ended).status == status
    await office.settle()


# -- registrations ---------------------------------------------------------------------------------


async def test_a_phone_is_told_where_its_extension_is_registered(office: Office) -> None:
    """RFC 3680."""
    first = await office.phone("101")
    watch = first.watch("101", "reg")
    assert read_registration(await watch.told()) == (0, "sip:101@10.0.0.1", (str(first.contact),))
    second = await office.phone("101")
    await asyncio.sleep(0.05)
    version, _, contacts = read_registration(watch.body)
    assert (version, set(contacts)) == (1, {str(first.contact), str(second.contact)})
    await second.unregister()
    await asyncio.sleep(0.05)
    assert read_registration(watch.body)[2] == (str(first.contact),)
