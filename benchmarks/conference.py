"""What does a conference cost in the whole media worker: receive, put in order, mix, send?

python -m benchmarks.conference [--scenario FILE] [--rooms 8] [--parties 32] [--talkers 4] [--loss 0] [--find-limit]

The worker is the process that the system runs, commanded as the switch commands it. Phones in a process of their own
(benchmarks/reference/phones.c, where there is gcc; in Python else) send a packet every 20 ms over real sockets. The
yardstick is a C program that does the same work (benchmarks/reference/conference.c); both take turns. The servers run
on the first core alone, their phones on the last. Figures are CPU time of the process, the kernel's part of sending and
receiving included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import harness
from benchmarks.conference_load import CLoad, Heard, Load, PythonLoad
from benchmarks.harness import (
    HOST,
    cpu_seconds,
    parse_with_scenario,
    pin,
    print_table,
    resident_bytes,
)
from media.messages import Event, FillPorts, JoinRoom, OpenStream, PortsReady, ReportTicks, TicksReported
from media.plan import Codec, StreamPlan
from media.ticker import Punctuality
from media.worker import WorkerProcess

PORTS = (20000, 29998)
LEAD_SECONDS = 1.5
"""Until buffers are filled and every code path has been run."""
LEAD_SECONDS_EACH = 0.003
"""For each party, as all come at once, which they do nowhere else."""
TAIL_SECONDS = 0.3
LIMIT_SECONDS = 5.0
LIMIT = 0.01
"""So many late ticks are too many."""


class Options(argparse.Namespace):
    """Of the command line."""

    rooms: int
    parties: int
    talkers: int
    loss: float
    seconds: float
    turns: int
    find_limit: bool
    json: Path | None


@dataclass(frozen=True, slots=True)
class Programs:
    """In C; None without gcc."""

    server: Path | None
    phones: Path | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one turn."""

    cpu_us: float
    """Per participant and frame."""
    work_ms: float
    """A tick: from its begin until the last packet is sent."""
    ticks: Punctuality
    heard: Heard


class Server(Protocol):
    """A conference server in a process."""

    @property
    def pid(self) -> int | None:
        """The process."""

    async def punctuality(self) -> Punctuality:
        """Of all ticks since the last call of this."""


# -- the two ---------------------------------------------------------------------------------------


class Worker:
    """media/worker.py."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[Event] = asyncio.Queue()
        self._process = WorkerProcess(0, HOST, PORTS, self._told.put_nowait)

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid

    async def punctuality(self) -> Punctuality:
        """Of all ticks since the last call of this."""
        self._process.send(ReportTicks())
        while not isinstance(event := await self._told.get(), TicksReported):
            pass
        return event.punctuality

    async def start(self, parties: int) -> list[int]:
        """Start the process; so many ports of it."""
        await self._process.start()
        self._process.send(FillPorts(parties))
        ports: list[int] = []
        while len(ports) < parties:
            event = await self._told.get()
            assert isinstance(event, PortsReady), event
            ports += event.ports
        return ports[:parties]

    def join(self, stream: int, port: int, remote: tuple[str, int], room: int) -> None:
        """As the switch does it for a participant."""
        plan = StreamPlan(
            codec=Codec.PCMU,
            send_payload_type=0,
            receive_payload_type=0,
            remote=remote,
            remote_rtcp=remote,
            trusted_hosts=frozenset({HOST}),
            dtmf_send_payload_type=101,
            dtmf_receive_payload_type=101,
        )
        self._process.send(OpenStream(stream, port, plan))
        self._process.send(JoinRoom(stream, room))

    async def stop(self) -> None:
        """End the process."""
        await self._process.stop()


class CServer:
    """benchmarks/reference/conference.c."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid

    async def punctuality(self) -> Punctuality:
        """Of all ticks since the last call of this; what it does not tell is 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        ticks, missed, late, work_us, _, _ = map(int, (await self._process.stdout.readline()).split())
        done = ticks - missed
        return Punctuality(ticks, late, missed, work_ms=work_us / 1000 / done if done else 0.0)


@asynccontextmanager
async def worker(
    rooms: int, options: Options, programs: Programs
) -> AsyncIterator[tuple[Server, Load, float]]:
    """A worker with all parties in their rooms, their phones, and what the memory grew by with each party (bytes)."""
    started = Worker()
    parties = rooms * options.parties
    ports = await started.start(parties)
    assert started.pid is not None
    pin(started.pid, first=True)
    try:
        with load(ports, options, programs) as phones:
            remotes = [phones.addresses[number // options.parties] for number in range(parties)]
            started.join(0, ports[0], remotes[0], 0)
            phones.begin(LEAD_SECONDS)
            await _end(phones)
            before = resident_bytes(started.pid)
            for number in range(1, parties):
                started.join(number, ports[number], remotes[number], number // options.parties)
            phones.begin(LEAD_SECONDS + LEAD_SECONDS_EACH * parties)
            await _end(phones)
            yield started, phones, (resident_bytes(started.pid) - before) / max(parties - 1, 1)
    finally:
        await started.stop()


@asynccontextmanager
async def c_server(
    program: Path, rooms: int, options: Options, programs: Programs
) -> AsyncIterator[tuple[Server, Load]]:
    """The C program, and its phones."""
    parties = rooms * options.parties
    first = _free_range(parties)
    process = await asyncio.create_subprocess_exec(
        program, str(rooms), str(options.parties), str(first), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pin(process.pid, first=True)
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        with load([first + 2 * number for number in range(parties)], options, programs) as phones:
            phones.begin(LEAD_SECONDS)
            await _end(phones)
            yield CServer(process), phones
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@contextmanager
def load(ports: list[int], options: Options, programs: Programs) -> Iterator[Load]:
    """Phones that send to these ports, room by room."""
    size, talkers, loss = options.parties, options.talkers, options.loss
    rooms = [ports[at : at + size] for at in range(0, len(ports), size)]
    opened = (
        PythonLoad(rooms, talkers, loss)
        if programs.phones is None
        else CLoad(programs.phones, rooms, talkers, loss)
    )
    with opened as phones:
        pin(phones.pid, first=False)
        yield phones


def compiled(folder: str) -> Programs:
    """The programs in C, compiled in a folder."""
    return Programs(harness.compiled("conference", folder), harness.compiled("phones", folder))


def _free_range(parties: int) -> int:
    """The first of so many even ports that are free."""
    for first in range(PORTS[0], PORTS[1] - 2 * parties, 2 * parties):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 2 * parties, 2):
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((HOST, port))
            return first
    raise OSError(f"no {parties} ports are free in a row")


# -- measuring -------------------------------------------------------------------------------------


async def _end(phones: Load) -> Heard:
    return await asyncio.get_running_loop().run_in_executor(None, phones.end)


async def measure(server: Server, phones: Load, parties: int, seconds: float) -> Figures:
    """Let all talk."""
    assert server.pid is not None
    phones.begin(seconds + 2 * TAIL_SECONDS)
    await asyncio.sleep(TAIL_SECONDS)
    await server.punctuality()
    before = cpu_seconds(server.pid)
    await asyncio.sleep(seconds)
    spent = cpu_seconds(server.pid) - before
    ticks = await server.punctuality()
    heard = await _end(phones)
    return Figures(spent / parties / (ticks.ticks - ticks.missed) * 1e6, ticks.work_ms, ticks, heard)


async def compare(options: Options, programs: Programs) -> dict[str, object]:
    """The worker and the yardstick in turn; the figures."""
    parties = options.rooms * options.parties
    ours: list[Figures] = []
    theirs: list[Figures] = []
    memory: list[float] = []
    for _ in range(options.turns):
        async with worker(options.rooms, options, programs) as (server, phones, grown):
            ours.append(await measure(server, phones, parties, options.seconds / options.turns))
            memory.append(grown)
        if programs.server is not None:
            async with c_server(programs.server, options.rooms, options, programs) as (server, phones):
                theirs.append(await measure(server, phones, parties, options.seconds / options.turns))
    expected = sum(each.heard.sent for each in ours)
    result: dict[str, object] = {
        "rooms": options.rooms,
        "parties": options.parties,
        "talkers": options.talkers,
        "loss": options.loss,
        "cpu_us": statistics.median(each.cpu_us for each in ours),
        "work_ms": statistics.median(each.work_ms for each in ours),
        "late": sum(each.ticks.late for each in ours),
        "ticks": sum(each.ticks.ticks for each in ours),
        "p50_ms": statistics.median(each.ticks.p50_ms for each in ours),
        "p99_ms": max(each.ticks.p99_ms for each in ours),
        "max_ms": max(each.ticks.max_ms for each in ours),
        "memory_bytes": statistics.median(memory),
        "sent": expected,
        "received": sum(each.heard.received for each in ours),
        "loud": sum(each.heard.loud for each in ours),
        "missing": sum(each.heard.missing or 0 for each in ours),
        "phones_behind": max(each.heard.behind for each in ours),
        "phones_latest_ms": max(each.heard.latest_ms or 0.0 for each in ours),
        "c_us": statistics.median(each.cpu_us for each in theirs) if theirs else None,
        "c_work_ms": statistics.median(each.work_ms for each in theirs) if theirs else None,
        "c_late": sum(each.ticks.late for each in theirs),
        "turns": [asdict(each) for each in ours],
        "c_turns": [asdict(each) for each in theirs],
    }
    return result


async def find_limit(options: Options, programs: Programs) -> int:
    """How many rooms a worker carries with at most 1 % of its ticks late."""

    async def carries(rooms: int) -> bool:
        for _ in range(2):  # the machine may have been busy with something else
            async with worker(rooms, options, programs) as (server, phones, _):
                found = await measure(server, phones, rooms * options.parties, LIMIT_SECONDS)
            share = found.ticks.late / found.ticks.ticks
            print(
                f"  {rooms} rooms: {share:.1%} late, p99 {found.ticks.p99_ms:.1f} ms, "
                f"{found.cpu_us:.1f} us, phones late {found.heard.behind:.1%}",
                file=sys.stderr,
            )
            if share <= LIMIT:
                return True
        return False

    good, bad = 0, options.rooms
    while await carries(bad):
        good, bad = bad, 2 * bad
    while bad - good > max(1, good // 16):
        middle = (good + bad) // 2
        if await carries(middle):
            good = middle
        else:
            bad = middle
    return good


def table(found: dict[str, object]) -> list[tuple[str, str]]:
    """The lines of the result."""
    us, c_us = found["cpu_us"], found["c_us"]
    assert isinstance(us, float)
    lines = [("per participant and frame", f"{us:.2f} us")]
    if isinstance(c_us, float):
        lines += [
            ("the same work in C", f"{c_us:.2f} us"),
            ("ratio", f"{us / c_us:.2f}"),
            ("mix and send, a tick", f"{found['work_ms']:.2f} ms (C {found['c_work_ms']:.2f} ms)"),
            ("late ticks of C", f"{found['c_late']}"),
        ]
    else:
        lines += [
            ("the same work in C", "not measured: there is no gcc to compile it"),
            ("mix and send, a tick", f"{found['work_ms']:.2f} ms"),
        ]
    return [
        *lines,
        (
            "ticks begin late by",
            f"{found['p50_ms']:.1f} ms p50, {found['p99_ms']:.1f} ms p99, {found['max_ms']:.1f} ms max",
        ),
        ("late ticks", f"{found['late']} of {found['ticks']}"),
        ("memory per participant", f"{float(str(found['memory_bytes'])) / 1024:.1f} KB"),
        (
            "packets",
            f"{found['sent']} sent, {found['received']} received, {found['loud']} of them with sound, "
            f"{found['missing']} missing between them",
        ),
        (
            "phones themselves late",
            f"{float(str(found['phones_behind'])):.1%} of the time, by {found['phones_latest_ms']:.1f} ms at most",
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--parties", type=int, default=32, help="in each room (default: %(default)s)")
    parser.add_argument(
        "--talkers", type=int, default=4, help="the others send silence (default: %(default)s)"
    )
    parser.add_argument("--loss", type=float, default=0.0, help="of packets to the worker (default: 0)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each, in all (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="the median of so many (default: %(default)s)")
    parser.add_argument("--find-limit", action="store_true", help="more rooms until 1%% of ticks are late")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parse_with_scenario(parser, Options())
    with tempfile.TemporaryDirectory() as folder:
        programs = compiled(folder)
        found = asyncio.run(compare(options, programs))
        lines = table(found)
        if options.find_limit:
            found["limit_rooms"] = limit = asyncio.run(find_limit(options, programs))
            lines.append(
                ("rooms that one worker carries", f"{limit}, {limit * options.parties} parties, of 1 core")
            )
    title = f"Conference, {options.rooms} rooms of {options.parties}, {options.talkers} of them talking"
    print_table(f"{title}, loss {options.loss:.0%}; CPU of the media worker", lines)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
