"""What do a digest registration and a basic call cost in Python alone, without the kernel?

python -m benchmarks.signalling [registration|call] [--units 1000] [--rounds 5] [--profile]

The whole switch runs in this process, media engine included, on a network that is a list and by a clock that is a
variable. What phones say to it is recorded first; then another switch of the same seed, which gives the same answers,
hears the recording: so the cost of the phones is not in the figure. The clock goes on by 10 ms a unit, and timers of
transactions run out as they do with a hundred calls in a second. The yardstick does the least that any Python could
with the same messages: it splits them into names and values, and joins them.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import random
import selectors
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.harness import HOST, REALM, password_of, print_table
from benchmarks.load import BarePhone, calling
from benchmarks.message import split_and_join
from media.net import Receive
from pbx.config import parse
from pbx.environment import Environment
from pbx.switch import Switch
from sipcore.net.network import SystemNetwork
from sipcore.transport.flow import Address

NUMBERS = range(1000, 1020)
SERVER = Address(HOST, 5060)
SEED = 1
UNIT_SECONDS = 0.01
WARM_UP = 200
"""Units that are heard before those that are measured."""


@dataclass(frozen=True, slots=True)
class Work:
    """One unit of what is measured."""

    name: str
    dialogue: Callable[[BarePhone, BarePhone], Iterator[None]]
    """Pauses wherever it is the server's turn."""
    turns: int
    """Of the event loop that the server takes then."""


REGISTRATION = Work("registration", lambda phone, _: phone.registering(), 1)
CALL = Work("call", calling, 1)
WORKS = {work.name: work for work in (REGISTRATION, CALL)}


@dataclass(frozen=True, slots=True)
class PureCost:
    """CPU seconds per unit: medians of several rounds."""

    seconds: float
    yardstick: float
    messages: float
    """Received and sent, per unit."""

    def __str__(self) -> str:
        return (
            f"{self.seconds * 1e3:.3f} ms, {self.seconds / self.messages * 1e6:.1f} us a message, "
            f"{self.seconds / self.yardstick:.1f} yardsticks"
        )


# -- a world without a kernel ------------------------------------------------------------------------


class StillSelector(selectors.BaseSelector):
    """Nothing ever becomes ready."""

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands until it is moved."""

    def __init__(self) -> None:
        super().__init__(StillSelector())
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class MemorySocket:
    """The server's UDP socket, or one for sound that is never sent."""

    def __init__(self, local: Address, receive: Any) -> None:
        self.local = local
        self._receive = receive
        self._heard: list[tuple[bytes, Address]] = []
        self.sent: list[tuple[bytes, Address]] = []

    def hear(self, datagram: tuple[bytes, Address]) -> None:
        """A datagram has come."""
        self._heard.append(datagram)

    def wake(self) -> None:
        """The server reads what has come."""
        heard, self._heard = self._heard, []
        if heard:
            self._receive(heard)

    def send(self, data: bytes, remote: Any) -> None:
        self.sent.append((data, remote))

    def too_much(self, excess: Any) -> None:
        """All is heard."""

    def connect(self, remote: Any) -> None:
        """Only sound is connected."""

    def disconnect(self) -> None:
        """Nor disconnected."""

    def close(self) -> None:
        """Nothing is held."""


class MemoryNetwork(SystemNetwork):
    """Where the server opens its sockets."""

    def bind_udp(self, local: Address, receive: Any) -> Any:
        self.udp = MemorySocket(local, receive)
        return self.udp

    def open_media(self, local: tuple[str, int], receive: Receive) -> Any:
        return MemorySocket(Address(*local), receive)

    def open_batch(self, slots: memoryview, packets: memoryview) -> None:
        return None


class MemoryWire:
    """A phone's way to the server: notes what it says."""

    def __init__(self, server: MemorySocket, local: Address, script: list[Any]) -> None:
        self.heard: deque[bytes] = deque()
        self._server, self._local, self._script = server, local, script

    def send(self, data: bytes) -> int:
        self._script.append((data, self._local))
        self._server.hear((data, self._local))
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self.heard:
            raise TimeoutError("the server has not answered")
        return self.heard.popleft()

    def settimeout(self, seconds: float) -> None:
        """What has not come by now does not come."""

    def close(self) -> None:
        """Nothing is held."""


async def _open_switch(network: MemoryNetwork) -> Switch:
    dice, loop = random.Random(SEED), asyncio.get_running_loop()
    epoch = datetime(2009, 9, 21, 8, tzinfo=UTC)
    environment = Environment(
        now=loop.time,
        wall=lambda: epoch + timedelta(seconds=loop.time()),
        rng=dice,
        entropy=lambda: dice.randbytes(32),
        network=network,
        media_network=network,
    )
    extensions = [{"number": str(number), "password": password_of(number)} for number in NUMBERS]
    sip = {"listen": HOST, "tcp_port": 0, "tls_port": 0, "realm": REALM}
    switch = Switch(
        environment, parse({"sip": sip, "media": {"workers": 0}, "extensions": extensions}), prompts=None
    )
    await switch.start()
    return switch


# -- record and replay -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recording:
    """What phones said: datagrams and their senders, turns of the loop between, and None where a unit ends."""

    script: list[tuple[bytes, Address] | int | None]
    begin: int
    """Where what is measured begins: before it phones register, and caches become warm."""
    sent: list[tuple[bytes, Address]]
    """What the server answered to that."""
    units: int

    @property
    def messages(self) -> list[bytes]:
        """Received and sent."""
        received = [step[0] for step in self.script[self.begin :] if isinstance(step, tuple)]
        return received + [data for data, _ in self.sent]


def record(work: Work, units: int) -> Recording:
    """Let phones do so many units of work with a switch, and note what they say to it."""
    recording: Recording = _run(_record(work, units))
    return recording


async def _record(work: Work, units: int) -> Recording:
    network, script = MemoryNetwork(), list[Any]()
    switch = await _open_switch(network)
    wires = {}
    phones = []
    for index, number in enumerate(NUMBERS):
        local = Address(f"10.0.1.{index}", 5060)
        wires[local] = MemoryWire(network.udp, local, script)
        phones.append(BarePhone(number, SERVER, (wires[local], local.port)))

    async def turn(turns: int) -> None:
        if not isinstance(script[-1], tuple):  # the server has heard nothing since
            return
        script.append(turns)
        network.udp.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        for data, remote in network.udp.sent[delivered[0] :]:
            wires[remote].heard.append(data)
        delivered[0] = len(network.udp.sent)

    async def hold(dialogue: Iterator[None]) -> None:
        for _ in dialogue:
            await turn(work.turns)
        await turn(work.turns)
        script.append(None)
        _pass_time()

    delivered = [0]
    for phone in phones:
        await hold(phone.registering())
    begin = answers = 0
    for index in range(WARM_UP + units):
        if index == WARM_UP:
            begin, answers = len(script), len(network.udp.sent)
        first = 2 * index % len(phones)
        await hold(work.dialogue(phones[first], phones[first + 1]))
    sent = network.udp.sent[answers:]
    await _close(switch)
    return Recording(script, begin, sent, units)


def replay(recording: Recording, profile: cProfile.Profile | None = None) -> float:
    """CPU seconds of a switch that hears what was recorded. Raises RuntimeError where it answers otherwise."""
    seconds: float = _run(_replay(recording, profile))
    return seconds


async def _replay(recording: Recording, profile: cProfile.Profile | None) -> float:
    network = MemoryNetwork()
    switch = await _open_switch(network)
    await _hear(network.udp, recording.script[: recording.begin])
    network.udp.sent.clear()
    gc.collect()
    gc.freeze()  # as the server does
    if profile is not None:
        profile.enable()
    before = time.process_time()
    await _hear(network.udp, recording.script[recording.begin :])
    seconds = time.process_time() - before
    if profile is not None:
        profile.disable()
    gc.unfreeze()
    if network.udp.sent != recording.sent:
        raise RuntimeError("the switch gave other answers than before")
    await _close(switch)
    return seconds


async def _hear(socket: MemorySocket, script: list[tuple[bytes, Address] | int | None]) -> None:
    for step in script:
        if isinstance(step, tuple):
            socket.hear(step)
        elif step is None:
            _pass_time()
        else:
            socket.wake()
            for _ in range(step):
                await asyncio.sleep(0)


def _pass_time() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StillLoop)
    loop.now += UNIT_SECONDS


async def _close(switch: Switch) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StillLoop)
    stopping = loop.create_task(switch.stop())
    while not stopping.done():
        loop.now += 1.0
        await asyncio.sleep(0)


def _run(coroutine: Any) -> Any:
    loop = StillLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


# -- figures ---------------------------------------------------------------------------------------


def pure_cost(work: Work, units: int, rounds: int) -> PureCost:
    """Measure so many rounds of so many units."""
    recording = record(work, units)
    messages = recording.messages
    figures, yardsticks = [], []
    for _ in range(rounds):  # interleaved: what slows the machine slows both
        before = time.process_time()
        split_and_join(messages)
        yardsticks.append((time.process_time() - before) / units)
        figures.append(replay(recording) / units)
    return PureCost(statistics.median(figures), statistics.median(yardsticks), len(messages) / units)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", choices=WORKS, help="default: both")
    parser.add_argument("--units", type=int, default=1000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="say in which functions the time goes")
    options = parser.parse_args()
    gc.set_threshold(20_000)  # as the server does
    for name in [options.work] if options.work else WORKS:
        if options.profile:
            profile = cProfile.Profile()
            replay(record(WORKS[name], options.units), profile)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        else:
            cost = pure_cost(WORKS[name], options.units, options.rounds)
            print_table(
                f"{name}, in this process and without sockets",
                [
                    ("CPU", str(cost)),
                    ("split and join the bytes (yardstick)", f"{cost.yardstick * 1e3:.4f} ms"),
                    ("messages, in and out", f"{cost.messages:.0f}"),
                ],
            )


if __name__ == "__main__":
    main()
