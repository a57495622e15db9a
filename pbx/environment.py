"""The outside world, handed in: clock, calendar, dice, network. Tests hand in a simulated one."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import field
from datetime import UTC, datetime
from functools import partial

from media.net import MediaNetwork, SocketMediaNetwork
from media.process import ForkServer
from pbx.dice import Dice
from pbx.mail.smtp import Mailer, SmtpMailer
from sipcore.net.network import Network, SystemNetwork
from values import dataclass

ENTROPY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Environment:
    """What a switch or a phone knows of the world around it."""

    now: Callable[[], float]
    """Monotonic seconds: the clock of the event loop."""
    wall: Callable[[], datetime]
    """The time of day, in UTC, for people and records; it may jump, so nothing is measured by it."""
    rng: random.Random
    """For identifiers and back-off times."""
    entropy: Callable[[], bytes]
    """32 unpredictable bytes, for secrets; in a simulation they come from its seed."""
    network: Network
    """The host's network, for signalling."""
    media_network: MediaNetwork
    """The host's network, for sound."""
    forks: ForkServer | None = None
    """Forks the workers that carry the sound; None: each is started anew."""
    threads: Callable[[], Executor] | None = None
    """Makes an executor with a single thread, for work that blocks (`pbx.blocking`); None: whoever wants it waits."""
    mailer: Mailer = field(default_factory=SmtpMailer)
    """The way to the mail server."""

    @classmethod
    def real(cls, forks: ForkServer | None = None) -> Environment:
        """The machine that this process runs on."""
        return cls(
            now=time.monotonic,  # also the clock of asyncio's own loops
            wall=partial(datetime.now, UTC),
            rng=Dice(),  # tags and branches are not to be guessed from those seen before
            entropy=lambda: os.urandom(ENTROPY_BYTES),
            network=SystemNetwork(),
            media_network=SocketMediaNetwork(),
            forks=forks,
            threads=partial(ThreadPoolExecutor, max_workers=1),
        )
