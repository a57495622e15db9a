"""The steps of nearly every call are written out: they do what the tables do, whatever comes before and after."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from sipcore.effects import Effect
from sipcore.errors import UsageError
from sipcore.machine import Machine
from sipcore.syntax.message import Response
from sipcore.transaction.events import ResponseReceived
from sipcore.transaction.invite_client import InviteClient
from sipcore.transaction.invite_server import Event as InviteServerEvent
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.request_client import RequestClient
from sipcore.transaction.table import ClientTransaction, TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow
from tests.unit.sipcore.transaction.support import TCP, UDP, request, response

STATUSES = st.sampled_from([100, 180, 183, 200, 202, 302, 486, 603])
STEPS = st.lists(STATUSES | st.sampled_from(["tick", "again", "flow fails"]), max_size=12)
FLOWS = st.sampled_from([UDP, UDP, TCP])


def slots(transaction: Machine) -> dict[str, Any]:
    """All that a transaction knows."""
    names = [name for kind in type(transaction).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(transaction, name, "not set") for name in names if name != "flow"}


def told(transaction: ClientTransaction, answer: Response, now: float, *, by_table: bool) -> list[str]:
    """What comes of a response."""
    if not by_table and transaction.passes(answer, UDP.host, now) is not None:
        event("written out")
        return [repr((ResponseReceived, answer))]
    effects = transaction.receive(answer, now)
    return [repr((type(effect), getattr(effect, "response", effect))) for effect in effects]


@given(STEPS, FLOWS, st.sampled_from(["INVITE", "BYE"]))
def test_a_client_does_with_a_response_what_its_table_does(steps: list[Any], flow: Flow, method: str) -> None:
    wanted, kind = request(method), InviteClient if method == "INVITE" else RequestClient
    now = 10.0
    ours, reference = kind(wanted, flow, Timers(), now), kind(wanted, flow, Timers(), now)
    for step in steps:
        now += 0.3
        if isinstance(step, int):
            answer = response(step, wanted)
            assert told(ours, answer, now, by_table=False) == told(reference, answer, now, by_table=True)
        elif step == "flow fails":
            assert len(ours.flow_failed(now)) == len(reference.flow_failed(now))
        else:
            now = reference.deadline or now
            assert [type(effect) for effect in ours.tick(now)] == [
                type(effect) for effect in reference.tick(now)
            ]
        assert slots(ours) == slots(reference)


def answer_by_table(transaction: InviteServer, answer: Response, now: float) -> list[Effect]:
    status = answer.status
    if status < 200:
        return transaction.step(InviteServerEvent.SEND_PROVISIONAL, answer, now)
    success = InviteServerEvent.SEND_SUCCESS
    return transaction.step(success if status < 300 else InviteServerEvent.SEND_FAILURE, answer, now)


@given(STEPS, FLOWS)
def test_an_invite_server_answers_as_its_table_does(steps: list[Any], flow: Flow) -> None:
    invite = request()
    ours, reference = InviteServer(invite, flow, Timers()), InviteServer(invite, flow, Timers())
    now = 10.0
    assert ours.trying() == reference.trying()
    for step in steps:
        now += 0.3
        if isinstance(step, int):
            answer = response(step, invite)
            try:
                effects = ours.respond(answer, now)
            except UsageError:
                assert reference.answered
                continue
            assert effects == answer_by_table(reference, answer, now)
        elif step == "flow fails":
            assert len(ours.flow_failed(now)) == len(reference.flow_failed(now))
        elif step == "again":
            assert ours.receive(invite, now) == reference.receive(invite, now)
        else:
            now = reference.deadline or now
            assert ours.tick(now) == reference.tick(now)
        assert slots(ours) == slots(reference)


@given(STEPS, st.sampled_from(["INVITE", "BYE"]))
def test_what_lingers_ends_as_its_timer_would_end_it(steps: list[Any], method: str) -> None:
    wanted, kind = request(method), InviteClient if method == "INVITE" else RequestClient
    ours, reference = kind(wanted, UDP, Timers(), 10.0), kind(wanted, UDP, Timers(), 10.0)
    for one in (ours, reference):
        for step in steps:
            if isinstance(step, int):
                one.receive(response(step, wanted), 11.0)
    if not ours.lingers:
        return
    ours.expire()
    assert reference.deadline is not None
    assert reference.tick(reference.deadline) == []
    assert slots(ours) == slots(reference)


Step = tuple[str, int] | float
TABLE_STEPS = st.lists(
    st.tuples(st.sampled_from(["INVITE", "BYE"]), STATUSES)
    | st.sampled_from([0.0, 0.2, 0.5, 1.0, 5.0, 32.0]),
    max_size=16,
)


@given(TABLE_STEPS, FLOWS, FLOWS)
def test_a_table_passes_up_what_it_would_tell_and_watches_the_same_times(
    steps: list[Step], first: Flow, second: Flow
) -> None:
    """Of two tables one is asked the short way first."""
    ours, reference = TransactionTable(Timers()), TransactionTable(Timers())
    now, wanted = 1000.0, {"INVITE": request(branch="z9hG4bK1"), "BYE": request("BYE", branch="z9hG4bK2")}
    for table in (ours, reference):
        table.send(wanted["INVITE"], first, now)
        table.send(wanted["BYE"], second, now)
    for step in steps:
        if isinstance(step, tuple):
            answer = response(step[1], wanted[step[0]])
            transaction = ours.pass_up(answer, now, UDP.remote.host)
            told = reference.receive_response(answer, now, UDP.remote.host)
            if transaction is None:
                others = ours.receive_response(answer, now, UDP.remote.host)
                assert (others is None) == (told is None)
                assert list(map(type, others or [])) == list(map(type, told or []))
            else:
                assert told is not None
                assert [effect.response for effect in told] == [answer]
        else:
            now += step
            assert list(map(type, ours.tick(now))) == list(map(type, reference.tick(now)))
        assert len(ours) == len(reference)
    while (deadline := ours.next_deadline()) is not None:
        now = deadline
        assert list(map(type, ours.tick(now))) == list(map(type, reference.tick(now)))
        assert len(ours) == len(reference)
