"""Who is a trunk: whoever comes from its address, and as safely as agreed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pbx.trunks.gate import TrunkGate, trunk_named
from sipcore.registrar.gate import Admitted, Refused
from sipcore.syntax.message import Request
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.pbx.trunks.test_inbound import invite


class Phones:
    """The gate for everybody else."""

    def judge(self, request: Request, credentials: Iterable[str], flow: Flow, now: float) -> Refused:
        return Refused(401)


class Lines:
    name = "lines"


FLOW = Flow(Transport.UDP, Address("10.0.0.1", 5060), Address("192.0.2.1", 5060))


def request(method: str) -> Request:
    return Request(method, "sip:100@10.0.0.1", invite().headers)


def test_a_trunk_may_call_and_ask() -> None:
    gate = TrunkGate(lambda request, flow: Lines(), Phones())  # type: ignore[arg-type,return-value]
    for method in ("INVITE", "OPTIONS"):
        admitted = gate.admit(request(method), FLOW, 0.0)
        assert isinstance(admitted, Admitted)
        assert trunk_named(admitted.identity) == "lines"


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "REFER", "SUBSCRIBE", "X"])
def test_and_no_more(method: str) -> None:
    gate = TrunkGate(lambda request, flow: Lines(), Phones())  # type: ignore[arg-type,return-value]
    assert gate.admit(request(method), FLOW, 0.0) == Refused(405, (("Allow", "INVITE, OPTIONS"),))


def test_everybody_else_meets_the_gate_behind() -> None:
    gate = TrunkGate(lambda request, flow: None, Phones())
    assert gate.admit(request("INVITE"), FLOW, 0.0) == Refused(401)


def test_no_extension_is_a_trunk() -> None:
    assert trunk_named("100") is None
