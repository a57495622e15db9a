"""Phones and systems behind routers with address translation: who hears whom, and what keeps the way open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from media.latch import WINDOW_SECONDS
from pbx.phone import CallFailed, Phone
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message
from sipcore.transport import stun
from sipcore.transport.flow import Address, Transport
from tests.journeys.talking import assert_talk, connect, listen
from tests.journeys.test_messages import send_message
from tests.simulation.nat import NatBox, NatKind
from tests.simulation.network import Datagram
from tests.simulation.office import PBX, Office
from tests.simulation.simulation import Simulation

MakeOffice = Callable[..., Office]

HOME, ELSEWHERE, OURS = "198.51.100.1", "198.51.100.2", "203.0.113.1"
TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)


def media_blocked(datagram: Datagram) -> bool:
    """A firewall that lets nothing through over UDP but SIP."""
    return not {5060, 5061} & {datagram.source.port, datagram.destination.port}


def host_of(office: Office, phone: Phone) -> Any:
    return next(host for host in office.simulation.network.hosts if host.address == phone.media_host)


# -- every kind of NAT, every transport, on both sides -------------------------------------------------


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize("called", NatKind)
@pytest.mark.parametrize("calling", NatKind)
async def test_every_transport_from_behind_every_nat_to_behind_every_nat(
    make_office: MakeOffice, tls: dict[str, Any], tmp_path: Path, calling: NatKind, called: NatKind
) -> None:
    office = make_office(sip=tls)
    await office.open()
    here, there = (
        NatBox(office.simulation.network, HOME, calling),
        NatBox(office.simulation.network, ELSEWHERE, called),
    )
    callers = [
        await office.phone(number, behind=here, transport=transport)
        for number, transport in zip(("100", "101", "102"), TRANSPORTS, strict=True)
    ]
    others = [
        await office.phone(number, behind=there, transport=transport)
        for number, transport in zip(("103", "104", "105"), TRANSPORTS, strict=True)
    ]
    for caller, other in product(callers, others):
        outgoing, incoming = await connect(caller, other.account.number, other)
        await assert_talk(tmp_path, outgoing, incoming)
        incoming.hang_up()
        assert await outgoing.over() == 200
    await office.settle()


@pytest.mark.parametrize("kind", NatKind)
async def test_hairpin_between_two_phones_behind_one_nat(
    make_office: MakeOffice, tls: dict[str, Any], tmp_path: Path, kind: NatKind
) -> None:
    """Sound goes through us: a box that leads nothing back to its own inside does not matter."""
    office = make_office(sip=tls)
    await office.open()
    box = NatBox(office.simulation.network, HOME, kind)
    phones = [
        await office.phone(number, behind=box, transport=transport)
        for number, transport in zip(("100", "101", "102"), TRANSPORTS, strict=True)
    ]
    for caller, other in product(phones, phones):
        if caller is not other:
            outgoing, incoming = await connect(caller, other.account.number, other)
            await assert_talk(tmp_path, outgoing, incoming)
            outgoing.hang_up()
            assert await incoming.over() == 200
    await office.settle()


# -- the table of docs/nat.md --------------------------------------------------------------------------

SYSTEMS: dict[str, dict[str, Any] | None] = {
    "has a public address": None,
    "behind a router that forwards its ports, `public_address` set": {"sip": {"public_address": OURS}},
    "behind such a router, `public_address` missing": {},
}
PLACES: tuple[str | NatKind, ...] = ("no NAT", *NatKind, "UDP blocked")
MANUAL = Path(__file__).resolve().parents[2] / "docs" / "nat.md"


def name_of(place: str | NatKind) -> str:
    return place if isinstance(place, str) else place.name.lower().replace("_", " ")


async def outcome(folder: Path, lee: Phone, taylor: Phone) -> str:
    """What becomes of calls, both ways, between a phone at a place and one in the Internet."""
    heard = []
    for caller, called in ((lee, taylor), (taylor, lee)):
        try:
            async with asyncio.timeout(40):
                calls = await connect(caller, called.account.number, called)
        except (TimeoutError, CallFailed):
            return "no call"
        for call, hertz in zip(calls, (440, 620), strict=True):
            call.play_tone(hertz)
        await asyncio.sleep(2 * WINDOW_SECONDS)
        heard.append(await listen(folder, *calls))
        calls[0].hang_up()
        await asyncio.sleep(1)
    return "yes" if heard == [[{1}, {0}]] * 2 else "no sound"


def row_in_the_manual(system: str, place: str | NatKind) -> list[str]:
    """What the table says: the cells for UDP, TCP and TLS."""
    _, _, section = MANUAL.read_text().partition(f"**The system {system}**")
    assert section, f"docs/nat.md has no table for: the system {system}"
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == name_of(place):
            return cells[1:]
    raise AssertionError(f"docs/nat.md has no row for {name_of(place)}")


@pytest.mark.parametrize("place", PLACES, ids=name_of)
@pytest.mark.parametrize("system", SYSTEMS)
async def test_the_table_of_the_manual_is_true(
    make_office: MakeOffice,
    simulation: Simulation,
    tls: dict[str, Any],
    tmp_path: Path,
    system: str,
    place: str | NatKind,
) -> None:
    settings, network = SYSTEMS[system], simulation.network
    tables: dict[str, Any] = dict(settings or {})
    tables["sip"] = {**tls, **tables.get("sip", {})}
    ours = None if settings is None else NatBox(network, OURS, NatKind.PORT_RESTRICTED_CONE)
    office = make_office(behind=ours, **tables)
    await office.open()
    theirs = NatBox(network, HOME, place) if isinstance(place, NatKind) else None
    taylor, found = await office.phone("102"), []
    for number, transport in zip(("100", "101", "103"), TRANSPORTS, strict=True):
        phone = await office.phone(number, behind=theirs, transport=transport)
        if place == "UDP blocked":
            host_of(office, phone).firewall = media_blocked
        found.append(await outcome(tmp_path, phone, taylor))
    assert found == row_in_the_manual(system, place)
    await office.settle()


@pytest.mark.parametrize("kind", NatKind)
async def test_a_call_is_held_for_longer_than_a_router_remembers(
    office: Office, tmp_path: Path, kind: NatKind
) -> None:
    """A phone that holds sends nothing, and gets another port when it goes on."""
    box = NatBox(office.simulation.network, HOME, kind, mapping_seconds=30)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    outgoing, incoming = await connect(lee, "101", richardson)
    await assert_talk(tmp_path, outgoing, incoming)
    for call in (outgoing, incoming):
        call.quiet()
    outgoing.hold()
    await asyncio.sleep(100)
    outgoing.resume()
    await asyncio.sleep(1)
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await office.settle()


# -- our own address ---------------------------------------------------------------------------------


@pytest.fixture
def our_box(simulation: Simulation) -> NatBox:
    """The router of the office, which forwards the ports of the system."""
    return NatBox(simulation.network, OURS, NatKind.SYMMETRIC)


@pytest.mark.row("CORE-05")
@pytest.mark.parametrize("transport", TRANSPORTS[:2])
async def test_phones_inside_are_told_the_local_address_and_those_outside_the_public_one(
    make_office: MakeOffice, our_box: NatBox, tmp_path: Path, transport: Transport
) -> None:
    office = make_office(behind=our_box, sip={"public_address": OURS})
    await office.open()
    inside = await office.phone("100", behind=our_box)
    outside = await office.phone(
        "101", behind=NatBox(office.simulation.network, HOME, NatKind.SYMMETRIC), transport=transport
    )
    for caller, called in ((inside, outside), (outside, inside)):
        outgoing, incoming = await connect(caller, called.account.number, called)
        await assert_talk(tmp_path, outgoing, incoming)
        for call in (outgoing, incoming):
            session, expected = call.leg.session, PBX if call.phone is inside else OURS
            assert session is not None
            assert session.dialog is not None
            assert session.remote_description is not None
            assert session.dialog.remote_target.host == expected
            assert session.remote_description.connection == expected
            assert session.remote_description.origin.address == expected
        if caller is inside:
            assert (await send_message(inside, "101", "Hi")).status == 200
            assert outside.messages[-1].from_.uri.host == OURS
        outgoing.hang_up()
        await asyncio.sleep(1)
    await office.settle()


class StunServer:
    """Answers as long as it is on, at port 3478 of a public host."""

    def __init__(self, simulation: Simulation) -> None:
        self.asked = 0
        self.on = True
        host = simulation.network.host("203.0.113.99", "stun.example.com")
        self._socket = host.open_udp(Address(host.address, 3478), self._receive)

    def _receive(self, data: bytes, source: Address) -> None:
        self.asked += 1
        response = stun.answer(data, source)
        if self.on and response is not None:
            self._socket.send(response, source)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def stun_server(simulation: Simulation) -> Iterator[StunServer]:
    server = StunServer(simulation)
    yield server
    server.close()


async def test_the_public_address_is_found_by_stun(
    make_office: MakeOffice, our_box: NatBox, stun_server: StunServer, tmp_path: Path
) -> None:
    office = make_office(behind=our_box, nat={"stun_server": "stun.example.com", "stun_seconds": 60})
    await office.open()
    await asyncio.sleep(1)
    assert office.switch.nat.addresses.found == OURS
    inside = await office.phone("100", behind=our_box)
    outside = await office.phone("101")
    outgoing, incoming = await connect(inside, "101", outside)
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    await asyncio.sleep(300)
    assert stun_server.asked == 6
    await office.settle()
    stun_server.close()


async def test_a_stun_server_that_does_not_answer_changes_nothing(
    make_office: MakeOffice, our_box: NatBox, stun_server: StunServer
) -> None:
    office = make_office(behind=our_box, nat={"stun_server": "stun.example.com:3478", "stun_seconds": 60})
    await office.open()
    await asyncio.sleep(1)
    stun_server.on = False
    await asyncio.sleep(300)
    assert office.switch.nat.addresses.found == OURS
    stun_server.on = True
    await asyncio.sleep(120)
    stun_server.close()


async def test_a_stun_server_that_nobody_knows(make_office: MakeOffice) -> None:
    office = make_office(nat={"stun_server": "nowhere.example.com"})
    await office.open()
    await asyncio.sleep(400)
    assert office.switch.nat.addresses.found == ""


# -- keep-alives -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NatKind)
async def test_a_phone_that_does_nothing_itself_is_reached_for_ever(
    make_office: MakeOffice, tmp_path: Path, kind: NatKind
) -> None:
    """The way through its router closes after 30 s; it registers for an hour."""
    office = make_office(nat={"keep_alive_seconds": 25})
    await office.open()
    box = NatBox(office.simulation.network, HOME, kind, mapping_seconds=30)
    lee, richardson = await office.phone("100", behind=box), await office.phone("101")
    await asyncio.sleep(1800)
    outgoing, incoming = await connect(richardson, "100", lee)
    await assert_talk(tmp_path, outgoing, incoming)
    outgoing.hang_up()
    assert await incoming.over() == 200
    await lee.unregister()  # and nothing is sent any more
    await office.settle()


async def test_phones_without_a_nat_and_those_behind_a_connection_get_no_requests(
    make_office: MakeOffice, simulation: Simulation
) -> None:
    office = make_office(nat={"keep_alive_seconds": 25})
    await office.open()
    box = NatBox(office.simulation.network, HOME, NatKind.SYMMETRIC)
    await office.phone("100")
    await office.phone("101", behind=box, transport=Transport.TCP)
    await asyncio.sleep(600)
    rungs = simulation.ladder.rungs
    assert not any("OPTIONS" in rung.label for rung in rungs)
    assert 5 <= sum(rung.label == "keep-alive" and rung.sender == PBX for rung in rungs) <= 6
    await office.settle()


async def test_a_stun_request_at_the_sip_port_is_answered(office: Office) -> None:
    """As RFC 5626 section 4.4.2 has phones keep their way open."""
    got: list[bytes] = []
    host = office.simulation.network.host("10.0.7.7")
    socket = host.open_udp(Address("10.0.7.7", 4000), lambda data, source: got.append(data))
    request = stun.StunMessage(stun.BINDING_REQUEST, bytes(range(12)))
    for data in (request.to_bytes(), b"\0\1\0\0\x21\x12\xa4\x42broken", request.to_bytes()[:-1]):
        socket.send(data, (PBX, 5060))
    await asyncio.sleep(0.1)
    [data] = got
    response = stun.StunMessage.parse(data)
    assert response is not None
    assert response.transaction_id == request.transaction_id
    assert response.mapped == Address("10.0.7.7", 4000)
    socket.close()


# -- phones that listen elsewhere than they send from ----------------------------------------------------


async def test_a_phone_without_rport_is_called_where_it_listens(office: Office) -> None:
    """It sends from 40000 and listens at 5070, as its Via and Contact say."""
    from sipcore.syntax.message import Request, Response

    lee = await office.phone("100")
    host = office.simulation.network.host("10.0.8.8")
    got: list[Request | Response] = []
    listening = host.open_udp(Address(host.address, 5070), lambda data, _: got.append(parse_message(data)))
    sending = host.open_udp(Address(host.address, 40000), lambda data, _: got.append(parse_message(data)))

    def register(*more: tuple[str, str]) -> Request:
        return Request(
            "REGISTER",
            f"sip:{PBX}",
            [
                ("Via", f"SIP/2.0/UDP {host.address}:5070;branch=z9hG4bK{len(more)}"),
                ("Max-Forwards", "70"),
                ("From", f"<sip:101@{PBX}>;tag=old"),
                ("To", f"<sip:101@{PBX}>"),
                ("Call-ID", "old"),
                ("CSeq", f"{1 + len(more)} REGISTER"),
                ("Contact", f"<sip:101@{host.address}:5070>"),
                *more,
            ],
        )

    sending.send(register().to_bytes(), (PBX, 5060))
    await asyncio.sleep(0.1)
    challenge = got.pop()
    assert isinstance(challenge, Response)
    other = await office.phone("101", register=False)
    credentials = other.credentials_for(register(), challenge)
    assert credentials is not None
    sending.send(register(credentials).to_bytes(), (PBX, 5060))
    await asyncio.sleep(0.1)
    assert isinstance(response := got.pop(), Response)
    assert response.status == 200
    call = lee.dial("101")
    await asyncio.sleep(0.1)
    sending.close()
    [invite] = [message for message in got if isinstance(message, Request)]
    assert (invite.method, invite.uri.port) == ("INVITE", 5070)
    call.hang_up()
    await asyncio.sleep(1)
    listening.close()
