"""Messages within dialogs that are printed in one go are what they are when built header by header."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.dialog.dialog import Dialog, OurEnd
from sipcore.dialog.session import SDP
from sipcore.dialog.session_timer import TimerSettings, proposal
from sipcore.effects import Transmit
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.errors import UsageError
from sipcore.sdp.description import SessionDescription
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import HeaderList, Request, print_answer, print_copied, print_fields, response_to
from sipcore.syntax.parser import parse_message
from sipcore.syntax.printed import PrintedRequest
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.pair import OFFER, OpenGate

UDP = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.20", 5060))
NAMES = st.sampled_from(["Lee", 'L "e" e', "é", "\udcff", "a\\b", "tag", ""])
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Reason", "X-Long", "Content-Length", "Via"]), st.sampled_from(["a", "é", ""])
    ),
    max_size=3,
)
BODIES = st.sampled_from([b"", b"v=0", b"\xff\r\n"])
ROUTES = st.lists(st.sampled_from(["<sip:p1;lr>", "<sip:p2;lr>", "<sip:strict>"]), max_size=3)
VIAS = st.sampled_from(["a;branch=z9hG4bK1", "a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=2", 'a;x="1,2"'])


@given(NAMES, ROUTES, st.lists(st.tuples(FIELDS, BODIES, st.booleans()), max_size=4))
def test_a_request_within_a_dialog(
    name: str, routes: list[str], steps: list[tuple[HeaderList, bytes, bool]]
) -> None:
    invited = invitation(name, [("Record-Route", route) for route in routes])
    dialog, same = (Dialog.of_server(invited, "ours", UDP) for _ in range(2))
    for index, (headers, body, moves) in enumerate(steps):
        if moves:
            moved = parse_contact(f"<sip:kim@host{index}>")
            dialog.refresh_target(moved)
            same.refresh_target(moved)
        wanted = same.request("INFO", headers, body)
        wanted.prepend("Via", "SIP/2.0/UDP a;branch=z9hG4bK1")
        printed = dialog.printed("INFO", "SIP/2.0/UDP a;branch=z9hG4bK1", headers, body)
        assert printed == wanted.to_bytes()
        assert_same(PrintedRequest("INFO", printed), wanted)


def assert_same(printed: Request, wanted: Request) -> None:
    """Also when it is asked for what it does not begin with, and when it is changed."""
    assert printed.to_bytes() == wanted.to_bytes()
    assert (printed.method, printed.uri, printed.body) == (wanted.method, wanted.uri, wanted.body)
    assert printed.headers == [header for header in wanted.headers if header[0] != "Content-Length"]
    assert printed.first == dict(reversed(printed.headers))
    changed = PrintedRequest(printed.method, printed.to_bytes())
    for each in (changed, wanted):
        each.prepend("X-First", "a")
    assert changed.to_bytes() == wanted.to_bytes()


def invitation(name: str, more: HeaderList) -> Request:
    return Request(
        "INVITE",
        "sip:lee@pbx",
        [
            ("From", str(NameAddress(name, Uri.parse("sip:kim@pbx")).with_tag("theirs"))),
            ("To", str(NameAddress(name, Uri.parse("sip:lee@pbx")))),
            ("Call-ID", "call"),
            ("CSeq", "1 INVITE"),
            ("Contact", "<sip:kim@a>"),
            *more,
        ],
    )


def parse_contact(contact: str) -> Request:
    return Request("UPDATE", "sip:lee@pbx", [("Contact", contact)])


@given(
    st.lists(VIAS, min_size=1, max_size=3),
    st.sampled_from(
        ["<sip:100@pbx>", "<sip:100@pbx>;tag=2", "<sip:tag@pbx>", "<sip:é@pbx>", '";tag=" <sip:a>']
    ),
    st.sampled_from([180, 200, 487, 999]),
    st.none() | st.sampled_from(["Fine", "", "é"]),
    FIELDS.map(lambda fields: [(f"X-{name}", value) for name, value in fields]),
    BODIES,
)
def test_a_response(
    vias: list[str], to: str, status: int, reason: str | None, headers: HeaderList, body: bytes
) -> None:
    fixed = ["From: é <sip:100@pbx>;tag=1", f"To: {to}", "Call-ID: a", "CSeq: 1 INVITE", "Content-Length: 0"]
    lines = [f"Via: SIP/2.0/UDP {via}" for via in vias]
    request = parse_message("\r\n".join(["INVITE sip:pbx SIP/2.0", *lines, *fixed, "", ""]).encode())
    assert isinstance(request, Request)
    wanted = response_to(request, status, reason, to_tag="ours", headers=headers, body=body)
    printed = print_answer(status, reason, print_copied(request, "ours"), print_fields(headers), body)
    assert (printed.status, printed.to_bytes()) == (wanted.status, wanted.to_bytes())


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nX: b", "a\rb", "a\0b"])
def test_no_value_breaks_out_of_its_line(value: str) -> None:
    dialog = Dialog.of_server(invitation("Kim", []), "ours", UDP)
    with pytest.raises(UsageError):
        dialog.printed("BYE", "SIP/2.0/UDP a", [("Reason", value)])
    assert dialog.local_cseq == 0
    if "\0" not in value:  # in a quoted name that is escaped
        with pytest.raises(UsageError):
            Dialog.of_server(invitation(f"Kim{value}", []), "ours", UDP).printed("BYE", "SIP/2.0/UDP a")
    with pytest.raises(UsageError):
        print_fields([("Reason", value)])
    with pytest.raises(UsageError):
        print_answer(486, value, "")


@given(
    NAMES,
    NAMES,
    ROUTES,
    FIELDS,
    st.none() | st.just(OFFER),
    st.sampled_from([Transport.UDP, Transport.TCP, Transport.TLS]),
    st.sampled_from(["sip", "sips"]),
    st.sampled_from(
        [EndpointSettings(), EndpointSettings(reliable=True, session_timers=TimerSettings(1800, 100))]
    ),
)
def test_an_invite(
    caller: str,
    called: str,
    routes: list[str],
    headers: HeaderList,
    offer: SessionDescription | None,
    transport: Transport,
    scheme: str,
    settings: EndpointSettings,
) -> None:
    endpoint, flow = Endpoint(EndpointSettings(), Random(1), OpenGate()), replace(UDP, transport=transport)
    endpoint.settings = settings
    lee, kim = (NameAddress(name, Uri.parse("sip:lee@pbx")) for name in (caller, called))
    target, passing = Uri.parse(f"{scheme}:kim@a"), [NameAddress.parse(route) for route in routes]
    session, effects = endpoint.invite(
        target, flow, from_=lee, to=kim, offer=offer, now=0.0, headers=headers, route_set=passing
    )
    said = session.request
    wanted = Request(
        "INVITE",
        target,
        [
            ("Via", said.first["Via"]),
            ("Max-Forwards", "70"),
            *[("Route", str(route)) for route in passing],
            ("From", str(lee.with_tag(said.from_.tag or ""))),
            ("To", str(kim)),
            ("Call-ID", said.call_id),
            ("CSeq", str(said.cseq)),
            *endpoint.about_us.headers(
                transport, flow.local, "lee", scheme, "100rel, " if settings.reliable else ""
            ),
            *proposal(settings.session_timers),
            *headers,
            *([("Content-Type", SDP)] if offer else []),
        ],
        b"" if offer is None else offer.to_bytes(),
    )
    begins, _, branch = said.first["Via"].partition(";branch=z9hG4bK")
    assert begins == f"SIP/2.0/{transport.value} {flow.local}"
    assert branch.endswith(";rport")
    assert effects == [Transmit(flow, wanted.to_bytes())]
    assert_same(said, wanted)


def test_our_end_of_a_dialog_is_what_the_request_says() -> None:
    endpoint, lee = (
        Endpoint(EndpointSettings(), Random(1), OpenGate()),
        NameAddress("Lee", Uri.parse("sip:lee@pbx")),
    )
    session, _ = endpoint.invite(Uri.parse("sips:kim@a"), UDP, from_=lee, to=lee, offer=None, now=0.0)
    said = OurEnd.of(session.request)
    assert session._ours._replace(address=said.address) == said
    assert session._ours.address.uri == said.address.uri
