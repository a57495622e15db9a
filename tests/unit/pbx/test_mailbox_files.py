"""Files of mailboxes: put into their place whole, joined bit for bit, and made to agree with rows after a crash."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest

from media.recorder import Recorder
from media.salvage import salvage
from media.wav import WavWriter
from pbx.mailbox_files import MailboxFiles

ID, OTHER_ID = "00000000000000aa", "00000000000000bb"


@pytest.fixture
def files(tmp_path: Path) -> MailboxFiles:
    files = MailboxFiles(tmp_path / "voicemail")
    files.prepare()
    return files


def recording(path: Path, pcm: bytes = b"\x01\x02" * 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = WavWriter(path)
    writer.write(pcm)
    writer.close()
    return path


def pcm_of(path: Path) -> bytes:
    with wave.open(str(path), "rb") as sound:
        return sound.readframes(sound.getnframes())


def test_what_was_said_is_kept_in_the_mailbox(files: MailboxFiles) -> None:
    said, kept = recording(files.said("100", "101", ID)), files.kept("100", "101", ID)
    files.keep(said, kept)
    assert kept == files.folder / "100" / f"101-{ID}.wav"
    assert (kept.exists(), said.exists()) == (True, False)


@pytest.mark.parametrize(
    "caller", ["../../etc/passwd", "a/b", "\0", "'; DROP TABLE", "9" * 500, "", "é‮\n", "..", "-"]
)
def test_a_caller_leads_to_no_other_folder(files: MailboxFiles, caller: str) -> None:
    for path in (files.said("100", caller, ID), files.kept("100", caller, ID)):
        recording(path)
        assert path.resolve().is_relative_to(files.folder.resolve())
        assert len(path.name) < 60
    assert files.recover([], [])[0] == set()


def test_sounds_are_joined_bit_for_bit(files: MailboxFiles) -> None:
    comment, message = b"\x10\x00" * 4000, bytes(range(256)) * 50
    parts = [recording(files.scratch("a"), comment), recording(files.kept("100", "101", ID), message)]
    target = files.kept("102", "101", OTHER_ID)
    assert files.copy(parts, target) == pytest.approx((4000 + 6400) / 8000)
    assert pcm_of(target) == comment + message
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_copy_that_fails_leaves_nothing(files: MailboxFiles) -> None:
    target = files.kept("102", "101", ID)
    with pytest.raises(OSError, match="No such file"):
        files.copy([recording(files.scratch("a")), files.scratch("missing")], target)
    broken = files.scratch("broken")
    broken.write_bytes(b"no sound")
    with pytest.raises(OSError, match="cannot be written"):
        files.copy([broken], target)
    assert list(target.parent.iterdir()) == []


def test_removing_what_is_gone_is_no_error(files: MailboxFiles) -> None:
    path = recording(files.kept("100", "101", ID))
    files.remove([path, path, files.kept("100", "101", OTHER_ID)])
    assert not path.exists()


def test_a_row_whose_file_is_gone_is_told(files: MailboxFiles) -> None:
    there, missing = recording(files.kept("100", "101", ID)), files.kept("100", "101", OTHER_ID)
    assert files.recover([there, missing], []) == ({missing}, [])
    assert there.exists()


def test_what_was_said_before_a_crash_is_salvaged(files: MailboxFiles) -> None:
    said = recording(files.said("100", "+33612345678", ID))
    os.utime(said, (1_000_000_000, 1_000_000_000))
    recovered = recording(files.said("101", "", ID).with_name(f"101--{ID}-recovered-x_y.wav"))
    placed = recording(files.kept("102", "103", ID))
    missing, salvaged = files.recover([], [])
    assert missing == set()
    found = {one.path: (one.mailbox, one.caller, one.seconds) for one in salvaged}
    assert found == {
        said: ("100", "+33612345678", 1.0),
        recovered: ("101", "", 1.0),
        placed: ("102", "103", 1.0),
    }
    assert next(one.left_at.timestamp() for one in salvaged if one.path == said) == 1_000_000_000


def test_a_recording_that_a_crash_cut_short_is_salvaged(files: MailboxFiles) -> None:
    said = files.said("100", "+33612345678", ID)
    recorder = Recorder(said)
    for tick in range(3 * 50):
        recorder.tick(100 + tick * 0.02)
    [part] = said.parent.iterdir()
    as_it_was = part.read_bytes()
    recorder.close()
    said.rename(part)
    part.write_bytes(as_it_was)
    salvage(files.folder)
    [one] = files.recover([], [])[1]
    assert (one.mailbox, one.caller) == ("100", "+33612345678")
    assert 1.5 < one.seconds <= 3.0


def test_what_is_no_message_is_removed_but_greetings_and_names_stay(files: MailboxFiles) -> None:
    stay = [recording(files.greeting("100")), recording(files.name("100"))]
    deleted = recording(files.kept("100", "101", ID))
    go = [
        deleted,
        recording(files.scratch("abc")),
        recording(files.folder / "100" / "strange.wav"),
        recording(files.kept("100", "102", ID), b""),
        files.folder / "100" / f".101-{ID}.wav.copy",
    ]
    go[-1].write_bytes(b"half of it")
    assert files.recover([], [deleted]) == (set(), [])
    assert [path.exists() for path in stay] == [True, True]
    assert [path for path in go if path.exists()] == []


def test_without_a_folder_there_is_nothing_to_recover(tmp_path: Path) -> None:
    assert MailboxFiles(tmp_path / "nowhere").recover([], []) == (set(), [])
