"""The non-INVITE server transaction, row by row (RFC 3261 section 17.2.2)."""

from __future__ import annotations

from itertools import product

import pytest

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.transaction.request_server import Event, RequestServer, State
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, TIMERS, UDP, request, response, run, words

OPTIONS = request("OPTIONS")
RESPONSES = {Event.SEND_PROVISIONAL: response(100, OPTIONS), Event.SEND_FINAL: response(200, OPTIONS)}
ROUTES: dict[State, list[Event]] = {
    State.TRYING: [],
    State.PROCEEDING: [Event.SEND_PROVISIONAL],
    State.COMPLETED: [Event.SEND_FINAL],
    State.TERMINATED: [Event.FLOW_FAILED],
}
"""How each state is reached at time 0."""


def trying(flow: Flow = UDP, timers: Timers = TIMERS) -> RequestServer:
    """A transaction whose OPTIONS has arrived."""
    return RequestServer(OPTIONS, flow, timers)


def feed(transaction: RequestServer, event: Event) -> list[Effect]:
    """Let an event happen in the way it happens outside of tests."""
    if event is Event.REQUEST:
        return transaction.receive(OPTIONS, 0.0)
    if event in RESPONSES:
        return transaction.respond(RESPONSES[event], 0.0)
    if event is Event.FLOW_FAILED:
        return transaction.flow_failed(0.0)
    return transaction.tick(32.0)


def in_state(state: State, flow: Flow = UDP) -> RequestServer:
    transaction = trying(flow)
    for event in ROUTES[state]:
        feed(transaction, event)
    assert transaction.state is state
    return transaction


# -- the table -------------------------------------------------------------------------------------

ROWS: dict[tuple[State, Event], tuple[State, list[str]]] = {
    (State.TRYING, Event.SEND_PROVISIONAL): (State.PROCEEDING, ["100"]),
    (State.TRYING, Event.SEND_FINAL): (State.COMPLETED, ["200"]),
    (State.TRYING, Event.FLOW_FAILED): (State.TERMINATED, []),
    (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, ["100"]),
    (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, ["100"]),
    (State.PROCEEDING, Event.SEND_FINAL): (State.COMPLETED, ["200"]),
    (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, []),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, ["200"]),
    (State.COMPLETED, Event.TIMER_J): (State.TERMINATED, []),
    (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, []),
}


def test_the_table_is_complete() -> None:
    assert not list(RequestServer.uncovered())
    assert not RequestServer.TABLE.keys() & RequestServer.IGNORED
    assert ROWS.keys() == RequestServer.TABLE.keys()


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
    message = OPTIONS if event is Event.REQUEST else RESPONSES.get(event)
    assert transaction.step(event, message, 1.0) == []
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
    transaction.respond(response(status, OPTIONS), 0.1)
    assert transaction.state is state


# -- retransmissions -------------------------------------------------------------------------------


def test_a_retransmission_gets_the_bytes_of_the_last_response() -> None:
    transaction = trying()
    assert transaction.receive(OPTIONS, 0.5) == [], "there is none yet"
    for status in (100, 183, 404):
        transaction.respond(response(status, OPTIONS), 1.0)
        assert transaction.receive(OPTIONS, 1.5) == [Transmit(UDP, response(status, OPTIONS).to_bytes())]


@pytest.mark.parametrize("state", [State.TRYING, State.PROCEEDING])
def test_a_transaction_whose_user_is_still_thinking_has_no_deadline(state: State) -> None:
    transaction = in_state(state)
    assert transaction.deadline is None
    assert transaction.tick(1e6) == []


# -- timer J ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
def test_on_udp_requests_are_answered_for_64_t1_after_the_final_response(timers: Timers) -> None:
    transaction = trying(UDP, timers)
    transaction.respond(response(200, OPTIONS), 0.25)
    end = 0.25 + 64 * timers.t1
    assert words(transaction.receive(OPTIONS, end - 0.1)) == ["200"]
    assert transaction.deadline == end, "timer J is not started again"
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_on_tcp_timer_j_is_zero() -> None:
    transaction = trying(TCP)
    assert words(transaction.respond(response(200, OPTIONS), 0.25)) == ["200"]
    assert transaction.terminated
    assert transaction.deadline is None
    assert transaction.receive(OPTIONS, 0.5) == []


# -- responses of the user -------------------------------------------------------------------------


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_a_second_final_response_is_a_mistake_of_the_user(flow: Flow) -> None:
    transaction = trying(flow)
    transaction.respond(response(200, OPTIONS), 0.1)
    with pytest.raises(UsageError, match="second final response: 500"):
        transaction.respond(response(500, OPTIONS), 1.0)


def test_a_provisional_response_after_the_final_one_is_not_sent() -> None:
    transaction = in_state(State.COMPLETED)
    assert transaction.respond(response(100, OPTIONS), 1.0) == []
    assert words(transaction.receive(OPTIONS, 2.0)) == ["200"]


@pytest.mark.parametrize("status", [100, 200, 486])
def test_a_response_after_the_flow_is_gone_is_not_sent(status: int) -> None:
    transaction = in_state(State.TERMINATED)
    assert transaction.respond(response(status, OPTIONS), 1.0) == []


def test_the_request_and_the_user_are_given_up_with_the_final_response() -> None:
    transaction = trying()
    transaction.user = "somebody"
    assert not transaction.answered
    assert transaction.request is OPTIONS
    transaction.respond(response(200, OPTIONS), 1.0)
    assert transaction.answered
    assert transaction.user is None
    with pytest.raises(UsageError, match="not kept"):
        _ = transaction.request
