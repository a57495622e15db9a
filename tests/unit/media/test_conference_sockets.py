"""A whole conference in a worker process, over real sockets."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.codecs import g711
from media.messages import JoinRoom, OpenStream
from media.plan import Codec
from tests.unit.media.processes import Phone, started
from tests.unit.media.studio import plan_for
from tests.unit.sipcore.net.loopback import HERE, run

COUNT = 32
TONES_HZ = [200 + 100 * number for number in range(COUNT)]
TIMES = np.arange(160 * 50) / 8000
LATELY = 50
"""Packets of a second."""


@pytest.mark.row("CONF-01", "CONF-18")
def test_32_phones_hear_all_others_and_not_themselves() -> None:
    """Over real sockets: each sends a tone of its own, and the spectrum of what it hears has the other 31. They speak
    until each has had a moment of that: on a slow machine packets are late here and there."""

    async def story() -> None:
        sounds = [
            g711.encode(Codec.PCMU, (800 * np.sin(2 * np.pi * tone * TIMES)).astype("<i2").tobytes())
            for tone in TONES_HZ
        ]
        async with started(2 * COUNT) as (worker, first):
            phones = [worker.phone() for _ in range(COUNT)]
            ports = [first + 2 * number for number in range(COUNT)]
            for number, (phone, port) in enumerate(zip(phones, ports, strict=True)):
                worker.process.send(OpenStream(number, port, plan_for(phone.address)))
                worker.process.send(JoinRoom(number, 1))
            loop = asyncio.get_running_loop()
            due, frame, listening = loop.time(), 0, dict(enumerate(phones))
            while listening:
                at = 160 * (frame % 50)
                for phone, port, sound in zip(phones, ports, sounds, strict=True):
                    phone.say([sound[at : at + 160]], (HERE, port))
                frame += 1
                if frame % 25 == 0:
                    listening = {
                        number: phone
                        for number, phone in listening.items()
                        if not hears_the_others(phone, number)
                    }
                due = max(due + 0.02, loop.time() - 0.1)  # after a standstill phones do not say all at once
                await asyncio.sleep(max(0, due - loop.time()))

    run(story())


def hears_the_others(phone: Phone, number: int) -> bool:
    """Whether a phone has lately heard all tones but its own, through a tenth of a second."""
    lately = phone.heard[-LATELY:]
    if len(lately) < LATELY:
        return False
    pcm = np.frombuffer(g711.decode(Codec.PCMU, b"".join(lately)), "<i2").astype(float)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(800) / 8000, TONES_HZ))
    amplitudes = np.abs(pcm.reshape(10, 800) * np.hanning(800) @ turns) * 2 / 400
    others = np.delete(amplitudes, number, axis=1).min(axis=1)
    return bool(np.any((amplitudes[:, number] < 200) & (others > 400)))
