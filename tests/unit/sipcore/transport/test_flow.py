"""Equal flows are one object, for as long as anybody knows it."""

from __future__ import annotations

import gc
import pickle
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, replace
from typing import Any
from weakref import ref

import pytest

from sipcore.transport.flow import _FLOWS, Address, Flow, Transport

LOCAL, REMOTE = Address("192.0.2.1", 5060), Address("198.51.100.7", 40000)


def test_equal_flows_are_one_object() -> None:
    flow = Flow(Transport.UDP, LOCAL, REMOTE)
    again = Flow(local=Address(*LOCAL), remote=Address(*REMOTE), transport=Transport.UDP, connection=0)
    assert again is flow
    assert again == flow
    assert (flow.transport, flow.local, flow.remote, flow.connection) == (Transport.UDP, LOCAL, REMOTE, 0)
    assert (flow.host, flow.seen) == (REMOTE.host, "=40000;received=198.51.100.7")


@pytest.mark.parametrize(
    "change", [{"transport": Transport.TCP}, {"local": REMOTE}, {"remote": LOCAL}, {"connection": 1}]
)
def test_other_flows_are_others(change: Any) -> None:
    flow = Flow(Transport.UDP, LOCAL, REMOTE)
    other = replace(flow, **change)
    assert other != flow
    assert len({flow, other}) == 2
    assert other.host == other.remote.host


def test_a_flow_stays_what_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        Flow(Transport.UDP, LOCAL, REMOTE).connection = 2  # type: ignore[misc]


def test_a_flow_that_is_known_stays_what_it_is_when_it_is_made_again() -> None:
    flow = Flow(Transport.TCP, LOCAL, REMOTE, 1)
    local, remote, one = (LOCAL.host, LOCAL.port), (REMOTE.host, REMOTE.port), True  # equal, and no better
    again: Any = Flow
    assert again(Transport.TCP, local, remote, one) is flow
    assert [type(value) for value in (flow.local, flow.remote, flow.connection)] == [Address, Address, int]


def test_a_copy_is_the_same_flow() -> None:
    flow = Flow(Transport.TLS, LOCAL, REMOTE, 3)
    assert copy(flow) is deepcopy(flow) is pickle.loads(pickle.dumps(flow)) is flow


def test_a_flow_that_nobody_knows_is_forgotten() -> None:
    flow = Flow(Transport.WS, LOCAL, REMOTE, 77)
    gone, values = ref(flow), (Transport.WS, LOCAL, REMOTE, 77)
    del flow
    gc.collect()
    assert gone() is None
    for _ in range(len(_FLOWS) + 2):
        _FLOWS.forget()
    assert values not in _FLOWS


def test_flows_of_strangers_fill_no_memory_and_nobody_waits_for_them_to_be_forgotten() -> None:
    kept = [Flow(Transport.UDP, LOCAL, Address("203.0.113.9", port)) for port in range(1, 101)]
    for _ in range(len(_FLOWS)):
        _FLOWS.forget()
    known = before = len(_FLOWS)
    for number in range(20 * known):
        Flow(Transport.UDP, LOCAL, Address("203.0.113.10", 1), number)
        assert before - 1 <= len(_FLOWS) <= 3 * known
        before = len(_FLOWS)
    assert all(Flow(Transport.UDP, LOCAL, flow.remote) is flow for flow in kept)
