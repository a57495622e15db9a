"""A whole conference in a worker process, over real sockets."""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt
import pytest

from media.codecs import g711
from media.messages import JoinRoom, OpenStream
from media.plan import Codec
from tests.unit.media.processes import Phone, started
from tests.unit.media.studio import plan_for
from tests.unit.sipcore.net.loopback import HERE, run

COUNT = 32
TONES_HZ = [200 + 100 * number for number in range(COUNT)]
AMPLITUDE = 800
TIMES = np.arange(160 * 50) / 8000
MOMENT = 5
"""Packets of a tenth of a second."""
TURNS = np.exp(-2j * np.pi * np.outer(TONES_HZ, TIMES[:800])) * np.hanning(800)


@pytest.mark.row("CONF-01", "CONF-18")
def test_32_phones_hear_all_others_and_not_themselves() -> None:
    """Over real sockets: each sends a tone of its own, and the spectrum of what it hears has the other 31. They speak
    until each has heard everybody: on a slow machine packets are late here and there."""

    async def story() -> None:
        sounds = [
            g711.encode(Codec.PCMU, (AMPLITUDE * np.sin(2 * np.pi * tone * TIMES)).astype("<i2").tobytes())
            for tone in TONES_HZ
        ]
        async with started(2 * COUNT) as (worker, first):
            listeners = [Listener(worker.phone(), number) for number in range(COUNT)]
            ports = [first + 2 * number for number in range(COUNT)]
            for listener, port in zip(listeners, ports, strict=True):
                address = listener.phone.address
                worker.process.send(OpenStream(listener.number, port, plan_for(address)))
                worker.process.send(JoinRoom(listener.number, 1))
            loop = asyncio.get_running_loop()
            due, frame = loop.time(), 0
            while frame % 25 or not all(listener.has_heard_all() for listener in listeners):
                at = 160 * (frame % 50)
                for listener, port, sound in zip(listeners, ports, sounds, strict=True):
                    listener.phone.say([sound[at : at + 160]], (HERE, port))
                frame += 1
                due = max(due + 0.02, loop.time() - 0.1)  # after a standstill phones do not say all at once
                await asyncio.sleep(max(0, due - loop.time()))
            for listener in listeners:
                assert np.median(listener.own) < AMPLITUDE / 4

    run(story())


class Listener:
    """A phone, and what it has heard in tenths of a second in which half of the others could be heard at least."""

    def __init__(self, phone: Phone, number: int) -> None:
        self.phone = phone
        self.number = number
        self.own: list[float] = []
        """The amplitudes of its own tone."""
        self._heard = np.zeros(COUNT, bool)

    def has_heard_all(self) -> bool:
        """Listen to what has come; whether it has heard everybody else by now."""
        while len(self.phone.heard) >= MOMENT:
            moment, self.phone.heard = self.phone.heard[:MOMENT], self.phone.heard[MOMENT:]
            found = amplitudes(b"".join(moment))
            heard = found > AMPLITUDE / 2
            if np.count_nonzero(np.delete(heard, self.number)) >= COUNT // 2:
                self.own.append(found[self.number])
                self._heard |= heard
        return bool(np.delete(self._heard, self.number).all())


def amplitudes(payload: bytes) -> npt.NDArray[np.float64]:
    """Of each tone in a tenth of a second."""
    pcm = np.frombuffer(g711.decode(Codec.PCMU, payload), "<i2").astype(float)
    found: npt.NDArray[np.float64] = np.abs(TURNS @ pcm) * 2 / 400
    return found
