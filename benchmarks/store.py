"""A big office's store: how long the system needs to start from it, and to look up calls.

    python -m benchmarks.store                      10,000 extensions, 1,000,000 calls (some minutes to fill)
    python -m benchmarks.store --folder /tmp/big    keeps the store there, and uses it again

The yardstick is a start with one extension and no calls: what Python needs for its imports.
"""

from __future__ import annotations

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, func, insert, select

from benchmarks.harness import HOST, cpu_seconds, print_table
from pbx.config import load
from pbx.history.record import CallList, Role
from pbx.live_data import take_over
from pbx.store.calls import call_parties, call_records, calls
from pbx.store.store import Store

BATCH = 20_000
LOOKUPS = 50
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def configuration(folder: Path, extensions: int) -> Path:
    """The file of an office with so many extensions, whose store is beside it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    text = f"[sip]\nlisten = '{HOST}'\nudp_port = {port}\ntcp_port = {port}\n[media]\nworkers = 0\n"
    text += "".join(
        f"[[extensions]]\nnumber = '{number}'\npassword = 'password-{number}'\nfirst_name = 'Name {number}'\n"
        for number in range(10_000, 10_000 + extensions)
    )
    file = folder / "myphone.toml"
    file.write_text(text)
    (folder / "data").mkdir(exist_ok=True)
    return file


def fill(file: Path, wanted: int) -> Store:
    """Take the extensions over, and enter calls among them until there are so many."""
    config = load(file)
    store = Store.open(config.store.location)
    take_over(config, store)
    there = (
        store.read(lambda connection: connection.scalar(select(func.count()).select_from(call_records))) or 0
    )
    numbers, random = [extension.number for extension in config.extensions], Random(there)
    for start in range(there, wanted, BATCH):
        rows = [
            call(index, *random.choices(numbers, k=2)) for index in range(start, min(start + BATCH, wanted))
        ]
        store.begin(partial(enter, rows))
    return store


def call(index: int, caller: str, callee: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of a call from one extension to another."""
    at = FIRST + timedelta(seconds=20 * index)
    record = {
        "call": f"{index:016x}", "started_at": at, "ended_at": at, "caller": caller, "caller_name": f"Name {caller}",
        "trunk": "", "dialled": callee, "internal": True, "status": 200, "reason": "", "seconds": 60.0,
        "talk_seconds": 50.0, "answered_by": callee, "feature": "", "hand_overs": [], "reasons": [],
    }  # fmt: skip
    party = {
        "call": record["call"], "at": at, "trunk": "", "rang": True, "answered_at": at, "taken_by": "",
        "blocked": False, "addressed": True, "started_at": at,
    }  # fmt: skip
    parties = (caller, Role.CALLER, CallList.OUTBOUND), (callee, Role.CALLEE, CallList.RECEIVED)
    return record, [
        party | {"position": position, "number": number, "role": role.value, "list": list_.value}
        for position, (number, role, list_) in enumerate(parties)
    ]


def enter(rows: list[tuple[dict[str, Any], list[dict[str, Any]]]], connection: Connection) -> None:
    """Enter calls."""
    connection.execute(insert(call_records), [record for record, _ in rows])
    connection.execute(insert(call_parties), [party for _, parties in rows for party in parties])


def starts(file: Path, rounds: int) -> Iterator[float]:
    """CPU seconds from the start of the process until phones can register."""
    for _ in range(rounds):
        command = [sys.executable, "-m", "myphone_api.cli", "serve", "--config", str(file)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            assert any("ready" in line for line in process.stderr), "the system did not start"
            yield cpu_seconds(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def lookup(store: Store) -> float:
    """CPU seconds to find the latest 50 calls of an extension."""
    numbers = [str(number) for number in range(10_000, 10_000 + LOOKUPS)]
    before = time.process_time()
    for number in numbers:
        store.read(partial(calls, number=number, kind=CallList.RECEIVED))
    return (time.process_time() - before) / LOOKUPS


def main() -> None:
    """Fill, start, look up, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extensions", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the store is kept (default: nowhere)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        small, big = Path(temporary) / "small", options.folder or Path(temporary) / "big"
        figures = {}
        for folder, extensions, many in ((small, 1, 0), (big, options.extensions, options.calls)):
            folder.mkdir(exist_ok=True)
            file = configuration(folder, extensions)
            store = fill(file, many)
            lookup(store)  # statements are compiled, pages are read
            looked_up = statistics.median(lookup(store) for _ in range(options.rounds))
            store.abandon()
            figures[folder] = statistics.median(starts(file, options.rounds)), looked_up
    (least, _), (start, looked_up) = figures[small], figures[big]
    rows = [
        ("start with one extension", f"{least:.2f} s"),
        (f"start with {options.extensions:,} extensions, {options.calls:,} calls", f"{start:.2f} s"),
        ("the latest calls of an extension", f"{looked_up * 1e3:.2f} ms"),
    ]
    print_table("CPU time", rows)


if __name__ == "__main__":
    main()
