"""The non-INVITE client transaction, row by row (RFC 3261 section 17.1.2)."""

from __future__ import annotations

from itertools import product

import pytest

from sipcore.effects import Effect
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.request_client import Event, RequestClient, State
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, TIMERS, UDP, request, response, run, words

OPTIONS = request("OPTIONS")
INPUTS = {Event.PROVISIONAL: response(100, OPTIONS), Event.FINAL: response(200, OPTIONS)}
FIRES_AT = {Event.TIMER_E: 0.5, Event.TIMER_F: 32.0, Event.TIMER_K: 5.0}
ROUTES: dict[State, list[Event]] = {
    State.TRYING: [],
    State.PROCEEDING: [Event.PROVISIONAL],
    State.COMPLETED: [Event.FINAL],
    State.TERMINATED: [Event.FLOW_FAILED],
}
"""How each state is reached at time 0."""


def trying(flow: Flow = UDP, timers: Timers = TIMERS) -> RequestClient:
    """A transaction that has sent its OPTIONS at time 0."""
    return RequestClient(OPTIONS, flow, timers, 0.0)


def feed(transaction: RequestClient, event: Event) -> list[Effect]:
    """Let an event happen in the way it happens outside of tests."""
    if event in INPUTS:
        return transaction.receive(INPUTS[event], 0.0)
    if event is Event.FLOW_FAILED:
        return transaction.flow_failed(0.0)
    return transaction.tick(FIRES_AT[event])


def in_state(state: State, flow: Flow = UDP) -> RequestClient:
    transaction = trying(flow)
    for event in ROUTES[state]:
        feed(transaction, event)
    assert transaction.state is state
    return transaction


# -- the table -------------------------------------------------------------------------------------

ROWS: dict[tuple[State, Event], tuple[State, list[str]]] = {
    (State.TRYING, Event.TIMER_E): (State.TRYING, ["OPTIONS"]),
    (State.TRYING, Event.TIMER_F): (State.TERMINATED, ["timed out"]),
    (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, ["up 100"]),
    (State.TRYING, Event.FINAL): (State.COMPLETED, ["up 200"]),
    (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED, ["flow failed"]),
    (State.PROCEEDING, Event.TIMER_E): (State.PROCEEDING, ["OPTIONS"]),
    (State.PROCEEDING, Event.TIMER_F): (State.TERMINATED, ["timed out"]),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, ["up 100"]),
    (State.PROCEEDING, Event.FINAL): (State.COMPLETED, ["up 200"]),
    (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, ["flow failed"]),
    (State.COMPLETED, Event.TIMER_K): (State.TERMINATED, []),
    (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, []),
}


def test_the_table_is_complete() -> None:
    assert not list(RequestClient.uncovered())
    assert not RequestClient.TABLE.keys() & RequestClient.IGNORED
    assert ROWS.keys() == RequestClient.TABLE.keys()


@pytest.mark.parametrize(("pair", "expected"), ROWS.items())
def test_a_row_of_the_table(pair: tuple[State, Event], expected: tuple[State, list[str]]) -> None:
    transaction = in_state(pair[0])
    effects = feed(transaction, pair[1])
    assert (transaction.state, words(effects)) == expected
    assert transaction.terminated == (transaction.state is State.TERMINATED)
    if transaction.terminated:
        assert transaction.deadline is None


@pytest.mark.parametrize(("state", "event"), [pair for pair in product(State, Event) if pair not in ROWS])
def test_other_pairs_change_nothing(state: State, event: Event) -> None:
    transaction = in_state(state)
    deadline = transaction.deadline
    assert transaction.step(event, INPUTS.get(event), 1.0) == []
    assert (transaction.state, transaction.deadline) == (state, deadline)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (100, State.PROCEEDING),
        (199, State.PROCEEDING),
        (200, State.COMPLETED),
        (302, State.COMPLETED),
        (699, State.COMPLETED),
    ],
)
def test_the_class_of_the_status_decides(status: int, state: State) -> None:
    transaction = trying()
    transaction.receive(response(status, OPTIONS), 0.1)
    assert transaction.state is state


# -- timers E and F --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timers", "times", "end"),
    [
        (Timers(), [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], 32.0),
        (Timers(t2=16.0), [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], 32.0),
        (Timers(t1=4.0), [4.0 * count for count in range(1, 64)], 256.0),
    ],
)
def test_on_udp_the_request_is_sent_again_in_intervals_that_double_up_to_t2(
    timers: Timers, times: list[float], end: float
) -> None:
    transaction = trying(UDP, timers)
    assert run(transaction, 1000.0) == [*((time, "OPTIONS") for time in times), (end, "timed out")]
    assert transaction.terminated


@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
@pytest.mark.parametrize("status", [None, 100])
def test_on_tcp_the_request_is_sent_once(timers: Timers, status: int | None) -> None:
    transaction = trying(TCP, timers)
    if status is not None:
        transaction.receive(response(status, OPTIONS), 0.1)
    assert run(transaction, 1000.0) == [(64 * timers.t1, "timed out")]


@pytest.mark.parametrize(
    ("when", "times"),
    [
        (0.2, [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]),
        (2.0, [3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (30.0, [31.5]),
    ],
)
def test_after_a_provisional_response_the_interval_is_t2(when: float, times: list[float]) -> None:
    transaction = trying()
    run(transaction, when)
    provisional = response(100, OPTIONS)
    assert transaction.receive(provisional, when) == [ResponseReceived(transaction, provisional)]
    assert run(transaction, 1000.0) == [*((time, "OPTIONS") for time in times), (32.0, "timed out")]


def test_a_late_tick_retransmits_once_and_counts_from_then() -> None:
    transaction = trying()
    assert words(transaction.tick(10.0)) == ["OPTIONS"]
    assert transaction.deadline == 11.0


def test_a_tick_after_the_end_tells_the_timeout_and_sends_nothing() -> None:
    transaction = trying()
    assert transaction.tick(40.0) == [TimedOut(transaction)]
    assert transaction.tick(50.0) == []


# -- Completed: timer K ----------------------------------------------------------------------------


@pytest.mark.parametrize("timers", [Timers(), Timers(t4=1.0)])
def test_on_udp_further_final_responses_are_absorbed_for_t4(timers: Timers) -> None:
    transaction = trying(UDP, timers)
    transaction.receive(response(200, OPTIONS), 0.3)
    assert transaction.deadline == 0.3 + timers.t4
    assert transaction.receive(response(200, OPTIONS), 0.4) == []
    assert transaction.receive(response(404, OPTIONS), 0.4) == []
    assert transaction.deadline == 0.3 + timers.t4
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_on_tcp_timer_k_is_zero() -> None:
    transaction = trying(TCP)
    assert words(transaction.receive(response(200, OPTIONS), 0.3)) == ["up 200"]
    assert transaction.terminated
    assert transaction.deadline is None
    assert transaction.receive(response(200, OPTIONS), 0.4) == []


# -- flows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.TRYING, State.PROCEEDING])
def test_the_user_hears_of_a_dead_flow_once_and_only_before_a_final_response(state: State) -> None:
    transaction = in_state(state, TCP)
    assert transaction.flow_failed(1.0) == [FlowFailed(transaction)]
    assert transaction.flow_failed(1.0) == []
    assert transaction.receive(response(200, OPTIONS), 1.1) == []
