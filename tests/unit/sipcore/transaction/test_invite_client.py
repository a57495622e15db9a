"""The INVITE client transaction, row by row (RFC 3261 section 17.1.1, RFC 6026 figure 5)."""

from __future__ import annotations

from itertools import product

import pytest

from sipcore.effects import Effect, Transmit
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.invite_client import Event, InviteClient, State
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, TIMERS, UDP, request, response, run, words

INPUTS = {Event.PROVISIONAL: response(180), Event.SUCCESS: response(200), Event.FAILURE: response(486)}
FIRES_AT = {Event.TIMER_A: 0.5, Event.TIMER_B: 32.0, Event.TIMER_D: 32.0, Event.TIMER_M: 32.0}
ROUTES: dict[State, list[Event]] = {
    State.CALLING: [],
    State.PROCEEDING: [Event.PROVISIONAL],
    State.ACCEPTED: [Event.SUCCESS],
    State.COMPLETED: [Event.FAILURE],
    State.TERMINATED: [Event.FLOW_FAILED],
}
"""How each state is reached at time 0."""


def calling(flow: Flow = UDP, timers: Timers = TIMERS) -> InviteClient:
    """A transaction that has sent its INVITE at time 0."""
    return InviteClient(request(), flow, timers, 0.0)


def feed(transaction: InviteClient, event: Event) -> list[Effect]:
    """Let an event happen in the way it happens outside of tests."""
    if event in INPUTS:
        return transaction.receive(INPUTS[event], 0.0)
    if event is Event.FLOW_FAILED:
        return transaction.flow_failed(0.0)
    return transaction.tick(FIRES_AT[event])


def in_state(state: State, flow: Flow = UDP) -> InviteClient:
    transaction = calling(flow)
    for event in ROUTES[state]:
        feed(transaction, event)
    assert transaction.state is state
    return transaction


# -- the table -------------------------------------------------------------------------------------

ROWS: dict[tuple[State, Event], tuple[State, list[str]]] = {
    (State.CALLING, Event.TIMER_A): (State.CALLING, ["INVITE"]),
    (State.CALLING, Event.TIMER_B): (State.TERMINATED, ["timed out"]),
    (State.CALLING, Event.PROVISIONAL): (State.PROCEEDING, ["up 180"]),
    (State.CALLING, Event.SUCCESS): (State.ACCEPTED, ["up 200"]),
    (State.CALLING, Event.FAILURE): (State.COMPLETED, ["ACK", "up 486"]),
    (State.CALLING, Event.FLOW_FAILED): (State.TERMINATED, ["flow failed"]),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, ["up 180"]),
    (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, ["up 200"]),
    (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, ["ACK", "up 486"]),
    (State.PROCEEDING, Event.FLOW_FAILED): (State.TERMINATED, ["flow failed"]),
    (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, ["up 200"]),
    (State.ACCEPTED, Event.TIMER_M): (State.TERMINATED, []),
    (State.ACCEPTED, Event.FLOW_FAILED): (State.TERMINATED, []),
    (State.COMPLETED, Event.FAILURE): (State.COMPLETED, ["ACK"]),
    (State.COMPLETED, Event.TIMER_D): (State.TERMINATED, []),
    (State.COMPLETED, Event.FLOW_FAILED): (State.TERMINATED, []),
}


def test_the_table_is_complete() -> None:
    assert not list(InviteClient.uncovered())
    assert not InviteClient.TABLE.keys() & InviteClient.IGNORED
    assert ROWS.keys() == InviteClient.TABLE.keys()


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
        (200, State.ACCEPTED),
        (299, State.ACCEPTED),
        (300, State.COMPLETED),
        (699, State.COMPLETED),
    ],
)
def test_the_class_of_the_status_decides(status: int, state: State) -> None:
    transaction = calling()
    transaction.receive(response(status), 0.1)
    assert transaction.state is state


# -- timers A and B --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timers", "times", "end"),
    [
        (Timers(), [0.5, 1.5, 3.5, 7.5, 15.5, 31.5], 32.0),
        (Timers(t1=0.1, t2=0.2), [0.1, 0.3, 0.7, 1.5, 3.1, 6.3], 6.4),  # T2 does not limit timer A
        (Timers(t1=2.0), [2.0, 6.0, 14.0, 30.0, 62.0, 126.0], 128.0),
    ],
)
def test_on_udp_the_invite_is_sent_seven_times_in_doubled_intervals(
    timers: Timers, times: list[float], end: float
) -> None:
    transaction = calling(UDP, timers)
    assert run(transaction, 1000.0) == [*((time, "INVITE") for time in times), (end, "timed out")]
    assert transaction.terminated


@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
def test_on_tcp_the_invite_is_sent_once(timers: Timers) -> None:
    transaction = calling(TCP, timers)
    assert run(transaction, 1000.0) == [(64 * timers.t1, "timed out")]


def test_each_retransmission_is_the_same_bytes() -> None:
    invite = request()
    transaction = InviteClient(invite, UDP, TIMERS, 0.0)
    assert transaction.tick(0.5) == [Transmit(UDP, invite.to_bytes())]


def test_a_tick_before_the_deadline_does_nothing() -> None:
    transaction = calling()
    assert transaction.tick(0.49) == []
    assert transaction.deadline == 0.5


def test_a_late_tick_retransmits_once_and_counts_from_then() -> None:
    transaction = calling()
    assert words(transaction.tick(10.0)) == ["INVITE"]
    assert transaction.deadline == 11.0


def test_a_tick_after_the_end_tells_the_timeout_and_sends_nothing() -> None:
    transaction = calling()
    assert transaction.tick(40.0) == [TimedOut(transaction)]
    assert transaction.tick(50.0) == []


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_a_provisional_response_ends_retransmission_and_patience(flow: Flow) -> None:
    transaction = calling(flow)
    assert transaction.receive(response(100), 0.2) == [ResponseReceived(transaction, response(100))]
    assert transaction.deadline is None
    assert transaction.tick(1e6) == []


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_response_at_the_last_moment_prevents_the_timeout(status: int) -> None:
    transaction = calling()
    run(transaction, 31.9)
    transaction.receive(response(status), 31.9)
    assert "timed out" not in [what for _, what in run(transaction, 1000.0)]


# -- Accepted: timer M -----------------------------------------------------------------------------


@pytest.mark.parametrize("flow", [UDP, TCP])
@pytest.mark.parametrize("timers", [Timers(), Timers(t1=0.1)])
def test_every_further_2xx_is_passed_up_for_64_t1(flow: Flow, timers: Timers) -> None:
    transaction = calling(flow, timers)
    transaction.receive(response(200), 0.3)
    fork = response(200, to_tag="another-branch")
    end = 0.3 + 64 * timers.t1
    assert transaction.receive(fork, end - 0.1) == [ResponseReceived(transaction, fork)]
    assert transaction.deadline == end, "timer M is not started again"
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_after_a_2xx_nothing_else_is_passed_up_or_acknowledged() -> None:
    transaction = in_state(State.ACCEPTED)
    assert transaction.receive(response(180), 1.0) == []
    assert transaction.receive(response(486), 1.0) == []
    assert transaction.state is State.ACCEPTED


# -- Completed: timer D and ACK --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timers", "seconds"),
    [(Timers(), 32.0), (Timers(t1=0.1), 32.0), (Timers(t1=1.0), 64.0)],  # "at least 32 seconds"
)
def test_on_udp_failures_are_acknowledged_until_timer_d(timers: Timers, seconds: float) -> None:
    transaction = calling(UDP, timers)
    transaction.receive(response(486), 0.25)
    assert transaction.deadline == 0.25 + seconds
    assert words(transaction.receive(response(486), 0.2 + seconds)) == ["ACK"]
    assert transaction.deadline == 0.25 + seconds, "timer D is not started again"
    assert run(transaction, 1000.0) == []
    assert transaction.terminated


def test_on_tcp_timer_d_is_zero() -> None:
    transaction = calling(TCP)
    assert words(transaction.receive(response(486), 0.25)) == ["ACK", "up 486"]
    assert transaction.terminated
    assert transaction.deadline is None
    assert transaction.receive(response(486), 0.5) == []


def test_the_ack_of_a_failure_is_made_from_the_invite_and_the_response() -> None:
    """Section 17.1.1.3."""
    invite = request()
    invite.add("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKbefore")
    invite.add("Route", "<sip:edge.example.com;lr>")
    invite.add("Route", "<sip:core.example.com;lr>")
    invite.add("Contact", "<sip:100@192.0.2.1>")
    invite.add("Require", "100rel")
    transaction = InviteClient(invite, UDP, TIMERS, 0.0)
    sent, _ = transaction.receive(response(486, invite, to_tag="callee"), 0.1)
    ack = parse_message(sent.data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri_text) == ("ACK", invite.uri_text)
    assert ack.get_all("Via") == [invite.get("Via")], "the top Via of the INVITE, and no other"
    assert ack.get("To") == "<sip:101@192.0.2.1>;tag=callee"
    assert (ack.get("From"), ack.call_id) == (invite.get("From"), invite.call_id)
    assert str(ack.cseq) == "314159 ACK"
    assert ack.get_all("Route") == invite.get_all("Route")
    assert not ack.has("Contact")
    assert not ack.has("Require")
    assert ack.body == b""
    assert sent.flow is UDP


def test_each_failure_is_acknowledged_with_its_own_to_tag() -> None:
    transaction = calling()
    for tag in ("one", "other"):
        sent = transaction.receive(response(486, to_tag=tag), 0.1)[0]
        assert parse_message(sent.data).to.tag == tag


# -- flows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.CALLING, State.PROCEEDING])
def test_the_user_hears_of_a_dead_flow_once_and_only_before_a_final_response(state: State) -> None:
    transaction = in_state(state, TCP)
    assert transaction.flow_failed(1.0) == [FlowFailed(transaction)]
    assert transaction.flow_failed(1.0) == []
    assert transaction.receive(response(200), 1.1) == []
