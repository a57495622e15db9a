"""What a leg needs around it: the switch has it, and so has a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from media.plan import Codec
    from media.service import MediaService
    from pbx.environment import Environment
    from pbx.leg import Leg
    from pbx.media_keys import Srtp
    from sipcore.endpoint import Endpoint
    from sipcore.net.driver import Driver


class Legs(Protocol):
    """The book of the legs that exist."""

    def add(self, leg: Leg) -> None:
        """A leg begins."""

    def discard(self, leg: Leg) -> None:
        """A leg has ended."""

    @property
    def changed(self) -> Callable[[str], None]:
        """Is told whose legs are in another state, or talk to somebody else, if these are `followed`."""

    @property
    def followed(self) -> Container[str]:
        """Whose legs somebody watches."""

    def lend(self, stream: int, leg: Leg) -> None:
        """What another stream tells is told to the leg too, until that is closed."""


class Station(Protocol):
    """Whoever has legs."""

    environment: Environment
    loop: asyncio.AbstractEventLoop
    endpoint: Endpoint
    driver: Driver
    media: MediaService
    codecs: tuple[Codec, ...]
    """What it speaks, preferred ones first."""
    srtp: Srtp
    """When sound is secured."""

    @property
    def legs(self) -> Legs:
        """Where legs are entered and struck out."""
