"""The machine's own network, where no test may take longer than the slowest machine needs."""

from __future__ import annotations

import asyncio
import gc
import traceback
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sipcore.net.network import Listener, Stream, SystemNetwork, UdpSocket
from sipcore.net.tcp import SystemListener
from sipcore.net.udp import Receive
from sipcore.transport.flow import Address

HERE = "127.0.0.1"
PATIENCE_SECONDS = 120.0

Result = TypeVar("Result")


def run(
    story: Coroutine[Any, Any, Result],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop,
) -> Result:
    """Run a story on a loop with real sockets; what any callback raises is a failure.

    What a story leaves open when it fails is closed at once: else an innocent test would fail by a ResourceWarning.
    """
    failures: list[dict[str, Any]] = []

    async def limited() -> Result:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await story

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            result = runner.run(limited())
    except BaseException as error:
        _close_what_is_open(error)
        raise
    assert failures == []
    return result


def _close_what_is_open(error: BaseException) -> None:
    """Free what the frames of a failure hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        cause: BaseException | None = error
        while cause is not None:
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__cause__ or cause.__context__
        gc.collect()


class Loopback(SystemNetwork):
    """Notes which ports the kernel chose, and knows names that the resolver need not know."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Address] = []
        self.names: dict[str, str] = {}

    async def resolve(self, host: str) -> list[str]:
        return [self.names[host]] if host in self.names else await super().resolve(host)

    def bind_udp(self, local: Address, receive: Receive) -> UdpSocket:
        opened = super().bind_udp(local, receive)
        self.opened.append(opened.local)
        return opened

    async def listen(self, local: Address, accept: Callable[[Stream], None], tls: Any = None) -> Listener:
        listener = await super().listen(local, accept, tls)
        assert isinstance(listener, SystemListener)
        self.opened.append(listener.local)
        return listener


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something holds; a condition that never does runs into the limit of `run`."""
    while not condition():
        await asyncio.sleep(0.001)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed or reset."""
    received = b""
    try:
        while data := await reader.read(65536):
            received += data
    except ConnectionResetError:
        pass
    return received
