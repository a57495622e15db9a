"""A request that is answered when it comes leaves what a transaction would leave, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipcore.effects import Effect
from sipcore.syntax.message import Request, print_response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transaction.table import TransactionTable
from sipcore.transaction.timers import Timers
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.response_routing import response_flow, stamp_via, way_back

SERVER = Address("192.0.2.1", 5060)
UDP = Flow(Transport.UDP, SERVER, Address("192.0.2.20", 5060))
TCP = Flow(Transport.TCP, SERVER, Address("192.0.2.20", 40000), 1)

REQUESTS = st.builds(
    "\r\n".join,
    st.tuples(
        st.sampled_from(["OPTIONS", "OPTIONS", "REGISTER"]).map("{} sip:pbx SIP/2.0".format),
        st.sampled_from(["z9hG4bK1", "z9hG4bK2", "z9hG4bK3", "old"]).map(
            "Via: SIP/2.0/UDP 192.0.2.20:5060;branch={};rport".format
        ),
        st.sampled_from(["From: <sip:100@pbx>;tag=1", "From: <sip:100@pbx>"]),
        st.sampled_from(["To: <sip:100@pbx>", "To: <sip:100@pbx>;tag=2"]),
        st.sampled_from(["Call-ID: a", "Call-ID: b"]),
        st.sampled_from(["CSeq: 1 ", "CSeq: 2 "]),
    ),
)
STEPS = st.tuples(REQUESTS, st.sampled_from([UDP, UDP, TCP])) | st.sampled_from(
    [0.0, 0.4, 1.0, 31.6, 32.0, 40.0]
)


def read(text: str) -> Request:
    method = text.partition(" ")[0]
    request = parse_message(f"{text}{method}\r\nContent-Length: 0\r\n\r\n".encode())
    assert isinstance(request, Request)
    return request


def serve(
    table: TransactionTable, request: Request, flow: Flow, now: float, *, at_once: bool
) -> list[Effect]:
    found = table.find_server(request)
    if found is not None:
        return table.receive_request(found, request, now)
    if table.is_merged(request):
        return ["merged"]
    response = response_to(request, 200, to_tag="ours")
    if at_once:
        return table.answer(request, flow, response.to_bytes(), now)
    return table.respond(table.accept(request, flow), response, now)


@given(st.lists(STEPS, max_size=12))
def test_it_does_what_a_transaction_does_that_is_answered_when_it_begins(
    steps: list[tuple[str, Flow] | float],
) -> None:
    ours, reference = TransactionTable(Timers()), TransactionTable(Timers())
    now = 1000.0
    for step in steps:
        if isinstance(step, float):
            now += step
            assert ours.tick(now) == reference.tick(now)
        else:
            text, flow = step
            answers = serve(ours, read(text), flow, now, at_once=True)
            assert answers == serve(reference, read(text), flow, now, at_once=False)
        assert (len(ours), ours.next_deadline()) == (len(reference), reference.next_deadline())
    now += 100
    ours.tick(now)
    assert (len(ours), ours._merged, ours.next_deadline()) == (0, {}, None)


HEADS = st.lists(
    st.sampled_from(
        [
            "Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1;rport",
            "Via: SIP/2.0/UDP 192.0.2.20;rport;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP 192.0.2.21;branch=z9hG4bK1, SIP/2.0/UDP b;branch=2",
            "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK1",
            'Via: SIP/2.0/UDP b;x="a,b";branch=2;rport',
            "User-Agent: Desk 3",
            "X: é",
        ]
    ),
    max_size=3,
)
TO = st.sampled_from(
    ["<sip:100@pbx>", "<sip:100@pbx>;tag=2", "<sip:tag@pbx>", "<sip:é@pbx>", '";tag=" <sip:a>']
)
MORE = st.lists(st.sampled_from([("WWW-Authenticate", "Digest a=1"), ("Contact", "<sip:é>")]), max_size=2)


@given(HEADS, TO, st.sampled_from([200, 401, 423, 999]), MORE, st.sampled_from([UDP, TCP]))
def test_what_is_printed_in_one_go_is_the_response(
    lines: list[str], to: str, status: int, headers: list[tuple[str, str]], flow: Flow
) -> None:
    fixed = ["From: <sip:100@pbx>;tag=1", f"To: {to}", "Call-ID: a", "CSeq: 1 REGISTER", "Content-Length: 0"]
    via = "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK0;rport"
    data = "\r\n".join(["REGISTER sip:pbx SIP/2.0", via, *lines, *fixed, "", ""]).encode()
    request, same = parse_message(data), parse_message(data)
    assert isinstance(request, Request)
    assert isinstance(same, Request)
    wanted_flow = response_flow(same, flow)
    stamp_via(same, flow)
    wanted = response_to(same, status, to_tag="ours", headers=headers).to_bytes()
    back, via = way_back(request, flow)
    assert (back, print_response(request, status, via, "ours", headers)) == (wanted_flow, wanted)
