"""What waits: in order, once, within bounds; and when there is too much to do, everybody is told so in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random

import pytest

from sipcore.effects import Arrived, Effect, Invited
from sipcore.net import inbox
from sipcore.net.inbox import MAX_WAITING, MAX_WAITING_BYTES, SLICE_SECONDS, Inbox, Sender
from sipcore.net.limits import Limits
from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from tests.simulation.loop import JumpingLoop
from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.unit.sipcore.net.serving import Datagrams, SimulatedServer, connect, options, serving

PHONE = Address("192.0.2.7", 5060)
T1_SECONDS = 0.5


class Work:
    """Takes a millisecond for each datagram; turns nothing away."""

    def __init__(self) -> None:
        self.loop = JumpingLoop()
        self.taken: list[bytes] = []
        self.pauses = 0
        self.inbox = Inbox(self.loop, self._take, lambda data, sender, waited: False, self._pause)

    def _take(self, data: bytes, sender: Sender, now: float) -> None:
        self.taken.append(data)
        self.loop.work(0.001)

    def _pause(self) -> None:
        self.pauses += 1


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.loop.close()


def turn(work: Work) -> None:
    work.loop.call_soon(work.loop.stop)
    work.loop.run_forever()


def test_others_have_their_turn(work: Work) -> None:
    numbers = [b"%d" % number for number in range(20)]
    for number in numbers:
        work.inbox.put([(number, PHONE)], work.loop.time())
    turn(work)
    assert len(work.taken) <= SLICE_SECONDS / 0.001 + 1
    while len(work.inbox):
        turn(work)
    assert work.taken == numbers


def test_one_that_fails_does_not_keep_the_others_waiting(work: Work) -> None:
    loop = work.loop
    taken: list[bytes] = []

    def take(data: bytes, sender: Sender, now: float) -> None:
        taken.append(data)
        if data == b"bad":
            raise LookupError

    pauses: list[int] = []
    inbox = Inbox(loop, take, lambda data, sender, waited: False, lambda: pauses.append(len(taken)))
    with pytest.raises(LookupError):
        inbox.work([[(word, PHONE) for word in (b"bad", b"good")]], loop.time())
    assert (taken, pauses) == ([b"bad"], [1])
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert (taken, pauses) == ([b"bad", b"good"], [1, 2])


def test_who_sends_many_delays_himself_alone(work: Work) -> None:
    for number in range(100):
        work.inbox.put([(b"one of many", Address("192.0.2.7", 1024 + number))], work.loop.time())
    for word in (b"first", b"second"):
        work.inbox.put([(word, Address("192.0.2.8", 5060))], work.loop.time())
    while len(work.inbox):
        turn(work)
    assert (work.taken.index(b"first"), work.taken.index(b"second"), len(work.taken)) == (1, 3, 102)


def test_what_is_repeated_while_it_waits_is_handled_once(work: Work) -> None:
    for host in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
        work.inbox.put([(b"hello", Address(host, 5060))], work.loop.time())
    turn(work)
    assert work.taken == [b"hello", b"hello"]
    work.inbox.put([(b"hello", PHONE)], work.loop.time())
    turn(work)
    assert len(work.taken) == 3


def host(number: int) -> Address:
    return Address(f"10.0.{number // 250}.{number % 250}", 5060)


def flood(work: Work, sources: list[Address], messages: int, size: int = 1) -> int:
    """So many messages of each, in turn, of that size or a little more; how many had no room."""
    numbers = (b"%d" % number * size for number in range(messages))
    return len(work.inbox.put([(data, source) for data in numbers for source in sources], work.loop.time()))


def test_there_is_an_end_to_what_is_kept(work: Work) -> None:
    everybody = [host(number) for number in range(MAX_WAITING)]
    assert (flood(work, everybody, 1), len(work.inbox)) == (0, MAX_WAITING)
    assert flood(work, [PHONE], 5) == 5
    work.inbox.work([[(b"one", PHONE), (b"two", PHONE)]], work.loop.time())
    assert (work.inbox.lost, len(work.inbox)) == (2, MAX_WAITING)
    work.inbox.clear()
    assert flood(work, everybody[:1000], 1, 60_000) > 0
    assert len(work.inbox) == MAX_WAITING_BYTES // 60_000
    work.inbox.clear()
    flood(work, [PHONE], 1)
    work.inbox.clear()
    assert len(work.inbox) == 0
    turn(work)
    assert work.taken == []


def test_one_that_waits_alone_takes_room(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 1)
    assert work.inbox.put([(b"alone", PHONE), (b"another", PHONE)], 0.0) == [(b"another", PHONE)]


@pytest.mark.parametrize("size", [1, 5000])
@pytest.mark.parametrize("floods", [1, 2, 4])
def test_a_flood_leaves_as_much_room_as_each_of_its_sources_takes(work: Work, floods: int, size: int) -> None:
    lost = flood(work, [host(number) for number in range(floods)], MAX_WAITING, size)
    taken = work.inbox._bytes / MAX_WAITING_BYTES if size > 1 else len(work.inbox) / MAX_WAITING
    assert lost > 0
    assert taken == pytest.approx(floods / (floods + 1), abs=0.001)
    assert flood(work, [PHONE], 100) == 0


def test_a_flood_is_who_has_much_waiting_and_nobody_for_whom_others_have_left_no_room(work: Work) -> None:
    def send(sender: Address) -> dict[str, int]:
        work.inbox.work([[(b"hello", sender)]], work.loop.time())
        return work.inbox.excess

    everybody = [host(number) for number in range(MAX_WAITING)]
    flood(work, everybody, 1)
    assert (send(PHONE), send(host(0)._replace(port=1))) == ({}, {})
    work.inbox.clear()
    flood(work, [host(0)], MAX_WAITING // 2)
    assert send(host(1)) == {}
    assert send(host(0)) == {host(0).host: 1}


def test_what_comes_over_connections_waits_for_its_turn_as_long_as_there_is_room(work: Work) -> None:
    """All that the rate of a source lets it send at once: what has no room is handled before all that others have."""
    flow, burst = Flow(Transport.TCP, host(1), PHONE, 1), int(Limits().burst)
    assert work.inbox.put([(b"%d" % number, flow) for number in range(burst - 1)], 0.0) == []
    assert work.inbox.put([(b"hello", host(2))], 0.0) == []
    assert work.inbox.put([(b"too much", flow)], 0.0) == [(b"too much", flow)]


def test_a_thousand_phones_behind_one_address_may_come_back_together(work: Work) -> None:
    """Each with a registration and nine subscriptions."""
    home = [Address("192.0.2.7", 1024 + number) for number in range(1000)]
    assert flood(work, home, 10) == 0


# -- the whole driver --------------------------------------------------------------------------------


def slow(simulation: Simulation, server: SimulatedServer, seconds: float) -> None:
    """Let each request take so long."""

    def before(effect: Effect) -> None:
        if isinstance(effect, Arrived | Invited):
            simulation.loop.work(seconds)

    server.before = before


def invite(number: int, user: bytes = b"101") -> bytes:
    """A call."""
    request = options(number, transport="UDP").replace(b"OPTIONS sip:", b"INVITE sip:" + user + b"@")
    return request.replace(b"OPTIONS", b"INVITE").replace(b"To:", b"Contact: <sip:100@10.0.1.1>\r\nTo:")


def statuses(udp: Datagrams) -> list[int]:
    return [int(message[8:11]) for message in udp.received if message.startswith(b"SIP/2.0 ")]


async def test_what_waits_too_long_is_asked_to_come_later_and_calls_are_not(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        slow(simulation, server, 0.01)
        udp = Datagrams(client)
        server.driver.urgent = lambda user: user == "112"
        began = simulation.loop.time()
        for number in range(1, 101):
            udp.send(options(number, transport="UDP"))
        for number in (200, 201):
            udp.send(invite(number))
        while sum(status != 100 for status in statuses(udp)) < 100:
            await asyncio.sleep(0.01)
        assert simulation.loop.time() - began < T1_SECONDS
        assert 15 < statuses(udp).count(200) < 25
        assert statuses(udp).count(200) + statuses(udp).count(503) == 100
        assert sum(isinstance(effect, Invited) for effect in server.told) == 2
        for number in range(1, 11):  # answered already: their transactions answer again
            udp.send(options(number, transport="UDP"))
        await asyncio.sleep(1)
        assert statuses(udp)[-10:] == [200] * 10


async def test_no_answer_waits_for_more_than_a_slice_of_what_came_with_its_request(
    simulation: Simulation, client: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(simulation) as server:
        slow(simulation, server, 0.001)
        asked, answered = list[float](), list[float]()
        server.after = lambda effect: asked.append(simulation.loop.time())
        monkeypatch.setattr(
            server.driver._udp, "send", lambda data, remote: answered.append(simulation.loop.time())
        )
        udp = Datagrams(client)
        for number in range(1, 101):
            udp.send(options(number, transport="UDP"))
        await asyncio.sleep(1)
        assert len(asked) == len(answered) == 100
        waited = [then - when for when, then in zip(asked, answered, strict=True)]
        assert 0.003 < max(waited) <= SLICE_SECONDS


async def test_requests_over_a_connection_are_asked_to_come_later_too(
    simulation: Simulation, client: HostNetwork
) -> None:
    """And what belongs to a call that exists is served, however long it has waited."""
    async with serving(simulation) as server:
        slow(simulation, server, 0.01)
        connection = await connect(client)
        requests = [options(number) for number in range(1, 101)]
        inside = options(200).replace(b"To: <sip:server>", b"To: <sip:server>;tag=gone")
        connection.stream.write(b"".join([*requests, inside]))
        while len(connection.statuses) < 101:
            await asyncio.sleep(0.01)
        assert 15 < connection.statuses.count(200) < 25
        assert connection.statuses.count(200) + connection.statuses.count(503) == 100
        assert connection.statuses[-1] == 481
        assert connection.received.count(b"Retry-After: ") == connection.statuses.count(503)


async def test_a_flood_costs_no_other_phone_an_answer(
    simulation: Simulation, client: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 50)
    async with serving(simulation) as server:
        slow(simulation, server, 0.01)
        flooding, phone = Datagrams(client), Datagrams(simulation.network.host("10.0.1.2", "phone"))
        for number in range(100, 130):
            for each in range(100):
                flooding.send(invite(number * 100 + each))
            phone.send(options(number, transport="UDP", host="10.0.1.2"))
            await asyncio.sleep(0.02)
        await asyncio.sleep(5)
        assert statuses(phone) == [200] * 30
        assert len(flooding.received) < 3000, "all that was lost was of the flood"


async def test_the_socket_is_told_what_is_too_much(
    simulation: Simulation, client: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who sends more than his rate, nor who sends more than may wait."""
    async with serving(simulation, limits=Limits(messages_per_second=1000.0, burst=1000.0)) as server:
        told = Counter[str]()
        monkeypatch.setattr(server.driver._udp, "too_much", told.update)
        flooding = Datagrams(client)
        for number in range(1000):
            flooding.send(options(number, transport="UDP"))
        await asyncio.sleep(0.1)
        assert told == {}
        for number in range(2000, 3100):
            flooding.send(options(number, transport="UDP"))
        await asyncio.sleep(1)
        assert told == {client.address: 1000}, "all but what 0.1 s has earned"
        monkeypatch.setattr(inbox, "MAX_WAITING", 600)
        slow(simulation, server, 0.01)
        for number in range(4000, 4900):
            flooding.send(options(number, transport="UDP"))
        await asyncio.sleep(0.1)
        assert 1000 < told.pop(client.address) < 1900
        Datagrams(simulation.network.host("10.0.1.2", "phone")).send(options(5000, transport="UDP"))
        await asyncio.sleep(1)
        assert told == {}, "a flood that is over is not told again"


async def test_the_socket_is_told_of_each_that_comes_alone_and_is_too_much(
    simulation: Simulation, client: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(simulation, limits=Limits(messages_per_second=1.0, burst=2.0)) as server:
        told = Counter[str]()
        monkeypatch.setattr(server.driver._udp, "too_much", told.update)
        for number, host in enumerate([client.address] * 4 + ["2001:db8::1", "2001:db8::2"] * 2):
            server.driver._datagrams([(options(number, transport="UDP"), Address(host, 5060))])
        assert told == {client.address: 2, "2001:db8::/64": 2}


async def test_nothing_that_comes_over_a_connection_is_lost(
    simulation: Simulation, client: HostNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would send it again."""
    monkeypatch.setattr(inbox, "MAX_WAITING", 5)
    async with serving(simulation):
        connection = await connect(client)
        connection.stream.write(b"".join(options(number) for number in range(1, 21)))
        await asyncio.sleep(1)
        assert connection.statuses == [200] * 20


async def test_what_came_before_the_end_of_a_connection_is_served(
    simulation: Simulation, client: HostNetwork
) -> None:
    async with serving(simulation) as server:
        slow(simulation, server, 0.01)
        connection = await connect(client)
        connection.stream.write(b"".join(options(number) for number in range(1, 6)))
        connection.stream.close()
        await asyncio.sleep(40)
        assert sum(isinstance(effect, Arrived) for effect in server.told) == 5
        assert server.endpoint.live()["transactions"] == 0


@pytest.mark.parametrize(("user", "served"), [(b"101", False), (b"112", True)])
async def test_a_call_waits_longer_and_one_for_help_as_long_as_it_takes(
    simulation: Simulation, client: HostNetwork, user: bytes, served: bool
) -> None:
    async with serving(simulation) as server:
        slow(simulation, server, 3.0)
        udp = Datagrams(client)
        server.driver.urgent = lambda dialled: dialled == "112"
        udp.send(options(1, transport="UDP"))
        udp.send(invite(2, user))
        await asyncio.sleep(7)
        assert any(isinstance(effect, Invited) for effect in server.told) is served


class Desk:
    """Asks for one thing after another, and comes back when it is asked to."""

    def __init__(self, number: int) -> None:
        self.number, self.left = number, 6
        self.asked_at = 0.0


async def test_all_come_back_at_once_and_everybody_is_served(
    simulation: Simulation, client: HostNetwork
) -> None:
    """Work of ten seconds that all comes in one instant: each answer is in time, and all is done in a minute."""
    async with serving(simulation) as server:
        slow(simulation, server, 0.005)
        udp, numbers = Datagrams(client), count(1)
        coming: list[tuple[float, int]] = [(simulation.loop.time(), number) for number in range(333)]
        desks = [Desk(number) for number in range(333)]
        asked: dict[str, Desk] = {}
        began, longest, dice = simulation.loop.time(), 0.0, Random(1)
        while any(desk.left for desk in desks):
            now = simulation.loop.time()
            assert now - began < 60.0
            while coming and coming[0][0] <= now:
                desk = desks[heappop(coming)[1]]
                number = next(numbers)
                asked[f"{number}@{client.address}"] = desk
                desk.asked_at = now
                udp.send(options(number, transport="UDP"))
            await asyncio.sleep(0.002)
            received, udp.received[:] = list(udp.received), []
            for data in received:
                response = parse_message(data)
                assert isinstance(response, Response)
                desk = asked.pop(response.call_id)
                longest = max(longest, simulation.loop.time() - desk.asked_at)
                desk.left -= response.status == 200
                rest = float(response.get("Retry-After") or 0)
                assert rest or response.status == 200
                if desk.left:
                    heappush(coming, (simulation.loop.time() + rest + dice.random() / 1000, desk.number))
        assert longest < T1_SECONDS, "nobody has to repeat anything"
