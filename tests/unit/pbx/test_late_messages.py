"""Messages that wait for the database have their places in the mailbox, and go with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media.messages import RecordingEnded
from media.wav import WavWriter
from pbx.mailboxes import Mailbox
from pbx.store.errors import StoreUnavailable
from pbx.store.voicemails import Message
from tests.unit.pbx.leaving import OTHER, OWNER, opened


async def leave(mailbox: Mailbox) -> None:
    async with mailbox.draft("0612345678", "") as draft:
        writer = WavWriter(draft.path)
        writer.write(bytes(16000))
        writer.close()
        assert await draft.keep(RecordingEnded(1, 1.0, 30_000, path=str(draft.path)), told=False)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


async def left_late(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mailboxes, store, _ = await opened(folder, threads=False)
    owner, other = mailboxes.find(OWNER), mailboxes.find(OTHER)
    assert owner is not None
    assert other is not None
    room = owner.room

    async def away(change: Any) -> Any:
        raise StoreUnavailable("the database does not answer")

    with monkeypatch.context() as gone:
        gone.setattr(store, "write", away)
        for _ in range(3):
            await leave(owner)
        await leave(other)
        assert (owner.room, other.room) == (room - 3, room - 1)
    await mailboxes.clear({1: OTHER})  # removed, and its number is given to somebody else at once
    await until(lambda: owner.counts.new == 3)
    await until(lambda: mailboxes.late(OWNER) == 0)
    found: tuple[Message, ...] = await other.messages()
    assert (owner.room, other.room, found) == (room - 3, room, ())
    mailboxes.stop()
    await store.close()


def test_late_messages_take_places_and_go_with_their_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.mailboxes.FIRST_RETRY_SECONDS", 0.05)
    asyncio.run(left_late(tmp_path, monkeypatch))
