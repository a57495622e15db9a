"""Recordings and messages go when they are old, and nothing of them is left: no file, no row, no lamp."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from errno import EACCES
from pathlib import Path

import pytest

from media.salvage import salvage
from media.wav import WavWriter
from pbx.recording_files import RecordingFiles
from pbx.store.voicemails import Counts
from tests.journeys.talking import connect
from tests.journeys.test_live_changes import removed
from tests.journeys.voicemails import open_office
from tests.simulation.office import EPOCH, Office

MakeOffice = Callable[..., Office]
Calendar = Callable[[float], Awaitable[None]]
SHORT_DAY_SECONDS = 100.0


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    """Lets days go by on the wall, and a hundred seconds for everybody else; once in each somebody looks."""
    monkeypatch.setattr("pbx.retention.DAY_SECONDS", SHORT_DAY_SECONDS)
    gone = timedelta()

    async def go_by(days: float) -> None:
        nonlocal gone
        gone += timedelta(days=days)
        monkeypatch.setattr("tests.simulation.office.EPOCH", EPOCH + gone)
        await asyncio.sleep(SHORT_DAY_SECONDS)

    return go_by


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.wav"))


async def recorded(office: Office) -> None:
    """A call of 101 that is recorded."""
    known = {phone.account.number: phone for phone in office.phones}
    lee, richardson = [known.get(number) or await office.phone(number) for number in ("100", "101")]
    outgoing, _ = await connect(lee, "101", richardson)
    await asyncio.sleep(2)
    outgoing.hang_up()
    await office.settle()


async def test_recordings_go_after_so_many_days_also_those_of_removed_extensions(
    make_office: MakeOffice, tmp_path: Path, calendar: Calendar
) -> None:
    office = make_office(
        database=tmp_path / "data" / "myphone.db",
        store={"recording_days": 3},
        extensions={"101": {"record_calls": "all"}},
    )
    (tmp_path / "data").mkdir()
    folder = tmp_path / "data" / "recordings"
    await office.open()
    await recorded(office)
    assert len(files(folder)) == 1
    await calendar(2)
    await recorded(office)
    assert len(files(folder)) == 2
    foreign = folder / "101" / "notes.wav"
    foreign.write_bytes(b"not ours")
    await calendar(2)
    [left] = await office.switch.recordings.listed("101")
    assert files(folder) == [left.name, "notes.wav"]
    foreign.unlink()
    await office.switch.live_changes.revise(removed("101"))
    assert [path.name[:12] for path in folder.iterdir()] == ["removed-101-"]
    await calendar(2)
    assert list(folder.iterdir()) == []
    assert [left.at > EPOCH, files(folder)] == [True, []]


async def test_recordings_that_cannot_be_deleted_keep_no_messages(
    make_office: MakeOffice,
    tmp_path: Path,
    calendar: Calendar,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def forget(files: RecordingFiles, before: datetime, most: int) -> int:
        raise PermissionError(EACCES, "Permission denied", str(files.folder))

    monkeypatch.setattr(RecordingFiles, "forget", forget)
    days = {"recording_days": 3, "voicemail_days": 3}
    voicemails = await open_office(make_office, tmp_path, days=days)
    await voicemails.leave("101", "100")
    await calendar(4)
    assert voicemails.counts() == Counts()
    assert "recordings: Permission denied" in caplog.text
    caplog.clear()  # that was an error, as it should be


async def test_for_ever_is_for_ever(make_office: MakeOffice, tmp_path: Path, calendar: Calendar) -> None:
    office = make_office(store={"data_dir": tmp_path / "data"}, extensions={"101": {"record_calls": "all"}})
    await office.open()
    await recorded(office)
    await calendar(4000)
    assert len(await office.switch.recordings.listed("101")) == 1


async def test_messages_go_with_their_files_their_rows_and_their_lamps(
    make_office: MakeOffice, tmp_path: Path, calendar: Calendar
) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "myphone.db"
    voicemails = await open_office(make_office, tmp_path, database=database, days={"voicemail_days": 3})
    await voicemails.leave("101", "100")
    await voicemails.leave("101", "102")
    await calendar(2)
    await voicemails.leave("102", "100")
    assert voicemails.counts() == Counts(new=2)
    await calendar(2)
    assert [message.caller_number for message in await voicemails.messages()] == ["102"]
    assert (voicemails.counts(), voicemails.counts("102")) == (Counts(new=1), Counts())
    assert len(files(tmp_path / "data" / "voicemail")) == 1
    rows = sqlite3.connect(database)
    try:
        assert rows.execute("SELECT mailbox, deleted FROM voicemails").fetchall() == [("100", 0)]
    finally:
        rows.close()


def test_of_many_some_go_at_a_time_and_what_is_none_stays(tmp_path: Path) -> None:
    kept = RecordingFiles(tmp_path)
    own = kept.prepare("101")
    for day in range(10, 20):
        (own / f"200909{day}-080000-100-abcdefgh.wav").touch()
    (own / ".20090901-080000-100-abcdefgh.wav.x.part").touch()
    (own / "20090901-080000-100-folder.wav").mkdir()
    for_longer = tmp_path / "lawsuit" / "20090901-080000-100-abcdefgh.wav"
    for_longer.parent.mkdir()
    for_longer.touch()
    before = EPOCH.replace(day=15)
    assert [kept.forget(before, 3) for _ in range(3)] == [3, 2, 0]
    assert [path.name[:8] for path in sorted(own.glob("2009*.wav")) if path.is_file()] == [
        f"200909{day}" for day in range(15, 20)
    ]
    assert len(list(own.iterdir())) == 7
    assert for_longer.exists()
    assert RecordingFiles(tmp_path / "nowhere").forget(before, 3) == 0


def test_what_a_crash_has_cut_short_is_as_old_as_it_began(tmp_path: Path) -> None:
    """A part that was never finished is made a file that plays, and goes with the others of its time."""
    kept = RecordingFiles(tmp_path / "recordings")
    own = kept.prepare("101")
    part = own / ".20090910-080000-100-abcdefgh.wav.x1y2.part"
    writer = WavWriter(part)
    writer.write(bytes(16000))
    writer.close()
    [whole] = salvage(tmp_path)
    [recording] = kept.listed(["101"])
    assert (recording.name, recording.at.day) == (whole.name, 10)
    assert kept.forget(EPOCH.replace(day=15), 10) == 1
    assert list(own.iterdir()) == []


