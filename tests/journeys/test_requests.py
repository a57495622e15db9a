"""Requests outside calls, both ways: served by method, and waited for."""

from __future__ import annotations

import asyncio

import pytest

from sipcore.effects import Arrived
from sipcore.syntax.message import Request, Response
from sipcore.transport.flow import Flow
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
