"""Extensions, groups, trunks and rules that change while people phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pbx.config import ConfigError
from pbx.happenings import (
    ExtensionAdded,
    ExtensionChanged,
    ExtensionRemoved,
    ExtensionUnregistered,
    PresenceChanged,
    TablesChanged,
)
from pbx.live_data import Report, revise
from pbx.phone import CallFailed, RegistrationFailed
from pbx.plugin import Call, Feature
from pbx.rights import Role
from pbx.store import forwarding, live
from pbx.store.errors import Conflict, StoreUnavailable
from pbx.store.store import Store
from tests.journeys.talking import connect, couple
from tests.journeys.test_lamps import dark
from tests.journeys.test_messages import send_message, texts
from tests.journeys.test_trunks import LINES, lines, tables
from tests.simulation.office import Office, password

MakeOffice = Callable[..., Office]
Change = Callable[[dict[str, Any]], None]

JONES: dict[str, Any] = {
    "number": "106",
    "password": password("106"),
    "first_name": "Jones",
    "last_name": "Gray",
    "sip_id": "jones",
}


def added(extension: dict[str, Any] = JONES) -> Change:
    return lambda tables: tables["extensions"].append(dict(extension))


def removed(number: str) -> Change:
    def change(tables: dict[str, Any]) -> None:
        tables["extensions"] = [each for each in tables["extensions"] if each["number"] != number]
        for group in tables.get("groups", []):
            group["extensions"] = [member for member in group["extensions"] if member != number]

    return change


def changed(number: str, **values: Any) -> Change:
    def change(tables: dict[str, Any]) -> None:
        [extension] = [each for each in tables["extensions"] if each["number"] == number]
        extension |= values
        if "password" in values:
            del extension["ha1"]

    return change


def listed(office: Office) -> dict[str, str]:
    """Everybody on the list that people see, by number."""
    return {row.number: row.name for section in office.switch.board.sections() for row in section.rows}


@pytest.mark.row("PRES-11")
async def test_an_extension_that_is_added_registers_and_is_called(office: Office) -> None:
    lee = await office.phone("100")
    with pytest.raises(RegistrationFailed):
        await office.phone("106")
    with pytest.raises(CallFailed):
        await lee.call("106")
    assert await office.switch.live_changes.revise(added()) == Report(added=("106",))
    assert listed(office)["106"] == "Jones Gray"
    [told] = office.told_of(ExtensionAdded)
    assert (told.extension, told.name) == ("106", "Jones Gray")
    jones = office.phones[-1]
    await jones.register()
    for address in ("106", "jones"):
        call, _ = await connect(lee, address, jones)
        call.hang_up()
        await call.over()


@pytest.mark.row("PRES-11")
async def test_an_extension_that_is_renamed_is_listed_so_and_shown_so(office: Office) -> None:
    lee, richardson = await couple(office)
    await office.switch.live_changes.revise(changed("100", first_name="Leigh"))
    assert listed(office)["100"] == "Leigh Parker"
    assert [(told.extension, told.name) for told in office.told_of(ExtensionChanged)] == [
        ("100", "Leigh Parker")
    ]
    _, incoming = await connect(lee, "101", richardson)
    assert incoming.leg.session is not None
    assert incoming.leg.session.request.from_.display_name == "Leigh Parker"
    assert office.told_of(ExtensionUnregistered) == []


@pytest.mark.row("PRES-11")
async def test_an_extension_that_is_removed_leaves_nothing(office: Office) -> None:
    """Its calls end, established and ringing alike; phones, lamps and messages go with it."""
    lee, richardson = await couple(office)
    taylor, second = await office.phone("102"), await office.phone("101")
    lamp, own = taylor.lamp("101"), richardson.lamp("100")
    await dark(lamp)
    await dark(own)
    outgoing, incoming = await connect(lee, "101", richardson)
    ringing = richardson.dial("102")
    await taylor.incoming()
    assert (await send_message(taylor, "103", "Wait for me")).status == 202
    assert (await send_message(richardson, "103", "From one who is leaving")).status == 202
    assert await office.switch.live_changes.revise(removed("101")) == Report(removed=("101",))
    await asyncio.gather(outgoing.over(), incoming.over(), ringing.over())
    assert [(await watch.ended).reason for watch in (lamp, own)] == ["noresource", "rejected"]
    assert "101" not in listed(office)
    assert [told.extension for told in office.told_of(ExtensionRemoved)] == ["101"]
    assert [told.reason.value for told in office.told_of(ExtensionUnregistered)] == ["removed"] * 2
    assert not [
        told for told in office.told_of(PresenceChanged) if told.at > office.told_of(ExtensionRemoved)[0].at
    ]
    for phone in (richardson, second):
        with pytest.raises(RegistrationFailed):
            await phone.register()
    with pytest.raises(CallFailed) as failure:
        await lee.call("101")
    assert failure.value.status == 404
    miller = await office.phone("103")
    await asyncio.sleep(1)
    assert texts(miller) == ["Wait for me"]
    await office.settle()


async def test_a_number_that_is_given_again_inherits_nothing(office: Office) -> None:
    lee = await office.phone("100")
    office.switch.presence.say("101", office.switch.presence.of("100").status, "On leave")
    assert (await send_message(lee, "101", "For Richardson")).status == 202
    await office.switch.live_changes.revise(removed("101"))
    await office.switch.live_changes.revise(added(JONES | {"number": "101", "password": password("101")}))
    jones = await office.phone("101")
    await asyncio.sleep(1)
    assert texts(jones) == []
    assert office.switch.presence.of("101").note == ""


async def test_another_password_shuts_the_old_one_out(office: Office) -> None:
    lee, richardson = await couple(office)
    lamp = richardson.lamp("100")
    await dark(lamp)
    outgoing, _ = await connect(lee, "101", richardson)
    await office.switch.live_changes.revise(changed("101", password="another one"))
    assert not office.switch.registered("101")
    assert (await lamp.ended).reason == "deactivated"
    with pytest.raises(RegistrationFailed):
        await richardson.register()
    assert outgoing.leg.state.name != "ENDED"  # calls go on
    outgoing.hang_up()


@pytest.mark.row("ADM-03", "ADM-04", "ADM-05")
async def test_groups_change(office: Office) -> None:
    def change(tables: dict[str, Any]) -> None:
        tables["groups"] = [{"name": "Sales", "extensions": ["101", "102"], "heads": ["101"]}]

    assert await office.switch.live_changes.revise(change) == Report(tables=("groups",))
    assert [section.group for section in office.switch.board.sections()] == ["Sales", ""]
    assert office.switch.board._rights["101"].role is Role.HEAD
    assert [told.tables for told in office.told_of(TablesChanged)] == [("groups",)]


@pytest.mark.row("ADM-09", "ADM-10")
async def test_trunks_and_rules_change(make_office: MakeOffice) -> None:
    office = make_office(dialing={"country": "FR"})
    await office.open()
    lee = await office.phone("100")
    gateway = await lines(office)
    with pytest.raises(CallFailed):
        await lee.call("0612345678")
    wanted = tables(LINES)
    await office.switch.live_changes.revise(
        lambda live: live.update(
            {name: wanted[name] for name in ("trunks", "outbound_rules", "inbound_rules")}
        )
    )
    assert [port.name for port in office.switch.trunks.ports()] == ["lines"]
    await asyncio.sleep(1)
    outgoing, _ = await connect(lee, "00612345678", gateway)
    await office.switch.live_changes.revise(
        lambda live: live.update(trunks=[], outbound_rules=[], inbound_rules=[])
    )
    assert office.switch.trunks.ports() == []
    await asyncio.sleep(10)
    assert outgoing.leg.state.name == "ANSWERED"  # a call goes on, though its trunk takes no more
    outgoing.hang_up()
    with pytest.raises(CallFailed):
        await lee.call("00612345678")
    await office.settle()


async def test_a_change_that_cannot_be_changes_nothing(make_office: MakeOffice) -> None:
    feature = Feature("codes")

    @feature.dial("106", summary="Taken")
    async def code(call: Call) -> None:
        await call.answer()

    office = make_office(features=[feature])
    await office.open()
    with pytest.raises(ConfigError, match="106"):
        await office.switch.live_changes.revise(added())
    with pytest.raises(ConfigError, match=r"extensions\[7\]\.number"):
        await office.switch.live_changes.revise(added(JONES | {"number": "100"}))
    assert len(office.switch.directory) == 7
    assert office.told_of(ExtensionAdded) == []


async def test_of_two_who_change_the_same_the_second_is_told(office: Office) -> None:
    first = changed("101", first_name="Dick")
    both = await asyncio.gather(
        office.switch.live_changes.revise(first, versions={"101": 1}),
        office.switch.live_changes.revise(changed("101", first_name="Rick"), versions={"101": 1}),
        return_exceptions=True,
    )
    assert both[0] == Report(changed=("101",))
    assert isinstance(both[1], Conflict)
    assert listed(office)["101"] == "Dick Bailey"


async def test_what_another_process_changes_is_noticed(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    lee = await office.phone("100")
    other = Store.open(tmp_path / "myphone.db")
    other.begin(partial(revise, office.config, added()))
    other.begin(partial(revise, office.config, removed("107")))
    await other.close()
    await asyncio.sleep(1.5)
    assert listed(office)["106"] == "Jones Gray"
    assert "107" not in listed(office)
    jones = await office.phone("106")
    await connect(lee, "106", jones)
    await office.restart()
    assert "106" in listed(office)


@pytest.mark.parametrize("query", [live.removed, forwarding.all_rows])
async def test_a_change_is_followed_when_the_database_is_back(
    make_office: MakeOffice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    query: Any,
) -> None:
    """It goes away between the question whether something has changed, and what."""
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    store = office.switch.store
    fetch = store.fetch

    async def goes_away(asked: Any) -> Any:
        if asked is query:
            raise StoreUnavailable("the database does not answer")
        return await fetch(asked)

    with monkeypatch.context() as away:
        away.setattr(store, "fetch", goes_away)
        other = Store.open(tmp_path / "myphone.db")
        other.begin(partial(revise, office.config, added()))
        await other.close()
        await asyncio.sleep(3)
        assert "106" not in listed(office)
        await office.switch.live_changes.revise(removed("107"))  # is kept, so nobody is told that it is not
        assert "in force a little later: the database does not answer" in caplog.text
    await asyncio.sleep(1.5)
    assert listed(office)["106"] == "Jones Gray"
    assert "107" not in listed(office)


async def test_phones_and_admins_at_once(make_office: MakeOffice, tmp_path: Path) -> None:
    """An extension comes and goes while it is called: no call, leg or registration is left over."""
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    lee = await office.phone("100")
    for step in range(12):
        await office.switch.live_changes.revise(added())
        jones = office.phones[-1] if step else await office.phone("106", register=False)
        await jones.register()
        call = lee.dial("106")
        await asyncio.sleep(0.002 * step)
        await office.switch.live_changes.revise(removed("106"))
        await call.over()
    await office.settle()
    assert [len(office.told_of(kind)) for kind in (ExtensionAdded, ExtensionRemoved)] == [12, 12]
