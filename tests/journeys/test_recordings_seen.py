"""Recordings on the server: each user is shown those that their role lets them see, and nobody finds anything else."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.recording_files import Recording
from tests.interop.tones import read_samples
from tests.journeys.talking import connect
from tests.journeys.test_numbers_given_again import in_another_process, in_this_process, while_it_is_stopped
from tests.simulation.office import EPOCH, Office

MakeOffice = Callable[..., Office]
VIEWERS = ("100", "101", "102", "103", "104", "105", "555", "", "..", "10*")


@pytest.fixture
def office(make_office: MakeOffice, tmp_path: Path) -> Office:
    """103 manages the company; 104 leads the group of 101; all calls of 101 and 102 are recorded."""
    office = make_office(
        extensions={
            "101": {"record_calls": "all"},
            "102": {"record_calls": "all"},
            "103": {"manager": True},
        },
        groups=[{"name": "Secretary", "extensions": ["101", "105"], "heads": ["104"]}],
        store={"data_dir": tmp_path / "data"},
        database=tmp_path / "myphone.db",
    )
    office.simulation.run(office.open())
    return office


async def recorded(office: Office, number: str) -> None:
    """A call from 100 that is recorded for its callee."""
    lee, callee = await office.phone("100"), await office.phone(number)
    outgoing, _ = await connect(lee, number, callee)
    await asyncio.sleep(2)
    outgoing.hang_up()
    await office.settle()


async def seen(office: Office) -> dict[str, list[str]]:
    """Whose recordings each viewer is shown."""
    lists = {viewer: await office.switch.recordings.listed(viewer) for viewer in VIEWERS}
    return {viewer: [each.extension for each in found] for viewer, found in lists.items() if found}


@pytest.mark.row("ADM-19")
async def test_recordings_are_seen_by_who_made_them_leads_or_manages(office: Office) -> None:
    await recorded(office, "101")
    await recorded(office, "102")
    assert await seen(office) == {"101": ["101"], "102": ["102"], "103": ["102", "101"], "104": ["101"]}
    [recording] = await office.switch.recordings.listed("104")
    assert (recording.party, recording.at >= EPOCH.replace(microsecond=0)) == ("100", True)
    may: dict[str, list[Path | None]] = {
        viewer: [await office.switch.recordings.find(viewer, "101", recording.name)] for viewer in VIEWERS
    }
    path = office.config.store.data_dir / "recordings" / "101" / recording.name
    allowed = ("101", "103", "104")
    assert may == {viewer: [path if viewer in allowed else None] for viewer in VIEWERS}
    assert len(read_samples(path)) > 0
    assert recording.size == path.stat().st_size


@pytest.mark.row("ADM-19")
async def test_no_name_leads_out_of_the_recordings(office: Office, tmp_path: Path) -> None:
    await recorded(office, "101")
    [recording] = await office.switch.recordings.listed("101")
    folder = office.config.store.data_dir / "recordings"
    own, outside = folder / "101", tmp_path / recording.name
    outside.write_bytes(b"secret")
    linked = "20090921-080000-100-abcdefgh.wav"
    (own / linked).symlink_to(outside)
    (own / "20090921-080000-100-folder.wav").mkdir()
    (own / "20099999-080000-100-abcdefgh.wav").write_bytes(b"no time")
    (own / ".20090921-080000-100-abcdefgh.wav.part").write_bytes(b"not whole")
    (folder / "105").symlink_to(own)
    assert await office.switch.recordings.listed("103") == (recording,)
    find = office.switch.recordings.find
    assert await find("103", "101", recording.name) == own / recording.name
    names = [
        linked,
        str(outside),
        f"../../../{recording.name}",
        f"../101/{recording.name}",
        f"./{recording.name}",
        f"{recording.name}\0",
        f"{recording.name}\n",
        "..",
        ".",
        "",
        "*.wav",
        "x" * 5000,
    ]
    assert [name for name in names if await find("103", "101", name) is not None] == []
    numbers = ["..", ".", "", "101/../101", str(own), "105", "100", "101\0"]
    assert [number for number in numbers if await find("103", number, recording.name) is not None] == []


@pytest.mark.row("ADM-19")
async def test_recordings_are_for_the_eyes_of_the_server_alone(office: Office) -> None:
    """Whatever the mask of the process, and whoever made the folder before."""
    folder = office.config.store.data_dir / "recordings"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    mask = os.umask(0)
    try:
        await recorded(office, "101")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "101")] == [0o700, 0o700]
    assert len(await office.switch.recordings.listed("101")) == 1


@pytest.mark.row("ADM-19")
@pytest.mark.parametrize("given", [in_this_process, in_another_process, while_it_is_stopped])
async def test_the_new_owner_of_a_number_hears_nothing_of_the_old_one(
    office: Office, given: Callable[[Office], object]
) -> None:
    await recorded(office, "101")
    [recording] = await office.switch.recordings.listed("101")
    await given(office)  # type: ignore[misc]
    none: tuple[Recording, ...] = ()
    assert await office.switch.recordings.listed("101") == none
    assert await office.switch.recordings.listed("103") == none
    assert await office.switch.recordings.find("101", "101", recording.name) is None
    folder = office.config.store.data_dir / "recordings"
    assert [path.name for path in folder.rglob("*.wav")] == [recording.name]
