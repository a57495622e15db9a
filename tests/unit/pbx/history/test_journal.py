"""The journal of calls that are going on: what it tells after a crash, however the crash has left it."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx.history import journal as module
from pbx.history.journal import Journal
from pbx.history.record import CallRecord, HandOver, Participation, Role
from pbx.store.calls import entry

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
STARTED = CallRecord(
    call="c1",
    started_at=AT,
    ended_at=AT + timedelta(seconds=2),
    caller="100",
    caller_name='Lee "☎" \ud800 \r\n\0',
    trunk="",
    dialled="101",
    internal=True,
    status=503,
    reason="System Stopped",
    seconds=2.0,
    talk_seconds=0.0,
    answered_by="",
    feature="",
    parties=(
        Participation("100", Role.CALLER, AT),
        Participation("101", Role.CALLEE, AT, rang=True, addressed=True),
    ),
    hand_overs=(HandOver(AT, "101", "100", "103"),),
    reasons=("ring 101",),
)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "calls.journal")


def test_a_call_comes_back_with_the_last_moment_that_is_known(journal: Journal) -> None:
    journal.append(after(2), [STARTED])
    journal.append(after(7), [])
    assert journal.recover() == (replace(STARTED, ended_at=after(7), seconds=7.0),)


def test_the_last_line_of_a_call_counts(journal: Journal) -> None:
    answered = replace(
        STARTED,
        ended_at=after(5),
        seconds=5.0,
        talk_seconds=1.0,
        status=200,
        answered_by="101",
        parties=(STARTED.parties[0], replace(STARTED.parties[1], answered_at=after(4))),
    )
    other = replace(STARTED, call="c2", ended_at=after(5), seconds=5.0)
    journal.append(after(2), [STARTED])
    journal.append(after(5), [answered, other])
    journal.append(after(6), [])
    assert journal.recover() == (
        replace(answered, ended_at=after(6), seconds=6.0, talk_seconds=2.0),
        replace(other, ended_at=after(6), seconds=6.0),
    )


def test_a_call_that_is_over_is_told_as_it_ended_whatever_else_is_told_of_it(journal: Journal) -> None:
    final = replace(STARTED, ended_at=after(3), seconds=3.0, reason="Busy Here", status=486)
    journal.append(after(2), [STARTED, replace(STARTED, call="c2")])
    journal.append(after(4), [], [entry(final)])
    journal.append(after(60), [])
    assert journal.recover() == (final, replace(STARTED, call="c2", ended_at=after(60), seconds=60.0))
    journal.rewrite(after(61), [], [entry(final)])
    assert journal.recover() == (final,)


def test_what_was_written_in_part_is_left_out(journal: Journal, tmp_path: Path) -> None:
    file = tmp_path / "calls.journal"
    journal.append(after(2), [STARTED])
    whole = file.read_bytes()
    journal.append(after(3), [replace(STARTED, call="c2")])
    both = file.read_bytes()
    for cut in range(len(whole), len(both)):
        file.write_bytes(both[:cut])
        assert [record.call for record in journal.recover()][:1] == ["c1"]
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        assert [record.call for record in journal.recover()] in ([], ["c1"])
    file.write_bytes(b"\xff\0garbage\n[1]\n{}\n[[\n" + whole)
    assert [record.call for record in journal.recover()] == ["c1"]


@pytest.mark.parametrize(
    "bad", ["[" * 100_000, '[{shape},"{at}",5,[]]', '[{shape},"{at}",[[]],[]]', "[{shape},5,[],[]]"]
)
def test_no_line_stops_a_start_whatever_a_disk_has_made_of_it(journal: Journal, tmp_path: Path, bad: str) -> None:
    file = tmp_path / "calls.journal"
    journal.append(after(2), [STARTED])
    whole = file.read_text()
    file.write_text(bad.format(shape=module._SHAPE, at=after(9).isoformat()) + "\n" + whole)
    assert [record.call for record in journal.recover()] == ["c1"]


def test_it_does_not_grow_for_ever_and_is_for_nobody_else(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 2000)
    for second in range(100):
        if journal.full:
            journal.rewrite(after(second), [replace(STARTED, call="c2")])
        journal.append(after(second), [STARTED] if second < 5 else [])
        assert (tmp_path / "calls.journal").stat().st_size < 4000
    assert (tmp_path / "calls.journal").stat().st_mode & 0o077 == 0
    assert [record.call for record in journal.recover()] == ["c2"]
    journal.clear()
    assert list(tmp_path.iterdir()) == []
    assert journal.recover() == ()


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "nowhere" / "calls.journal")
    for second in range(3):
        journal.append(after(second), [STARTED])
    journal.rewrite(after(4), [STARTED])
    assert caplog.text.count("calls that a crash cuts short will have no records") == 1
    assert journal.recover() == ()


def test_after_a_disk_that_was_full_all_calls_are_told_again(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a line that a disk takes in part the next one would be the end, and neither could be read."""
    journal.append(after(1), [STARTED])
    write = os.write
    with monkeypatch.context() as full:
        full.setattr("os.write", lambda file, data: write(file, data[:40]))
        journal.append(after(2), [replace(STARTED, call="c2")])
        assert journal.full
        journal.rewrite(after(3), [STARTED, replace(STARTED, call="c2")])
    assert [record.call for record in journal.recover()] == ["c1"]
    assert journal.full
    journal.rewrite(after(4), [STARTED, replace(STARTED, call="c2")])
    assert not journal.full
    journal.append(after(5), [])
    assert [(record.call, record.ended_at) for record in journal.recover()] == [("c1", after(5)), ("c2", after(5))]
    assert caplog.text.count("No space left on device") == 1


def test_a_file_that_cannot_be_replaced_is_said_and_nothing_else(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.journal" / "in the way").mkdir(parents=True)
    journal.rewrite(after(1), [STARTED])
    assert caplog.text.count("calls that a crash cuts short will have no records") == 1
    assert journal.full


def test_lines_of_a_version_with_other_fields_are_left_out(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(module, "_SHAPE", 1)
        journal.append(after(1), [STARTED])
    journal.append(after(2), [replace(STARTED, call="c2")])
    assert [record.call for record in journal.recover()] == ["c2"]


def test_a_journal_of_another_version_is_kept_for_that_and_the_log_says_so(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as other:
        other.setattr(module, "_SHAPE", 1)
        journal.append(after(1), [STARTED])
    written = (tmp_path / "calls.journal").read_bytes()
    (tmp_path / "calls.journal").write_bytes(written + b"[1,")  # it was killed in the middle of a line
    assert journal.recover() == ()
    [line] = caplog.messages
    assert "of another version" in line
    assert "calls.unread" in line
    journal.clear()
    assert (tmp_path / "calls.unread").read_bytes() == written + b"[1,"
    assert [each.name for each in tmp_path.iterdir()] == ["calls.unread"]
    assert journal.recover() == ()
    assert len(caplog.messages) == 1
    with monkeypatch.context() as third:
        third.setattr(module, "_SHAPE", 2)
        journal.append(after(3), [STARTED])
    assert journal.recover() == ()
    assert (tmp_path / "calls.unread").read_bytes() == written + b"[1,"
    assert (tmp_path / "calls.unread-1").read_bytes().startswith(b"[2,")
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    assert "calls.unread-1" in caplog.messages[-1]


def test_a_journal_that_cannot_be_read_is_kept_and_the_log_says_what_to_do(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.journal").mkdir()  # what stands there is no file; a file may be somebody else's, or its disk bad
    (tmp_path / "calls.journal" / "lines").touch()
    assert journal.recover() == ()
    journal.clear()
    assert [each.name for each in (tmp_path / "calls.unread").iterdir()] == ["lines"]
    [line] = caplog.messages
    for told in ("cannot be read (Is a directory)", "calls.unread", "make it readable", "put it back"):
        assert told in line


@pytest.mark.parametrize("damaged", [b"\0" * 4096, b"[1", b"\xff\n{}\n[5]\n"])
def test_a_journal_of_which_nothing_can_be_read_is_kept_and_the_log_says_so(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: bytes
) -> None:
    (tmp_path / "calls.journal").write_bytes(damaged)
    assert journal.recover() == ()
    journal.clear()
    assert (tmp_path / "calls.unread").read_bytes() == damaged
    [line] = caplog.messages
    assert "is damaged" in line
    assert "calls.unread" in line


def test_nothing_is_kept_of_a_journal_in_which_nothing_is(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.journal").touch()
    assert journal.recover() == ()
    journal.clear()
    assert (list(tmp_path.iterdir()), caplog.messages) == ([], [])


def test_a_journal_that_cannot_be_put_aside_either_is_told_and_stops_no_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "no folder").touch()
    journal = Journal(tmp_path / "no folder" / "calls.journal")
    assert journal.recover() == ()
    [line] = caplog.messages
    assert "Not a directory" in line


def test_of_journals_that_could_not_be_read_the_latest_few_are_kept(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.unread.mine").touch()
    (tmp_path / "calls.unread-12x").touch()
    caplog.set_level(logging.INFO)
    for number in range(12):
        (tmp_path / "calls.journal").write_text(f"[{number}")
        assert journal.recover() == ()
    kept = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert kept == {
        "calls.unread.mine": "",
        "calls.unread-12x": "",
        **{f"calls.unread-{number}": f"[{number}" for number in range(12 - module.KEPT, 12)},
    }
    deleted = [line for line in caplog.messages if "is deleted" in line]
    assert len(deleted) == 12 - module.KEPT
    assert "calls.unread is deleted" in deleted[0]


def test_one_of_them_that_cannot_be_deleted_is_told(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.unread").mkdir()
    for number in range(module.KEPT):
        (tmp_path / "calls.journal").write_text(f"[{number}")
        assert journal.recover() == ()
    assert "calls.unread cannot be deleted" in caplog.messages[-1]


def test_a_line_is_what_the_standard_library_would_write(journal: Journal, tmp_path: Path) -> None:
    """So that what a version before wrote is read by this one, and the other way round."""
    answered = replace(STARTED, parties=(replace(STARTED.parties[1], answered_at=AT), *STARTED.parties))
    journal.append(after(2), [STARTED, answered], [entry(answered)])
    at = AT.isoformat(" ")
    hand_overs, reasons = [[at, "101", "100", "103"]], ["ring 101"]
    caller = ["100", "caller", at, "", False, None, "", False, False]
    callee = ["101", "callee", at, "", True, None, "", False, True]
    until = after(2).isoformat(" ")
    head: list[object] = ["c1", at, until, "100", STARTED.caller_name, "", "101", True, 503, "System Stopped", 2.0, 0.0]
    first = [*head, "", "", [caller, callee], hand_overs, reasons]
    second = [*head, "", "", [[*callee[:5], at, *callee[6:]], caller, callee], hand_overs, reasons]
    line = json.loads((tmp_path / "calls.journal").read_text("ascii"))
    assert line == [module._SHAPE, until, [second], first, second]


def test_more_calls_than_it_holds_do_not_have_it_written_anew_each_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 2000)
    journal.rewrite(after(1), [replace(STARTED, call=f"c{number}") for number in range(20)])
    assert not journal.full
    journal.append(after(2), [])
    assert not journal.full
