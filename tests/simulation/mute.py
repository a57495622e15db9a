"""A media engine without sound, for offices in which signalling alone is played: it hands out ports, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle, islice
from random import Random

from media.messages import (
    CloseStream,
    Command,
    Event,
    FillPorts,
    OpenStream,
    PortsReady,
    Statistics,
    StreamClosed,
)
from media.net import MediaNetwork

PORTS_AT_ONCE = 64


class MuteEngine:
    """In the place of `media.service.InlineEngine`. What it holds is told as it is there, so that leaks show."""

    def __init__(
        self,
        network: MediaNetwork,
        host: str,
        port_range: tuple[int, int],
        random: Random,
        tell: Callable[[Event], None],
        number: int = 0,
        *,
        threads: bool = False,
        codecs: Iterable[str] = (),
    ) -> None:
        self._ports = cycle(range(port_range[0], port_range[1], 2))
        self._tell = tell
        self._number = number
        self._streams: set[int] = set()

    async def start(self) -> None:
        """Give the first ports."""
        self.send(FillPorts(0))

    def send(self, command: Command) -> None:
        """Open and close streams; all else is sound."""
        if isinstance(command, FillPorts):
            self._tell(PortsReady(self._number, tuple(islice(self._ports, PORTS_AT_ONCE))))
        elif isinstance(command, OpenStream):
            self._streams.add(command.stream)
        elif isinstance(command, CloseStream) and command.stream in self._streams:
            self._streams.remove(command.stream)
            self._tell(StreamClosed(command.stream, Statistics()))

    async def stop(self) -> None:
        """Fails if a stream is left."""
        assert self._streams == set()
