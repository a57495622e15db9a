"""A whole conference in a worker process, over real sockets."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.codecs import g711
from media.messages import JoinRoom, OpenStream
from media.plan import Codec
from tests.unit.media.studio import plan_for
from tests.unit.media.test_worker import Phone, started
from tests.unit.sipcore.net.loopback import HERE, run, until


@pytest.mark.row("CONF-01", "CONF-18")
def test_32_phones_hear_all_others_and_not_themselves() -> None:
    """Over real sockets: each sends a tone of its own, and the spectrum of what it hears has the other 31."""

    async def story() -> None:
        count = 32
        tones = [200 + 100 * number for number in range(count)]
        times = np.arange(160 * 50) / 8000
        async with started(2 * count) as (worker, first):
            phones = [Phone() for _ in range(count)]
            ports = [first + 2 * number for number in range(count)]
            for number, (phone, port) in enumerate(zip(phones, ports, strict=True)):
                worker.process.send(OpenStream(number, port, plan_for(phone.address)))
                worker.process.send(JoinRoom(number, 1))
            sounds = [
                g711.encode(Codec.PCMU, (800 * np.sin(2 * np.pi * tone * times)).astype("<i2").tobytes())
                for tone in tones
            ]
            due = asyncio.get_running_loop().time()
            for frame in range(200):
                at = 160 * (frame % 50)
                for phone, port, sound in zip(phones, ports, sounds, strict=True):
                    phone.say([sound[at : at + 160]], (HERE, port))
                due += 0.02
                await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            await until(lambda: all(len(phone.heard) > 150 for phone in phones))
            for phone, own in zip(phones, tones, strict=True):
                levels = {tone: loudness(phone.heard[75:125], tone) for tone in tones}
                assert levels.pop(own) < 200
                assert min(levels.values()) > 400
                phone.close()

    def loudness(payloads: list[bytes], tone: int) -> float:
        """The amplitude of a tone: its median over tenths of a second, as packets may be late here and there."""
        pcm = np.frombuffer(g711.decode(Codec.PCMU, b"".join(payloads)), "<i2").astype(float)
        pieces = pcm.reshape(10, -1) * np.hanning(800)
        turns = np.exp(-2j * np.pi * tone * np.arange(800) / 8000)
        return float(np.median(np.abs(pieces @ turns)) * 2 / 400)

    run(story())
