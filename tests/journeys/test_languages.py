"""Each user is spoken and written to in a language of their own; all others in that of the system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from pbx.phone import CallFailed
from pbx.voicemail_settings import Mail
from tests.journeys.test_live_changes import changed
from tests.journeys.test_trunks import LINES, lines, tables
from tests.journeys.test_voicemail_from_outside import DID, outside
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]


class Postman:
    """Keeps what is to be sent."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []

    async def send(self, mail: EmailMessage, server: Mail) -> None:
        self.taken.append(mail)


def languages_of(office: Voicemails) -> set[str]:
    """Those that something was said in since this was last asked."""
    heard = set(office.prompter.languages)
    office.prompter.languages.clear()
    return heard


@pytest.mark.row("ADM-18")
@pytest.mark.parametrize(("default", "own"), [("en", "fr"), ("fr", "en")])
async def test_who_has_a_language_hears_it_and_all_others_that_of_the_system(
    make_office: MakeOffice, tmp_path: Path, default: str, own: str
) -> None:
    """It is that of who listens, not that of the mailbox."""
    office = await open_office(
        make_office,
        tmp_path,
        extensions={"100": {"language": own}},
        **outside("voicemail:100"),
    )
    switch = office.office.switch
    switch.config = switch.config.with_tables({"prompts": {"language": default}})
    await office.leave("101", "100")
    assert languages_of(office) == {default}
    await office.leave("100", "101")
    assert languages_of(office) == {own}
    gateway = await lines(office.office)
    call = gateway.call_in(DID, caller="0612345678")
    await call.answered()
    await asyncio.sleep(2)
    call.hang_up()
    await asyncio.sleep(1)
    assert languages_of(office) == {default}


@pytest.mark.row("ADM-18")
async def test_the_language_is_changed_while_the_system_runs(make_office: MakeOffice, tmp_path: Path) -> None:
    office = await open_office(make_office, tmp_path)
    (await office.sign_in("101")).hang_up()
    await asyncio.sleep(1)
    assert languages_of(office) == {"en"}
    report = await office.office.switch.live_changes.revise(changed("101", language="fr"))
    assert report.changed == ("101",)
    (await office.sign_in("101")).hang_up()
    await asyncio.sleep(1)
    assert languages_of(office) == {"fr"}


@pytest.mark.row("ADM-18")
async def test_a_refusal_is_said_in_the_language_of_the_caller(make_office: MakeOffice, tmp_path: Path) -> None:
    off = {"voicemail": {"enabled": False}}
    office = await open_office(make_office, tmp_path, extensions={"100": {"language": "fr"}, "102": off})
    call = (await office.phone("100")).dial("*4102")
    with pytest.raises(CallFailed):
        await call.answered()
    assert len(office.said()) == 1
    assert languages_of(office) == {"fr"}


@pytest.mark.row("ADM-18")
async def test_mails_are_in_the_language_of_who_gets_them(make_office: MakeOffice, tmp_path: Path) -> None:
    postman = Postman()
    people = {
        number: {"email": f"{number}@example.org", "voicemail": {"mail": "notification"}} | more
        for number, more in (("100", {"language": "fr"}), ("102", {}))
    }
    server = {"host": "mail.example.org", "sender": "pbx@example.org"}
    office = await open_office(make_office, tmp_path, mailer=postman, mail=server, extensions=people)
    await office.leave("101", "100")
    await office.leave("101", "102")
    await asyncio.sleep(5)
    assert {mail["To"].addresses[0].username: mail["Subject"] for mail in postman.taken} == {
        "100": "Nouveau message vocal de Richardson Bailey (101)",
        "102": "New voice message from Richardson Bailey (101)",
    }


@pytest.mark.row("ADM-18")
async def test_callers_from_outside_hear_the_language_of_the_number_they_called(
    make_office: MakeOffice, tmp_path: Path
) -> None:
    rules = [
        {"did": "+33140000001", "target": "voicemail:100", "language": "fr"},
        {"did": "+33140000002", "target": "voicemail:100"},
    ]
    office = await open_office(make_office, tmp_path, **tables(LINES, inbound_rules=rules))
    gateway = await lines(office.office)
    for number, language in ((DID, "fr"), ("0140000002", "en")):
        call = gateway.call_in(number, caller="0612345678")
        await call.answered()
        await asyncio.sleep(2)
        call.hang_up()
        await asyncio.sleep(1)
        assert languages_of(office) == {language}
