"""Carriers that answer garbage, challenge for ever, redirect in circles, answer twice or vanish are survived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import count

import pytest

from pbx.happenings import CallEnded, TrunkDown
from sipcore.syntax.message import Request, Response, response_to
from tests.journeys.test_providers import VOIP
from tests.journeys.test_trunks import LINES, failure, tables
from tests.simulation.carrier import PASSWORD, REALM, USER, Script, Villain, answer_to, villain
from tests.simulation.office import Office

Make = Callable[..., Office]
GATEWAY_WITH_ACCOUNT = LINES | {"user": USER, "password": PASSWORD, "realm": REALM}


async def office_with(make_office: Make, script: Script, trunk: dict[str, object]) -> tuple[Office, Villain]:
    """An office whose only trunk leads to a villain."""
    office = make_office(**tables(trunk))
    found = villain(office, script)
    for name in ("sip", "0", "1"):
        office.simulation.network.names[f"{name}.provider.example"] = [found.host.address]
    await office.open()
    await asyncio.sleep(0.5)
    return office, found


async def after(office: Office, found: Villain) -> None:
    """Nothing is left, and the office works."""
    lee, richardson = await office.phone("103"), await office.phone("104")
    richardson.auto_answer = True
    call = await lee.call("104")
    call.hang_up()
    await asyncio.sleep(1.0)
    found.script = lambda request: ()
    await office.settle()
    found.close()


GARBAGE = (
    b"\xff" * 1000,
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 999 What\r\nVia: x\r\n\r\n",
    b"INVITE sip:100@10.0.0.1 SIP/2.0\r\nVia: \r\n\r\n",
    b"",
)


async def test_garbage(make_office: Make) -> None:
    def script(request: Request) -> Iterable[bytes | Response]:
        yield from GARBAGE
        if request.method == "INVITE":
            broken = answer_to(request).to_bytes()
            yield broken.replace(b"Contact", b"Contract")  # nobody to send the ACK to
            yield broken.replace(b"m=audio 9000", b"m=audio nine")

    office, found = await office_with(make_office, script, LINES)
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) in (502, 503, 504)
    await after(office, found)


def challenge(request: Request, nonce: str, realm: str = REALM) -> Response:
    value = f'Digest realm="{realm}", nonce="{nonce}", stale=true, algorithm=MD5, qop="auth"'
    return response_to(request, 407, to_tag="c", headers=[("Proxy-Authenticate", value)])


async def test_challenges_for_ever(make_office: Make) -> None:
    numbers = count()

    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield challenge(request, f"nonce{next(numbers)}")

    office, found = await office_with(make_office, script, GATEWAY_WITH_ACCOUNT)
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) == 502
    invites = [request for request in found.received if request.method == "INVITE"]
    assert [request.has("Proxy-Authorization") for request in invites] == [False, True, True]
    assert len({request.call_id for request in invites}) == 1
    await after(office, found)


async def test_another_realm_gets_no_credentials(make_office: Make) -> None:
    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield challenge(request, "n", realm="thief")

    office, found = await office_with(make_office, script, GATEWAY_WITH_ACCOUNT)
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) == 502
    assert not any(request.has("Proxy-Authorization") for request in found.received)
    await after(office, found)


async def test_redirections_in_circles(make_office: Make) -> None:
    numbers = count()

    def script(request: Request) -> Iterable[Response]:
        if request.method in ("INVITE", "REGISTER"):
            contact = f"<sip:{next(numbers) % 2}.provider.example>"
            yield response_to(request, 302, to_tag="r", headers=[("Contact", contact)])

    office, found = await office_with(make_office, script, VOIP)
    await asyncio.sleep(5.0)
    assert found.methods().count("REGISTER") == 3
    [down] = office.told_of(TrunkDown)
    assert down.reason == "the server redirects in circles"
    lee = await office.phone("100")
    assert await failure(lee.dial("112")) == 502
    found.close()


async def test_two_answers(make_office: Make) -> None:
    """Two 2xx of two branches: the first has the call, the second gets ACK and BYE."""

    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield answer_to(request, "one")
            yield answer_to(request, "two", media_port=9002)
        elif request.method == "BYE":
            yield response_to(request, 200)

    office, found = await office_with(make_office, script, LINES)
    lee = await office.phone("100")
    call = await lee.call("00612345678")
    await asyncio.sleep(1.0)
    byes = [request.to.tag for request in found.received if request.method == "BYE"]
    acks = {request.to.tag for request in found.received if request.method == "ACK"}
    assert (byes, acks) == (["two"], {"one", "two"})
    call.hang_up()
    await asyncio.sleep(1.0)
    assert [request.to.tag for request in found.received if request.method == "BYE"] == ["two", "one"]
    await after(office, found)


async def test_a_carrier_that_vanishes(make_office: Make) -> None:
    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield answer_to(request)

    office, found = await office_with(make_office, script, LINES)
    lee = await office.phone("100")
    call = await lee.call("00612345678")
    assert await call.over() == 200
    [ended] = office.told_of(CallEnded)
    assert 60 <= ended.talk_seconds <= 120
    await after(office, found)


async def test_overloaded_with_a_date(make_office: Make) -> None:
    """A server that asks for rest is tried last, and not for ever left alone."""

    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield response_to(request, 503, to_tag="o", headers=[("Retry-After", "99999999")])

    office, found = await office_with(make_office, script, LINES)
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) == 503
    await asyncio.sleep(601.0)
    assert len(office.switch.trunks.named("lines").servers.in_order(office.simulation.loop.time())) == 1
    await after(office, found)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (503, "Q.850;cause=17", 486),
        (500, 'SIP;cause=1;text="x", Q.850;cause=1', 500),
        (480, 'Q.850;text="no";cause=19', 480),
        (500, "Q.850;cause=1", 404),
        (503, "Q.850;cause=", 503),
        (486, "Q.850;cause=1", 486),
        (603, "Q.850;cause=17", 603),
    ],
)
async def test_what_the_telephone_network_means(
    make_office: Make, status: int, reason: str, expected: int
) -> None:
    def script(request: Request) -> Iterable[Response]:
        if request.method == "INVITE":
            yield response_to(request, status, to_tag="q", headers=[("Reason", reason)])

    office, found = await office_with(make_office, script, LINES)
    lee = await office.phone("100")
    assert await failure(lee.dial("00612345678")) == expected
    found.close()
