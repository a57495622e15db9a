"""A big office's store: how long the system needs to start from it, to look up calls, and to note registrations.

    python -m benchmarks.store                      10,000 extensions, 1,000,000 calls
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
from typing import Any

from sqlalchemy import Connection, func, select, text

from benchmarks.harness import HOST, cpu_seconds, print_table
from pbx.config import load
from pbx.history.record import CallList
from pbx.live_data import take_over
from pbx.store.bindings import replace_bindings
from pbx.store.calls import call_lists, call_records, calls
from pbx.store.store import BATCH, Store

LOOKUPS = 50
REFRESHES = 1000
TOGETHER = (1, 10, BATCH)


def configuration(folder: Path, extensions: int) -> Path:
    """The file of an office with so many extensions, whose store is beside it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    toml = f"[sip]\nlisten = '{HOST}'\nudp_port = {port}\ntcp_port = {port}\n[media]\nworkers = 0\n"
    toml += "".join(
        f"[[extensions]]\nnumber = '{number}'\npassword = 'password-{number}'\nfirst_name = 'Name {number}'\n"
        for number in range(10_000, 10_000 + extensions)
    )
    file = folder / "myphone.toml"
    file.write_text(toml)
    (folder / "data").mkdir(exist_ok=True)
    return file


def fill(file: Path, wanted: int) -> Store:
    """Take the extensions over, and enter calls among them until there are so many."""
    config = load(file)
    store = Store.open(config.store.location)
    take_over(config, store)
    store.begin(partial(enter, wanted, len(config.extensions)))
    return store


def enter(wanted: int, extensions: int, connection: Connection) -> None:
    """Have the database itself make the calls that are missing, one every 20 seconds, from everybody to everybody."""
    there = connection.scalar(select(func.count()).select_from(call_records)) or 0
    if there >= wanted:
        return
    indexes = call_records.indexes
    for index in indexes:  # sorted once at the end, not grown everywhere at once
        index.drop(connection)
    values = {"there": there, "wanted": wanted, "extensions": extensions}
    connection.execute(text(NEW_RECORDS), values)
    connection.execute(text(NEW_LISTS), values)
    for index in indexes:
        index.create(connection)


NEW_RECORDS = """
WITH RECURSIVE numbered (call) AS (SELECT :there UNION ALL SELECT call + 1 FROM numbered WHERE call + 1 < :wanted),
told (call, at, caller, callee) AS (
    SELECT printf('%016x', call), strftime('%Y-%m-%d %H:%M:%S.000000', '2026-01-01', (20 * call) || ' seconds'),
           10000 + 7919 * call % :extensions, 10000 + (104729 * call + call / :extensions) % :extensions
    FROM numbered
)
INSERT INTO call_records (
    call, started_at, ended_at, caller, caller_name, trunk, dialled, internal, status, reason, seconds, talk_seconds,
    answered_by, feature, hand_overs, reasons, parties, legs
)
SELECT call, at, at, caller, 'Name ' || caller, '', callee, 1, 200, '', 60.0, 50.0, callee, '', '[]', '[]', json_array(
    json_array(caller, 'caller', at || '+00:00', '', json('false'), NULL, '', json('false'), json('false')),
    json_array(callee, 'callee', at || '+00:00', '', json('true'), at || '+00:00', '', json('false'), json('true'))
), '[]' FROM told
"""
NEW_LISTS = f"""
WITH made AS (SELECT * FROM call_records WHERE call >= printf('%016x', :there))
INSERT INTO {call_lists.name} (number, list, started_at, call)
SELECT caller, '{CallList.OUTBOUND.value}', started_at, call FROM made
UNION ALL SELECT dialled, '{CallList.RECEIVED.value}', started_at, call FROM made ORDER BY 1, 2, 3, 4
"""


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


def refresh(store: Store, extensions: int, together: int) -> float:
    """CPU seconds to note that a phone has registered again, where so many come together."""
    later = datetime.now(UTC) + timedelta(hours=1)
    numbers = [str(number) for number in range(10_000, 10_000 + min(extensions, REFRESHES))]
    facts = [(number, [binding(number, later)]) for number in numbers]
    before = time.process_time()
    for start in range(0, len(facts), together):
        store.begin(partial(replace_bindings, facts[start : start + together]))
    return (time.process_time() - before) / len(facts)


def binding(number: str, expires_at: datetime) -> dict[str, Any]:
    """What is kept of a desk phone."""
    return {
        "contact": f"sip:ext{number}@10.0.0.1:5060",
        "transport": "UDP",
        "host": "10.0.0.1",
        "port": 5060,
        "expires_at": expires_at,
        "q": 1.0,
        "instance": f"<urn:uuid:00000000-0000-1000-8000-{number:0>12}>",
        "reg_id": None,
        "path": "",
        "call_id": f"{number}-0123456789abcdef@10.0.0.1",
        "cseq": 100,
        "user_agent": "Yealink SIP-T46S 66.85.0.5",
    }


def main() -> None:
    """Fill, start, look up, note, print."""
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
            refresh(store, extensions, BATCH)
            noted = {
                many: statistics.median(refresh(store, extensions, many) for _ in range(options.rounds))
                for many in TOGETHER
            }
            store.abandon()
            figures[folder] = statistics.median(starts(file, options.rounds)), looked_up
    (least, _), (start, looked_up) = figures[small], figures[big]
    rows = [
        ("start with one extension", f"{least:.2f} s"),
        (f"start with {options.extensions:,} extensions, {options.calls:,} calls", f"{start:.2f} s"),
        ("the latest calls of an extension", f"{looked_up * 1e3:.2f} ms"),
        *(
            (f"a registration noted, {many} together", f"{seconds * 1e3:.3f} ms")
            for many, seconds in noted.items()
        ),
    ]
    print_table("CPU time", rows)


if __name__ == "__main__":
    main()
