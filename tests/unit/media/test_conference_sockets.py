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
    until each has had a second of that: on a slow machine packets are late here and there."""

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
            due, frame, listening = loop.time(), 0, dict(zip(phones, TONES_HZ, strict=True))
            while listening:
                at = 160 * (frame % 50)
                for phone, port, sound in zip(phones, ports, sounds, strict=True):
                    phone.say([sound[at : at + 160]], (HERE, port))
                frame += 1
                if frame % 25 == 0:
                    listening = {
                        phone: own for phone, own in listening.items() if not hears_the_others(phone, own)
                    }
                due = max(due + 0.02, loop.time() - 0.1)  # after a standstill phones do not say all at once
                await asyncio.sleep(max(0, due - loop.time()))

    run(story())


def hears_the_others(phone: Phone, own_hz: int) -> bool:
    """Whether a phone has lately heard all tones but its own."""
    lately = phone.heard[-LATELY:]
    if len(lately) < LATELY:
        return False
    pcm = np.frombuffer(g711.decode(Codec.PCMU, b"".join(lately)), "<i2").astype(float)
    levels = {tone: loudness(pcm, tone) for tone in TONES_HZ}
    return levels.pop(own_hz) < 200 and min(levels.values()) > 400


def loudness(pcm: np.ndarray, tone_hz: int) -> float:
    """The amplitude of a tone: its median over tenths of a second."""
    pieces = pcm.reshape(10, -1) * np.hanning(800)
    turns = np.exp(-2j * np.pi * tone_hz * np.arange(800) / 8000)
    return float(np.median(np.abs(pieces @ turns)) * 2 / 400)
