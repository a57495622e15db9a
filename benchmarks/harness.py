"""What the end-to-end benchmarks share: a server process, its CPU time, a yardstick, a table.

Figures are CPU seconds of the server's processes per unit of work (the clock on the wall says little on a
busy machine), each the median of several rounds. The yardstick runs between the rounds, so that what slows
the machine slows both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

HOST = "127.0.0.1"
REALM = "myphone"
REFERENCE = Path(__file__).parent / "reference"
"""Programs in C."""


def cpu_seconds(pid: int) -> float:
    """CPU time spent so far by a process, its threads and its children."""
    own = (
        sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )
    return own + sum(cpu_seconds(child) for child in _children(pid))


def pin(pid: int, *, first: bool) -> None:
    """Let a process run on the first core of this machine alone, or on the last one; nothing where it has but one."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {cores[0 if first else -1]})


def mode_ticks(pid: int) -> tuple[int, int]:
    """Clock ticks that a process and its children have spent outside the kernel and in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = [int(fields[11]), int(fields[12])]
    for child in _children(pid):
        ticks = [sum(pair) for pair in zip(ticks, mode_ticks(child), strict=True)]
    return ticks[0], ticks[1]


def machine_ticks() -> tuple[int, int]:
    """Clock ticks of all cores of this machine: those that its host has kept from it, and all together."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[-1], sum(ticks)


def resident_bytes(pid: int) -> int:
    """Proportional set size of a process and its children: pages shared by n processes count 1/n each."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 + sum(resident_bytes(child) for child in _children(pid))
    raise RuntimeError(f"no Pss line for process {pid}")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return found


@dataclass(frozen=True, slots=True)
class Server:
    """A running `myphone serve`."""

    pid: int
    address: tuple[str, int]
    ready_seconds: float
    """From the start of the process to its first answer."""


def password_of(number: int) -> str:
    """The password of a benchmark extension."""
    return f"secret-{number}"


@contextmanager
def byte_code() -> Iterator[None]:
    """Servers that are started inside have byte code, as those of an installed system do: pip compiles it."""
    before = os.environ.copy()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            with server(range(0)):
                pass  # this start compiles it
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def server(extensions: range, *, workers: int = 1) -> Iterator[Server]:
    """Run the system with these extensions on a free port of the loopback address."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = Path(folder) / "bench.toml"
        config.write_text(_config(extensions, port, folder, workers))
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "myphone_api.cli", "serve", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("BENCH_LOG") else subprocess.DEVNULL,
        )
        try:
            yield Server(process.pid, (HOST, port), first_answer((HOST, port)) - began)
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """A UDP port of the loopback address that nobody has at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _config(extensions: range, port: int, folder: str, workers: int) -> str:
    lines = [
        "[sip]",
        f'listen = "{HOST}"',
        f"udp_port = {port}",
        f"tcp_port = {port}",
        f'realm = "{REALM}"',
        "[media]",
        "port_range = [20000, 29998]",  # below the ports that systems hand out themselves
        f"workers = {workers}",
        "[store]",
        f'data_dir = "{folder}"',
    ]
    for number in extensions:
        lines += ["[[extensions]]", f'number = "{number}"', f'password = "{password_of(number)}"']
    return "\n".join(lines) + "\n"


def first_answer(address: tuple[str, int]) -> float:
    """Send OPTIONS until something comes back; when that was."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((HOST, 0))
        client.settimeout(0.02)
        options = (
            f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{client.getsockname()[1]};branch=z9hG4bKready\r\n"
            f"From: <sip:bench@{HOST}>;tag=1\r\nTo: <sip:{HOST}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        deadline = time.perf_counter() + 20
        while time.perf_counter() < deadline:
            client.sendto(options, address)
            try:
                client.recv(4096)
            except (TimeoutError, ConnectionRefusedError):
                continue
            return time.perf_counter()
    raise RuntimeError("the server did not answer within 20 s; set BENCH_LOG=1 to see its log")


def udp_yardstick(datagrams: int = 5000, size: int = 500) -> float:
    """CPU seconds that the least possible Python server spends on a datagram: receive it and send one back."""
    code = (
        "import socket,sys\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('127.0.0.1',0))\n"
        "print(s.getsockname()[1],flush=True)\n"
        "while True:\n"
        "    data,peer=s.recvfrom(65535); s.sendto(data,peer)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((HOST, port))
            client.settimeout(1)
            before = cpu_seconds(process.pid)
            for _ in range(datagrams):
                client.send(b"x" * size)
                client.recv(65535)
            return (cpu_seconds(process.pid) - before) / datagrams
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare_b2bua() -> Iterator[Server]:
    """Run `benchmarks/bare_b2bua.py`, a yardstick for what phones do."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.bare_b2bua", str(Path(folder) / "calls.db")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            address = HOST, int(process.stdout.readline())
            yield Server(process.pid, address, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(20)


class Measured(NamedTuple):
    """Medians of several rounds."""

    seconds: float
    """CPU of the server per unit of work."""
    yardstick: float
    """CPU seconds of the yardstick per datagram."""
    user_share: float
    """How much of `seconds` was spent outside the kernel, 0 to 1."""
    reference: float = 0.0
    """CPU seconds of the other server per unit, where there is one."""
    stolen: float = 0.0
    """What the host kept from a virtual machine, of all that its cores could have done meanwhile: 0 to 1. Where it is
    much, caches are cold, and all figures are higher than in a quiet hour."""

    @property
    def stolen_row(self) -> tuple[str, str]:
        """For a table."""
        return "kept from this machine by its host", f"{self.stolen:.1%}"

    def __str__(self) -> str:
        user = self.seconds * self.user_share
        return f"{self.seconds * 1e3:.3f} ms: {user * 1e3:.3f} user, {(self.seconds - user) * 1e3:.3f} kernel"


def compiled(name: str, folder: str) -> Path | None:
    """A program of benchmarks/reference, compiled to a folder; None without gcc. Raises CalledProcessError."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    target = Path(folder) / name
    subprocess.run([compiler, "-O2", "-o", target, REFERENCE / f"{name}.c"], check=True)
    return target


Unit = Callable[[], int]
"""Does one round of work and returns how many units that was."""


def measure(rounds: int, unit: Unit, pid: int, reference: tuple[Unit, int] | None = None) -> Measured:
    """Measure the processes of `pid`, and in turn with them those of another server: its `unit`, and their pid."""
    figures, yardsticks, references = [], [], list[float]()
    modes, machine = mode_ticks(pid), machine_ticks()
    for _ in range(rounds):
        yardsticks.append(udp_yardstick())
        figures.append(_cost(unit, pid))
        if reference is not None:
            references.append(_cost(*reference))
    user, system = (after - before for after, before in zip(mode_ticks(pid), modes, strict=True))
    stolen, ticks = (after - before for after, before in zip(machine_ticks(), machine, strict=True))
    figure, yardstick, other = map(statistics.median, (figures, yardsticks, references or [0.0]))
    return Measured(figure, yardstick, user / max(1, user + system), other, stolen / max(1, ticks))


def _cost(unit: Unit, pid: int) -> float:
    before = cpu_seconds(pid)
    done = unit()
    return (cpu_seconds(pid) - before) / done


def print_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Two columns under a title."""
    width = max(len(name) for name, _ in rows)
    print(title)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


Options = TypeVar("Options", bound=argparse.Namespace)


def parse_with_scenario(parser: argparse.ArgumentParser, options: Options) -> Options:
    """Fill `options` from the command line, and from the TOML file of its `--scenario` whatever that does not say.

    Exits with 2 where the file cannot be read or names an option that there is not.
    """
    parser.add_argument("--scenario", type=Path, help="a TOML file with options (see benchmarks/scenarios)")
    found = parser.parse_known_args()[0].scenario
    if found is not None:
        try:
            values = tomllib.loads(found.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            parser.error(f"{found}: {error}")
        unknown = set(values) - set(vars(parser.parse_args([])))
        if unknown:
            parser.error(f"{found}: there is no option {', '.join(sorted(unknown))}")
        parser.set_defaults(**values)
    return parser.parse_args(namespace=options)
