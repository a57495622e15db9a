"""The INVITE server transaction, row by row (RFC 3261 section 17.2.1, RFC 6026 figure 7)."""

from __future__ import annotations

from itertools import product

import pytest

from sipcore.effects import Effect, Transmit
from sipcore.errors import UsageError
from sipcore.syntax.message import response_to
from sipcore.transaction.events import FlowFailed
from sipcore.transaction.invite_server import Event, InviteServer, State
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, TIMERS, UDP, request, response, run, words

REQUESTS = {Event.INVITE: request(), Event.ACK: request("ACK", to_tag="a6c85cf", cseq="314159 ACK")}
RESPONSES = {
    Event.SEND_PROVISIONAL: response(180),
    Event.SEND_SUCCESS: response(200),
    Event.SEND_FAILURE: response(486),
}
FIRES_AT = {Event.TIMER_G: 0.5, Event.TIMER_H: 32.0, Event.TIMER_I: 5.0, Event.TIMER_L: 32.0}
ROUTES: dict[State, list[Event]] = {
    State.PROCEEDING: [],
    State.ACCEPTED: [Event.SEND_SUCCESS],
    State.COMPLETED: [Event.SEND_FAILURE],
    State.CONFIRMED: [Event.SEND_FAILURE, Event.ACK],
    State.TERMINATED: [Event.FLOW_FAILED],
}
"""How each state is reached at time 0."""


def proceeding(flow: Flow = UDP, timers: Timers = TIMERS) -> InviteServer:
    """A transaction whose INVITE has arrived."""
    return InviteServer(request(), flow, timers)


def feed(transaction: InviteServer, event: Event) -> list[Effect]:
    """Let an event happen in the way it happens outside of tests."""
    if event in REQUESTS:
        return transaction.receive(REQUESTS[event], 0.0)
    if event in RESPONSES:
        return transaction.respond(RESPONSES[event], 0.0)
    if event is Event.FLOW_FAILED:
        return transaction.flow_failed(0.0)
    return transaction.tick(FIRES_AT[event])


def in_state(state: State, flow: Flow = UDP) -> InviteServer:
    transaction = proceeding(flow)
    for event in ROUTES[state]:
        feed(transaction, event)
    assert transaction.state is state
    return transaction


# -- the table -------------------------------------------------------------------------------------

ROWS: dict[tuple[State, Event], tuple[State, list[str]]] = {
    (State.PROCEEDING, Event.INVITE): (State.PROCEEDING, []),  # nothing has been answered yet
    (State.PROCEEDING, Event.SEND_PROVISIONAL): (State.PROCEEDING, ["180"]),
    (State.PROCEEDING, Event.SEND_SUCCESS): (State.ACCEPTED, ["200"]),
    (State.PROCEEDING, Event.SEND_FAILURE): (State.COMPLETED, ["486"]),
    (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, ["flow failed"]),
    (State.ACCEPTED, Event.SEND_SUCCESS): (State.ACCEPTED, ["200"]),
    (State.ACCEPTED, Event.TIMER_L): (State.TERMINATED, []),
    (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, []),
    (State.COMPLETED, Event.INVITE): (State.COMPLETED, ["486"]),
    (State.COMPLETED, Event.ACK): (State.CONFIRMED, []),
    (State.COMPLETED, Event.TIMER_G): (State.COMPLETED, ["486"]),
    (State.COMPLETED, Event.TIMER_H): (State.TERMINATED, []),
    (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, []),
    (State.CONFIRMED, Event.TIMER_I): (State.TERMINATED, []),
    (State.CONFIRMED, Event.FLOW_FAILED): (State.TERMINATED, []),
}


def test_the_table_is_complete() -> None:
    assert not list(InviteServer.uncovered())
    assert not InviteServer.TABLE.keys() & InviteServer.IGNORED
    assert ROWS.keys() == InviteServer.TABLE.keys()


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
    assert transaction.step(event, (REQUESTS | RESPONSES).get(event), 1.0) == []
    assert (transaction.state, transaction.deadline) == (state, deadline)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (100, State.PROCEEDING),
        (199, State.PROCEEDING),
        (200, State.ACCEPTED),
        (299, State.ACCEPTED),
        (300, State.COMPLETED),
        (699, State.COMPLETED),
    ],
)
def test_the_class_of_the_status_decides(status: int, state: State) -> None:
    transaction = proceeding()
    transaction.respond(response(status), 0.1)
    assert transaction.state is state


# -- Proceeding ------------------------------------------------------------------------------------


def test_a_transaction_whose_user_is_still_thinking_has_no_deadline() -> None:
    transaction = proceeding()
    transaction.respond(response(180), 0.1)
    assert transaction.deadline is None
    assert transaction.tick(1e6) == []


def test_a_retransmitted_invite_gets_the_last_provisional_response_again() -> None:
    transaction = proceeding()
    for status in (100, 180, 183):
        transaction.respond(response(status), 0.1)
        assert transaction.receive(request(), 0.5) == [Transmit(UDP, response(status).to_bytes())]


# -- responses of the user -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.ACCEPTED, 486),
        (State.COMPLETED, 200),
        (State.COMPLETED, 486),
        (State.CONFIRMED, 200),
        (State.CONFIRMED, 603),
    ],
)
def test_a_second_final_response_is_a_mistake_of_the_user(state: State, status: int) -> None:
    transaction = in_state(state)
    with pytest.raises(UsageError, match=f"second final response: {status}"):
        transaction.respond(response(status), 1.0)
    assert transaction.state is state


@pytest.mark.parametrize("state", [State.ACCEPTED, State.COMPLETED, State.CONFIRMED])
def test_a_provisional_response_after_the_final_one_is_not_sent(state: State) -> None:
    transaction = in_state(state)
    assert transaction.respond(response(180), 1.0) == []


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_response_after_the_flow_is_gone_is_not_sent(status: int) -> None:
    transaction = in_state(State.TERMINATED)
    assert transaction.respond(response(status), 1.0) == []


@pytest.mark.parametrize("status", [200, 486])
def test_the_request_and_the_user_are_given_up_with_the_final_response(status: int) -> None:
    transaction = proceeding()
    transaction.user = "somebody"
    assert not transaction.answered
    assert transaction.request == request()
    transaction.respond(response(status), 1.0)
    assert transaction.answered
    assert transaction.user is None
    with pytest.raises(UsageError, match="not kept"):
        _ = transaction.request


# -- Accepted: timer L (RFC 6026) ------------------------------------------------------------------


@pytest.mark.parametrize("flow", [UDP, TCP])
@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
def test_after_a_2xx_invites_are_absorbed_for_64_t1(flow: Flow, timers: Timers) -> None:
    transaction = proceeding(flow, timers)
    assert not transaction.accepted
    transaction.respond(response(200), 2.0)
    end = 2.0 + 64 * timers.t1
    assert transaction.accepted
    assert transaction.receive(request(), end - 0.1) == []
    assert transaction.deadline == end
    assert run(transaction, 1000.0) == [], "the user retransmits its 2xx, not the transaction"
    assert transaction.terminated


def test_the_user_may_send_its_2xx_again() -> None:
    transaction = in_state(State.ACCEPTED)
    assert transaction.respond(response(200), 1.0) == [Transmit(UDP, response(200).to_bytes())]
    assert transaction.deadline == 32.0, "timer L is not started again"


# -- Completed: timers G and H ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timers", "times", "end"),
    [
        (Timers(), [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], 32.0),
        (Timers(t2=16.0), [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], 32.0),
        (Timers(t1=4.0), [4.0 * count for count in range(1, 64)], 256.0),
    ],
)
def test_on_udp_a_failure_is_retransmitted_until_timer_h(
    timers: Timers, times: list[float], end: float
) -> None:
    transaction = proceeding(UDP, timers)
    transaction.respond(response(486), 0.0)
    assert run(transaction, end - 0.01) == [(time, "486") for time in times]
    assert transaction.deadline == end
    assert transaction.tick(end) == []
    assert transaction.terminated


@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
def test_on_tcp_a_failure_is_sent_once_and_the_ack_awaited_as_long(timers: Timers) -> None:
    transaction = proceeding(TCP, timers)
    assert words(transaction.respond(response(486), 0.0)) == ["486"]
    assert transaction.deadline == 64 * timers.t1
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_a_retransmitted_invite_does_not_move_timer_g() -> None:
    transaction = in_state(State.COMPLETED)
    transaction.tick(0.5)
    assert words(transaction.receive(request(), 0.6)) == ["486"]
    assert transaction.deadline == 1.5


# -- Confirmed: timer I ----------------------------------------------------------------------------


@pytest.mark.parametrize("timers", [Timers(), Timers(t4=1.0)])
def test_on_udp_the_ack_ends_retransmission_and_further_acks_are_absorbed_for_t4(timers: Timers) -> None:
    transaction = proceeding(UDP, timers)
    transaction.respond(response(486), 0.0)
    assert transaction.receive(REQUESTS[Event.ACK], 0.7) == []
    assert transaction.deadline == 0.7 + timers.t4
    assert transaction.receive(REQUESTS[Event.ACK], 0.8) == []
    assert transaction.receive(request(), 0.9) == []
    assert transaction.deadline == 0.7 + timers.t4
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_on_tcp_timer_i_is_zero() -> None:
    transaction = in_state(State.COMPLETED, TCP)
    assert transaction.receive(REQUESTS[Event.ACK], 0.7) == []
    assert transaction.terminated
    assert transaction.deadline is None


# -- flows -----------------------------------------------------------------------------------------


def test_the_user_hears_of_a_dead_flow_once() -> None:
    transaction = in_state(State.PROCEEDING, TCP)
    assert transaction.flow_failed(1.0) == [FlowFailed(transaction)]
    assert transaction.flow_failed(1.0) == []
    assert transaction.receive(request(), 1.1) == []


def test_100_is_sent_at_once_and_again_for_each_retransmission() -> None:
    invite = request()
    transaction = InviteServer(invite, UDP, Timers())
    assert transaction.trying() == [Transmit(UDP, response_to(invite, 100).to_bytes())]
    assert transaction.receive(invite, 0.1) == [Transmit(UDP, response_to(invite, 100).to_bytes())]
    assert transaction.state is State.PROCEEDING
    assert transaction.deadline is None
