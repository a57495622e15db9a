"""Requests outside calls, both ways: served by method, and waited for."""

from __future__ import annotations

import asyncio

import pytest

from sipcore.effects import Arrived
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow
from tests.journeys.talking import connect, couple
from tests.journeys.test_registrations import send
from tests.simulation.office import Office


def options(office: Office, number: str) -> Request:
    """A request of the PBX to a phone, all but its Via."""
    [binding] = office.switch.registrar.bindings(number, office.simulation.loop.time())
    address = f"<sip:{number}@10.0.0.1>"
    headers = [("Max-Forwards", "70"), ("From", f"{address};tag=1"), ("To", address), ("Call-ID", "ours")]
    return Request("OPTIONS", binding.contact, [*headers, ("CSeq", "1 OPTIONS")])


def flow_to(office: Office, number: str) -> Flow:
    """The way that the PBX reaches a phone by."""
    [binding] = office.switch.registrar.bindings(number, office.simulation.loop.time())
    return binding.flow


@pytest.mark.parametrize("answered", [True, False])
async def test_who_sends_a_request_hears_its_final_response_once(office: Office, answered: bool) -> None:
    await office.phone("101")
    heard: list[Response] = []
    if not answered:
        office.simulation.network.hosts[-1].unplug()
    office.switch.requests.send(options(office, "101"), flow_to(office, "101"), heard.append)
    assert len(office.switch.requests) == 1
    await office.settle()
    assert [response.status for response in heard] == [200 if answered else 408]


async def test_a_request_that_nobody_waits_for_leaves_nothing(office: Office) -> None:
    await office.phone("101")
    office.switch.requests.send(options(office, "101"), flow_to(office, "101"))
    await office.settle()


async def test_a_method_is_served_by_its_handler(office: Office) -> None:
    phone = await office.phone("101")
    assert (await send(phone, "OPTIONS", "101")).status == 200
    asked: list[str] = []

    def handle(arrived: Arrived) -> None:
        asked.append(arrived.identity)
        office.switch.requests.respond(arrived, 486, [("Retry-After", "1")])

    office.switch.requests.handlers["OPTIONS"] = handle
    await asyncio.sleep(1)
    response = await send(phone, "OPTIONS", "101")
    assert (response.status, response.get("Retry-After"), asked) == (486, "1", ["101"])
    del office.switch.requests.handlers["OPTIONS"]
    await asyncio.sleep(1)
    assert (await send(phone, "OPTIONS", "101")).status == 405


@pytest.mark.parametrize(
    ("method", "headers", "status", "says"),
    [
        ("OPTIONS", [], 200, ("Supported", "100rel")),
        ("REGISTER", [], 405, ("Allow", "INVITE")),
        ("CONJURE", [], 501, ("Allow", "INVITE")),
        ("INFO", [("Require", "magic")], 420, ("Unsupported", "magic")),
        ("INFO", [("Info-Package", "magic")], 469, ("Recv-Info", "")),
        ("INFO", [("Content-Type", "text/magic")], 415, ("Accept", "application/dtmf-relay")),
    ],
)
async def test_what_a_call_takes_and_says_of_the_rest(
    office: Office, method: str, headers: list[tuple[str, str]], status: int, says: tuple[str, str]
) -> None:
    lee, richardson = await couple(office)
    outgoing, _ = await connect(lee, "101", richardson)
    heard: list[Response] = []

    def note(out: bool, flow: Flow, data: bytes) -> None:
        message = parse_message(data)
        if not out and isinstance(message, Response) and message.cseq.method == method:
            heard.append(message)

    lee.driver.on_wire = note
    session = outgoing.leg.session
    assert session is not None
    body = b"abracadabra" if status == 415 else b""
    lee.driver.perform(session.send_request(method, lee.loop.time(), headers, body))
    await asyncio.sleep(0.1)
    [response] = heard
    assert response.status == status
    assert says[1] in (response.get(says[0]) or "")
    assert response.has(says[0])
    outgoing.hang_up()
    await office.settle()
