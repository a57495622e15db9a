"""A message is whole or absent, and rows and files agree, whenever the process is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from pbx.store.voicemails import Counts
from tests.unit.pbx.leaving import OTHER, OWNER, SAMPLES, opened

ROOT = Path(__file__).parents[3]
KILLS = 20
MOST_LINES = 15
"""A child is killed after it has said so many things at the most."""


class Office:
    """Has children forked, reads what they were told, and kills them."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.pbx.leaving", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def day(self, lines: int, seconds: float) -> list[list[str]]:
        """What a child was told until it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        told: list[list[str]] = []
        child = None
        while child is None or len(told) < lines:
            line = self._process.stdout.readline().split()
            assert line, "the parent has ended of itself"
            assert line[0] != "killed", "the child has ended of itself"
            if line[0] == "pid":
                child = int(line[1])
            else:
                told.append(line)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        while (line := self._process.stdout.readline().split())[0] != "killed":
            told.append(line)
        return told

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


async def inventory(folder: Path) -> tuple[Counter[str], dict[Path, str]]:
    """The callers of what is in both mailboxes after the recovery, and what is wrong with it."""
    mailboxes, store, blocking = await opened(folder, threads=False)
    found: Counter[str] = Counter()
    wrong: dict[Path, str] = {}
    rows: set[Path] = set()
    for number in (OWNER, OTHER):
        mailbox = mailboxes.find(number)
        assert mailbox is not None
        messages = await mailbox.messages()
        assert mailbox.counts == Counts(len(messages), 0)
        for message in messages:
            path = mailbox.path_of(message)
            rows.add(path)
            with wave.open(str(path)) as sound:
                data = sound.readframes(sound.getnframes())
            index = int(message.caller_number[2:])
            if message.seconds != 1.0 or data != index.to_bytes(2, "little") * SAMPLES:
                wrong[path] = f"{message}, {len(data)} bytes"
            if number == OWNER:
                found[message.caller_number] += 1
    files = {path for path in (folder / "voicemail").rglob("*") if path.is_file()}
    wrong |= dict.fromkeys(files - rows, "has no row")
    blocking.stop()
    await store.close()
    return found, wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
def test_whenever_it_is_killed_messages_are_whole_or_absent(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    kept: Counter[str] = Counter()
    office = Office(tmp_path)
    said = 0
    try:
        for _ in range(KILLS):
            told = office.day(random.randrange(MOST_LINES), random.random() * 0.02)
            said += len(told)
            unsure = None
            for what, caller in told:
                if what == "kept":
                    kept[caller] += 1
                elif what == "deleted":
                    kept[caller] -= 1
                unsure = caller if what == "deleting" else None if what == "deleted" else unsure
            found, wrong = asyncio.run(inventory(tmp_path))
            assert wrong == {}
            missing, more = kept - found, found - kept
            assert missing.total() == 0 or missing == Counter({unsure: 1}), "what was told is kept is there"
            assert more.total() <= 1, "at the most the one that was being left"
            kept = found
    finally:
        office.stop()
    assert said > KILLS


def test_who_hangs_up_before_the_begin_takes_no_place(tmp_path: Path) -> None:
    asyncio.run(hang_up_before_the_begin(tmp_path))


async def hang_up_before_the_begin(folder: Path) -> None:
    mailboxes, store, blocking = await opened(folder)
    owner = mailboxes.find(OWNER)
    assert owner is not None
    room = owner.room

    async def leave() -> None:
        async with owner.draft("0612345678", ""):
            raise AssertionError("it is cancelled before it is begun")

    try:
        caller = asyncio.ensure_future(leave())
        await asyncio.sleep(0)
        assert owner.room == room - 1
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert owner.room == room
    finally:
        blocking.stop()
        await store.close()
