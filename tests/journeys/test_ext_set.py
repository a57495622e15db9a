"""What `myphone ext set` sets beside a running system is in force a moment later, while calls go on."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from myphone_api.cli import main
from pbx.history.record import CallList
from tests.journeys.talking import connect
from tests.journeys.test_history import lists_of
from tests.journeys.voicemails import Voicemails, open_office
from tests.simulation.office import Office

MakeOffice = Callable[..., Office]
GROUPS = [{"name": "Management", "extensions": ["107"]}]


async def begun(make_office: MakeOffice, folder: Path) -> Voicemails:
    (folder / "data").mkdir()
    return await open_office(make_office, folder, database=folder / "data" / "myphone.db", groups=GROUPS)


async def set_(voicemails: Voicemails, number: str, *options: str) -> None:
    """Run the command on the store of the office, and wait until that has looked."""
    file = voicemails.folder / "myphone.toml"
    file.write_text('[sip]\nlisten = "127.0.0.1"\n')
    assert main(["ext", "set", number, *options, "--config", str(file)]) == 0
    await asyncio.sleep(2)


@pytest.mark.row("FWD-03", "MYP-29")
async def test_a_form_and_a_black_list_are_followed(make_office: MakeOffice, tmp_path: Path) -> None:
    voicemails = await begun(make_office, tmp_path)
    office = voicemails.office
    lee, richardson, taylor, miller = [await office.phone(number) for number in ("100", "101", "102", "103")]
    talking, _ = await connect(lee, "101", richardson)
    await set_(voicemails, "101", "--simple-busy", "102", "--black-list", "103")
    diverted = (await office.phone("104")).dial("101")
    await taylor.incoming()
    diverted.hang_up()
    assert await miller.dial("101").over() == 603
    await set_(voicemails, "101", "--simple-busy", "busy", "--black-list")
    assert await miller.dial("101").over() == 486
    talking.hang_up()
    await office.settle()
    assert (await lists_of(office, "102"))[CallList.MISSED] == ["104"]


@pytest.mark.row("ADM-03", "ADM-04")
async def test_groups_mailbox_and_greeting_are_followed(make_office: MakeOffice, tmp_path: Path) -> None:
    voicemails = await begun(make_office, tmp_path)
    office = voicemails.office
    greeting = tmp_path / "greeting.wav"
    with wave.open(str(greeting), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    assert not office.switch.board.rights_of("100").sees - {"100"}
    await set_(voicemails, "100", "--groups", "Management", "--heads", "Management")
    await set_(voicemails, "100", "--voicemail-greeting", str(greeting))
    assert office.switch.board.rights_of("100").sees == {"100", "107"}
    voicemails.said()
    await voicemails.leave("101", "100")
    assert voicemails.said()[0] == tmp_path / "data" / "voicemail" / "100" / "greeting.wav"
    await set_(voicemails, "100", "--no-voicemail-enabled", "--voicemail-greeting", "")
    await (await voicemails.phone("102")).dial("*4100").over()
    assert len(await voicemails.messages("100")) == 1
