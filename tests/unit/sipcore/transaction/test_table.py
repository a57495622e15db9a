"""The table of transactions finds them, ticks them, and keeps nothing of those that have ended."""

from __future__ import annotations

from collections.abc import Callable, Sized

import pytest

from sipcore.effects import Transmit
from sipcore.errors import UsageError
from sipcore.syntax.message import Request, ack_for, cancel_for
from sipcore.transaction.events import FlowFailed, ResponseReceived, TimedOut
from sipcore.transaction.invite_client import InviteClient
from sipcore.transaction.invite_server import InviteServer
from sipcore.transaction.request_client import RequestClient
from sipcore.transaction.request_server import RequestServer
from sipcore.transaction.table import TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Flow, Transport
from tests.unit.sipcore.transaction.support import PBX, PHONE, TCP, UDP, request, response, rfc2543, words

FLOWS = pytest.mark.parametrize("flow", [UDP, TCP])
OPTIONS = request("OPTIONS")


@pytest.fixture
def table() -> TransactionTable:
    return TransactionTable(Timers())


def holds_nothing(table: TransactionTable) -> bool:
    books: tuple[Sized, ...] = (
        table._clients,
        table._servers,
        table._merged,
        table._streams,
        table.deadlines,
        *table._lingering.values(),
    )
    return table.next_deadline() is None and all(not len(book) for book in books) and len(table) == 0


def run_out(table: TransactionTable) -> list[str]:
    """Tick until nothing waits; what happened meanwhile."""
    seen: list[str] = []
    while (deadline := table.next_deadline()) is not None:
        seen += words(table.tick(deadline))
    return seen


# -- clients ---------------------------------------------------------------------------------------


@FLOWS
@pytest.mark.parametrize(("method", "kind"), [("INVITE", InviteClient), ("OPTIONS", RequestClient)])
def test_a_request_is_sent_at_once(table: TransactionTable, flow: Flow, method: str, kind: type) -> None:
    sent = request(method)
    transaction, effects = table.send(sent, flow, 10.0)
    assert type(transaction) is kind
    assert effects == [Transmit(flow, sent.to_bytes())]
    assert len(table) == 1
    assert table.next_deadline() == (10.5 if flow is UDP else 42.0)


def test_a_response_reaches_the_transaction_of_its_branch(table: TransactionTable) -> None:
    one, other = request(branch="z9hG4bK1"), request(branch="z9hG4bK2")
    first, _ = table.send(one, UDP, 0.0)
    second, _ = table.send(other, UDP, 0.0)
    for transaction, sent in ((second, other), (first, one)):
        ringing = response(180, sent)
        assert table.receive_response(ringing, 0.1) == [ResponseReceived(transaction, ringing)]


def test_an_invite_and_its_cancel_are_two_transactions_with_one_branch(table: TransactionTable) -> None:
    invite = request()
    inviting, _ = table.send(invite, UDP, 0.0)
    table.receive_response(response(180), 0.1)
    cancelling, effects = table.send(cancel_for(invite), UDP, 1.0)
    assert words(effects) == ["CANCEL"]
    cancelled = response(200, cancel_for(invite))
    assert table.receive_response(cancelled, 1.1) == [ResponseReceived(cancelling, cancelled)]
    terminated = table.receive_response(response(487), 1.2)
    assert terminated is not None
    assert words(terminated) == ["ACK", "up 487"]
    assert terminated[1].transaction is inviting


def test_nobody_waits_for_a_response_to_nothing(table: TransactionTable) -> None:
    table.send(request(), UDP, 0.0)
    assert table.receive_response(response(200, request(branch="z9hG4bKother")), 0.1) is None
    assert table.receive_response(response(200, request("OPTIONS")), 0.1) is None


def test_a_response_that_somebody_else_should_have_got_is_nobodys(table: TransactionTable) -> None:
    invite = request()
    table.send(invite, UDP, 0.0)
    forwarded = response(200, invite)
    forwarded.add("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKbefore")
    assert table.receive_response(forwarded, 0.1) is None
    assert table.receive_response(response(200, invite), 0.1) != []


@FLOWS
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_neither_way_takes_a_response_from_elsewhere_or_for_somebody_else(
    table: TransactionTable, flow: Flow, method: str
) -> None:
    wanted = request(method)
    transaction, _ = table.send(wanted, flow, 0.0)
    answer, forwarded = response(200, wanted), response(200, wanted)
    forwarded.add("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKbefore")
    for wrong, host in ((answer, "192.0.2.66"), (forwarded, flow.host)):
        assert table.pass_up(wrong, 0.1, host) is None
        assert table.receive_response(wrong, 0.1, host) is None
    taken = table.pass_up(answer, 0.2, flow.host) or table.receive_response(answer, 0.2, flow.host)
    assert taken in (transaction, [ResponseReceived(transaction, answer)])


@pytest.mark.parametrize(("method", "status"), [("INVITE", 180), ("INVITE", 200), ("OPTIONS", 200)])
def test_what_was_sent_again_is_not_watched_any_more_once_it_is_answered(
    table: TransactionTable, method: str, status: int
) -> None:
    wanted = request(method)
    table.send(wanted, UDP, 0.0)
    assert words(table.tick(0.5)) == [method]
    assert table.pass_up(response(status, wanted), 0.6, UDP.host) is not None
    assert len(table.deadlines) == (status == 200), "of a queue, where it lingers"


def test_a_response_that_is_absorbed_is_not_unknown(table: TransactionTable) -> None:
    table.send(OPTIONS, UDP, 0.0)
    table.receive_response(response(200, OPTIONS), 0.1)
    assert table.receive_response(response(200, OPTIONS), 0.2) == []


@FLOWS
@pytest.mark.parametrize("answers", [[], [180], [180, 200], [486]])
def test_an_abandoned_invite_leaves_nothing_and_tells_nothing(
    table: TransactionTable, flow: Flow, answers: list[int]
) -> None:
    transaction, _ = table.send(request(), flow, 0.0)
    for status in answers:
        table.receive_response(response(status), 0.1)
    table.abandon(transaction)
    assert run_out(table) == []
    assert holds_nothing(table)
    assert table.receive_response(response(487), 0.2) is None
    assert table.flow_closed(flow, 0.3) == []
    table.abandon(transaction)  # again: it is gone already


# -- servers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "kind"), [("INVITE", InviteServer), ("OPTIONS", RequestServer)])
@pytest.mark.parametrize("make", [request, rfc2543])
def test_a_request_is_new_once(
    table: TransactionTable, method: str, kind: type, make: Callable[..., Request]
) -> None:
    assert table.find_server(make(method)) is None
    transaction = table.accept(make(method), UDP)
    assert type(transaction) is kind
    assert table.find_server(make(method)) is transaction
    assert table.find_server(make(method, call_id="another", branch="another")) is None


def test_a_retransmission_gets_the_last_answer_again(table: TransactionTable) -> None:
    transaction = table.accept(request(), UDP)
    assert words(table.respond(transaction, response(180), 0.1)) == ["180"]
    assert words(table.receive_request(transaction, request(), 0.5)) == ["180"]
    assert words(table.respond(transaction, response(486), 1.0)) == ["486"]
    assert table.next_deadline() == 1.5
    assert words(table.tick(1.5)) == ["486"]


def test_a_second_final_response_is_refused_and_changes_nothing(table: TransactionTable) -> None:
    transaction = table.accept(request(), UDP)
    table.respond(transaction, response(486), 0.0)
    with pytest.raises(UsageError):
        table.respond(transaction, response(200), 0.1)
    assert table.find_server(request()) is transaction
    assert table.next_deadline() == 0.5


# -- ACK -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [request, rfc2543])
@pytest.mark.parametrize("to_tag", ["", "a6c85cf"])
def test_the_ack_of_a_failure_belongs_to_its_invite(
    table: TransactionTable, make: Callable[..., Request], to_tag: str
) -> None:
    invite = make(to_tag=to_tag)
    transaction = table.accept(invite, UDP)
    table.respond(transaction, response(486, invite), 0.0)
    ack = ack_for(invite, response(486, invite))
    assert table.find_server(ack) is transaction
    assert table.receive_request(transaction, ack, 0.3) == []
    assert table.next_deadline() == 5.3, "retransmission has ended, timer I runs"


@pytest.mark.parametrize("make", [request, rfc2543])
def test_the_ack_of_a_2xx_belongs_to_no_transaction(
    table: TransactionTable, make: Callable[..., Request]
) -> None:
    invite = make()
    transaction = table.accept(invite, UDP)
    table.respond(transaction, response(200, invite), 0.0)
    assert table.find_server(make("ACK", cseq="314159 ACK", to_tag="a6c85cf")) is None
    assert table.find_server(request("ACK", branch="z9hG4bKack", cseq="314159 ACK")) is None
    assert table.find_server(make()) is transaction, "the INVITE itself is absorbed"


@pytest.mark.parametrize(
    "changed", [{"call_id": "another"}, {"from_tag": "another"}, {"cseq": "314160 ACK"}, {"uri": "sip:102@x"}]
)
def test_without_a_unique_branch_an_ack_of_something_else_is_not_absorbed(
    table: TransactionTable, changed: dict[str, str]
) -> None:
    transaction = table.accept(rfc2543(), UDP)
    table.respond(transaction, response(486, rfc2543()), 0.0)
    ack = rfc2543("ACK", **{"cseq": "314159 ACK", "to_tag": "a6c85cf"} | changed)
    assert table.find_server(ack) is None


def test_an_ack_that_nothing_precedes_is_found_nowhere(table: TransactionTable) -> None:
    table.accept(OPTIONS, UDP)
    assert table.find_server(request("ACK")) is None


# -- CANCEL ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [request, rfc2543])
def test_a_cancel_finds_its_invite_and_is_a_transaction_of_its_own(
    table: TransactionTable, make: Callable[..., Request]
) -> None:
    inviting = table.accept(make(), UDP)
    cancel = cancel_for(make())
    assert table.find_server(cancel) is None
    assert table.find_cancelled(cancel) is inviting
    assert not table.is_merged(cancel)
    cancelling = table.accept(cancel, UDP)
    assert isinstance(cancelling, RequestServer)
    assert table.find_server(cancel_for(make())) is cancelling, "a retransmission"
    assert table.find_server(make()) is inviting
    assert words(table.respond(cancelling, response(200, cancel), 0.1)) == ["200"]
    assert words(table.respond(inviting, response(487, make()), 0.1)) == ["487"]


@pytest.mark.parametrize("status", [200, 486])
def test_a_late_cancel_still_finds_its_invite_but_nobody_to_tell(
    table: TransactionTable, status: int
) -> None:
    inviting = table.accept(request(), UDP)
    inviting.user = "session"
    table.respond(inviting, response(status), 0.0)
    found = table.find_cancelled(cancel_for(request()))
    assert found is inviting
    assert found.user is None


def test_nothing_but_an_invite_can_be_cancelled(table: TransactionTable) -> None:
    table.accept(OPTIONS, UDP)
    assert table.find_cancelled(cancel_for(OPTIONS)) is None


@pytest.mark.parametrize("changed", [{"branch": "z9hG4bKother"}, {"sent_by": "192.0.2.101:5060"}])
def test_a_cancel_of_another_client_or_branch_cancels_nothing(
    table: TransactionTable, changed: dict[str, str]
) -> None:
    table.accept(request(), UDP)
    assert table.find_cancelled(request("CANCEL", cseq="314159 CANCEL", **changed)) is None


# -- merged requests -------------------------------------------------------------------------------


def test_a_request_that_comes_by_two_ways_is_merged(table: TransactionTable) -> None:
    table.accept(request(), UDP)
    copy = request(branch="z9hG4bKother-way", sent_by="192.0.2.7")
    assert table.find_server(copy) is None
    assert table.is_merged(copy)


@pytest.mark.parametrize(
    "changed",
    [{"call_id": "another"}, {"from_tag": "another"}, {"cseq": "314160 INVITE"}, {"to_tag": "in-dialog"}],
)
def test_a_request_that_differs_is_not_merged(table: TransactionTable, changed: dict[str, str]) -> None:
    table.accept(request(), UDP)
    assert not table.is_merged(request(branch="z9hG4bKother-way", **changed))


def test_a_request_within_a_dialog_is_no_original_of_copies(table: TransactionTable) -> None:
    table.accept(request(to_tag="in-dialog"), UDP)
    assert not table.is_merged(request(branch="z9hG4bKother-way"))


@FLOWS
@pytest.mark.parametrize("status", [200, 486])
def test_copies_are_merged_until_the_first_is_over(table: TransactionTable, flow: Flow, status: int) -> None:
    copy = request(branch="z9hG4bKother-way")
    transaction = table.accept(request(), flow)
    table.respond(transaction, response(status), 0.0)
    assert table.is_merged(copy)
    run_out(table)
    assert not table.is_merged(copy)
    assert holds_nothing(table)


def test_where_a_copy_was_accepted_the_end_of_the_first_does_not_hide_it(table: TransactionTable) -> None:
    first = table.accept(request(), UDP)
    second = table.accept(request(branch="z9hG4bKother-way"), UDP)
    table.respond(first, response(486), 0.0)
    run_out(table)
    assert table.is_merged(request(branch="z9hG4bKthird-way"))
    table.respond(second, response(486, request(branch="z9hG4bKother-way")), 100.0)
    run_out(table)
    assert holds_nothing(table)


# -- time ------------------------------------------------------------------------------------------


def test_nothing_waits_in_an_empty_table(table: TransactionTable) -> None:
    assert holds_nothing(table)
    assert table.tick(1e6) == []


def test_a_table_counts_the_transactions_of_both_sides(table: TransactionTable) -> None:
    table.send(request(), UDP, 0.0)
    table.send(OPTIONS, UDP, 0.0)
    table.accept(request(), UDP)
    assert len(table) == 3


def test_one_tick_serves_every_transaction_that_is_due(table: TransactionTable) -> None:
    table.send(request(branch="z9hG4bK1"), UDP, 0.0)
    table.send(request("OPTIONS", branch="z9hG4bK2"), UDP, 0.2)
    table.send(request(branch="z9hG4bK3"), UDP, 0.9)
    assert words(table.tick(0.4)) == []
    assert words(table.tick(0.7)) == ["INVITE", "OPTIONS"]
    assert table.next_deadline() == 1.4


def test_those_that_only_absorb_end_together_within_half_a_second(table: TransactionTable) -> None:
    for number in range(10):
        answered = request("OPTIONS", branch=f"z9hG4bK{number}", call_id=f"{number}")
        transaction = table.accept(answered, UDP)
        table.respond(transaction, response(200, answered), number / 10)
        table.receive_request(transaction, answered, number / 10 + 0.01)  # changes nothing
    left = []
    while (deadline := table.next_deadline()) is not None:
        assert table.tick(deadline) == []
        left.append((deadline, len(table)))
    assert left == [(32.0, 9), (32.5, 4), (33.0, 0)]
    assert holds_nothing(table)


def test_the_table_gives_its_timers_to_all_transactions() -> None:
    table = TransactionTable(Timers(t1=0.1, t2=0.2))
    table.send(request(), UDP, 0.0)
    table.respond(table.accept(request(), UDP), response(486), 0.0)
    assert table.next_deadline() == 0.1
    while (deadline := table.next_deadline()) is not None and deadline < 6.41:
        table.tick(deadline)
    assert holds_nothing(table)


# -- flows -----------------------------------------------------------------------------------------


def test_a_connection_that_breaks_ends_its_transactions_and_no_others(table: TransactionTable) -> None:
    again = Flow(TCP.transport, TCP.local, TCP.remote, connection=2)
    inviting, _ = table.send(request(branch="z9hG4bK1"), TCP, 0.0)
    asking, _ = table.send(request("OPTIONS", branch="z9hG4bK2"), TCP, 0.0)
    invited = table.accept(request(), TCP)
    assert isinstance(invited, InviteServer)
    table.accept(OPTIONS, TCP)
    table.send(request(branch="z9hG4bK3"), again, 0.0)
    table.send(request(branch="z9hG4bK4"), UDP, 0.0)
    effects = table.flow_closed(TCP, 1.0)
    assert effects == [FlowFailed(inviting), FlowFailed(asking), FlowFailed(invited)]
    assert len(table) == 2
    assert table.flow_closed(TCP, 1.0) == []


def test_a_datagram_flow_cannot_break(table: TransactionTable) -> None:
    table.send(request(), UDP, 0.0)
    assert table.flow_closed(UDP, 0.1) == []
    assert len(table) == 1


def test_a_transaction_that_has_told_its_final_response_says_nothing_of_a_dead_flow(
    table: TransactionTable,
) -> None:
    table.send(request(), TCP, 0.0)
    table.receive_response(response(200), 0.1)
    table.respond(table.accept(request(), TCP), response(486), 0.1)
    assert table.flow_closed(TCP, 0.2) == []
    assert run_out(table) == []
    assert holds_nothing(table)


def test_what_is_left_on_a_connection_is_found_though_others_have_ended(table: TransactionTable) -> None:
    table.send(OPTIONS, TCP, 0.0)
    inviting, _ = table.send(request(), TCP, 0.0)
    table.receive_response(response(200, OPTIONS), 0.1)
    assert table.flow_closed(TCP, 0.2) == [FlowFailed(inviting)]


# -- nothing is kept -------------------------------------------------------------------------------


@FLOWS
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("answers", [[], [200], [486], [100, 200], [100, 486]])
def test_nothing_is_kept_of_a_client_transaction(
    table: TransactionTable, flow: Flow, method: str, answers: list[int]
) -> None:
    sent = request(method)
    transaction, _ = table.send(sent, flow, 0.0)
    for status in answers:
        table.receive_response(response(status, sent), 0.1)
    assert ("timed out" in run_out(table)) == (not answers)
    assert transaction.terminated
    assert holds_nothing(table)
    assert table.receive_response(response(200, sent), 999.0) is None


@FLOWS
@pytest.mark.parametrize("make", [request, rfc2543])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("answers", [[200], [486], [100, 200], [100, 486]])
@pytest.mark.parametrize("acknowledged", [False, True])
def test_nothing_is_kept_of_a_server_transaction(
    table: TransactionTable,
    flow: Flow,
    make: Callable[..., Request],
    method: str,
    answers: list[int],
    acknowledged: bool,
) -> None:
    received = make(method)
    transaction = table.accept(received, flow)
    for status in answers:
        table.respond(transaction, response(status, received), 0.1)
    if acknowledged:
        found = table.find_server(ack_for(received, response(486, received)))
        assert (found is transaction) == (method == "INVITE" and answers[-1] == 486)
        if found is not None:
            assert table.receive_request(found, ack_for(received, response(486, received)), 0.2) == []
    run_out(table)
    assert transaction.terminated
    assert holds_nothing(table)
    assert table.find_server(make(method)) is None


def test_a_timeout_is_told_once(table: TransactionTable) -> None:
    transaction, _ = table.send(request(), UDP, 0.0)
    assert table.tick(32.0) == [TimedOut(transaction)]
    assert table.tick(64.0) == []
    assert holds_nothing(table)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS])
def test_every_stream_transport_is_reliable(table: TransactionTable, transport: Transport) -> None:
    flow = Flow(transport, PBX, PHONE, connection=7)
    transaction, _ = table.send(request(), flow, 0.0)
    assert table.next_deadline() == 32.0
    assert table.flow_closed(flow, 1.0) == [FlowFailed(transaction)]
    assert holds_nothing(table)


@pytest.mark.parametrize("branch", ["z9hG4bK", "1"])
def test_requests_whose_branch_tells_nothing_are_told_apart_by_all_else(
    table: TransactionTable, branch: str
) -> None:
    """The cookie alone is no more than the branch of an old client (RFC 4475 section 3.2.1)."""
    transaction = table.accept(request("OPTIONS", branch=branch), UDP)
    assert table.find_server(request("OPTIONS", branch=branch)) is transaction
    assert table.find_server(request("OPTIONS", branch=branch, call_id="another")) is None
