"""Packets that are relayed in arrays by the machine's own kernel arrive as they are."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, cast

from media.alarms import Alarms
from media.lane import UringLane
from media.plan import Codec, StreamPlan
from media.ports import PortPair
from media.rtp import RtpSender, parse_rtp
from media.stream import Stream
from media.ticker import Ticker
from tests.property.test_batch import Socket
from tests.unit.media.test_lane import House, heard_by, pytestmark, with_house  # noqa: F401
from tests.unit.sipcore.net.loopback import HERE, until

STREAMS = 8


def test_each_phone_hears_its_partner_in_order() -> None:
    lane = UringLane(busy_rate=0.0)
    lane.use_arrays()

    async def story(house: House) -> None:
        loop = asyncio.get_running_loop()
        alarms, dice = Alarms(loop), Random(1)
        streams = [
            Stream(
                number,
                PortPair(port.address[1], port.socket, cast(Any, Socket(cast(Any, loop)))),
                StreamPlan(Codec.PCMU, 0, 0, phone.address, trusted_hosts=frozenset({HERE})),
                dice,
                Ticker(loop),
                alarms,
                lambda *facts: None,
            )
            for number, (port, phone) in enumerate(zip(house.ports, house.phones, strict=True))
        ]
        for number, stream in enumerate(streams):
            stream.bridge(streams[number ^ 1])
        senders, heard = [RtpSender(dice) for _ in streams], [list[bytes]() for _ in streams]

        def hear() -> list[int]:
            """How much each has heard."""
            for phone, kept in zip(house.phones, heard, strict=True):
                while data := heard_by(phone._socket):
                    kept.append(data)
            return [len(kept) for kept in heard]

        async def say(turn: int) -> None:
            """All at once; it is waited until all have heard it."""
            before = hear()
            for number, sender in enumerate(senders):
                house.say(number, sender.packet(0, bytes([number, turn % 256]) * 80, 160))
            await until(lambda: all(now > was for now, was in zip(hear(), before, strict=True)))

        try:
            turn = 0
            while lane._express is not None and len(lane._express.routes) < STREAMS:
                await say(turn := turn + 1)
            begun = turn
            for turn in range(begun + 1, begun + 50):
                await say(turn)
            for number, kept in enumerate(heard):
                packets = [parse_rtp(data) for data in kept[-49:]]
                assert [packet and packet.payload for packet in packets] == [
                    bytes([number ^ 1, turn % 256]) * 80 for turn in range(begun + 1, begun + 50)
                ]
                assert streams[number].statistics().packets_sent == len(kept)
        finally:
            for stream in streams:
                stream.close()

    with_house(STREAMS, story, lane=lane)
