"""Has children forked that leave, forward and delete messages until they are killed: `python -m tests.unit.pbx.leaving
FOLDER`. For each line on its input one child begins; each says what it was told is kept, or deleted."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from media.messages import RecordingEnded
from media.salvage import salvage
from media.wav import WavWriter
from pbx.blocking import Blocking
from pbx.config import Config, parse
from pbx.directory import Directory
from pbx.environment import Environment
from pbx.live_data import take_over
from pbx.mailboxes import Mailbox, Mailboxes
from pbx.store.store import Store

SAMPLES = 8000
OWNER, OTHER = "100", "101"


def configuration(folder: Path) -> Config:
    """Two mailboxes in a folder."""
    people = [{"number": number, "password": f"secret of {number}"} for number in (OWNER, OTHER)]
    return parse({"store": {"data_dir": str(folder)}, "extensions": people})


async def opened(folder: Path, *, threads: bool = True) -> tuple[Mailboxes, Store, Blocking]:
    """The mailboxes of a folder, after whatever has to be put right there."""
    config = configuration(folder)
    pool = partial(ThreadPoolExecutor, max_workers=1) if threads else None
    store, blocking = Store.open(folder / "myphone.db", pool), Blocking(pool)
    take_over(config, store)
    salvage(folder)
    directory = Directory(config.directory())
    mailboxes = Mailboxes(
        config,
        Environment.real(),
        directory,
        store,
        blocking,
        changed=lambda number: None,
        tell=lambda happening: None,
    )
    await mailboxes.start()
    return mailboxes, store, blocking


def say(what: str, message_id: str) -> None:
    """Tell the parent, at once: a line is written whole."""
    os.write(1, f"{what} {message_id}\n".encode())


async def leave(mailbox: Mailbox, index: int) -> None:
    """Leave a message, recorded as the media engine does: written beside, and renamed when it is whole."""
    async with mailbox.draft(f"06{index:08}", "") as draft:
        part = draft.path.with_name(f".{draft.path.name}.x.part")
        writer = WavWriter(part)
        writer.write(index.to_bytes(2, "little") * SAMPLES)
        writer.close()
        os.replace(part, draft.path)
        assert await draft.keep(RecordingEnded(1, 1.0, 30_000, path=str(draft.path)))
    say("kept", f"06{index:08}")


async def live(folder: Path) -> None:
    """Leave messages for ever, delete some, forward some."""
    dice = random.Random(os.getpid())
    mailboxes, _, _ = await opened(folder)
    owner, other = mailboxes.find(OWNER), mailboxes.find(OTHER)
    assert owner is not None
    assert other is not None
    say("pid", str(os.getpid()))
    while True:
        await leave(owner, dice.randrange(32_768))
        messages = await owner.messages()
        if len(messages) > 3:
            gone = dice.choice(messages[:-1])
            say("deleting", gone.caller_number)
            await owner.delete(gone.id)
            say("deleted", gone.caller_number)
            await owner.forward(messages[-1], other)
            await other.delete(*(message.id for message in (await other.messages())[:-3]))


def main(folder: Path) -> None:
    """Fork a child for each line."""
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            try:
                asyncio.run(live(folder))
            finally:
                os._exit(1)  # it is the parent's loop that goes on
        os.waitpid(child, 0)
        say("killed", "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
