"""The simulator must not invent or lose anything that its profile does not allow: whatever the link."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sipcore.transport.flow import Address
from tests.simulation.impairment import Bursts, Profile
from tests.simulation.simulation import Simulation

HERE, THERE = Address("10.0.0.1", 5060), Address("10.0.0.2", 5060)

chances = st.floats(0, 0.9)
profiles = st.builds(
    Profile,
    delay_seconds=st.floats(0, 2),
    jitter_seconds=st.floats(0, 2),
    loss=chances,
    bursts=st.none() | st.builds(Bursts, start=chances, stop=st.floats(0.1, 1), loss=st.floats(0, 1)),
    duplication=chances,
    reordering=chances,
    reordering_seconds=st.floats(0, 2),
    segment_bytes=st.integers(1, 50),
)


@given(seed=st.integers(0, 2**32), profile=profiles, writes=st.lists(st.binary(max_size=120), max_size=8))
def test_streams_deliver_every_byte_in_order(seed: int, profile: Profile, writes: list[bytes]) -> None:
    received: list[bytes] = []

    async def story() -> None:
        server = simulation.network.host(THERE.host, link=profile)
        client = simulation.network.host(HERE.host, link=profile)
        await server.listen(THERE, lambda stream: setattr(stream, "receive", received.append))
        stream = await client.connect(THERE)
        for data in writes:
            stream.write(data)
        await asyncio.sleep(3600)

    with Simulation(seed) as simulation:
        simulation.run(story())
    assert b"".join(received) == b"".join(writes)


@given(seed=st.integers(0, 2**32), profile=profiles, count=st.integers(0, 30))
def test_datagrams_arrive_unchanged_and_a_seed_settles_when(seed: int, profile: Profile, count: int) -> None:
    def trace() -> list[tuple[float, bytes]]:
        arrivals: list[tuple[float, bytes]] = []

        async def story() -> None:
            host = simulation.network.host(THERE.host, link=profile)
            host.open_udp(THERE, lambda data, source: arrivals.append((simulation.loop.time(), data)))
            client = simulation.network.host(HERE.host, link=profile)
            sender = client.open_udp(HERE, lambda data, source: None)
            for number in range(count):
                sender.send(bytes([number]), THERE)
                await asyncio.sleep(0.02)
            await asyncio.sleep(60)

        with Simulation(seed) as simulation:
            simulation.run(story())
        return arrivals

    arrivals = trace()
    assert {data for _, data in arrivals} <= {bytes([number]) for number in range(count)}
    assert len(arrivals) <= 4 * count  # each of the two links may double it
    assert trace() == arrivals
