"""A phone that calls as it did before is challenged as if nobody knew it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from sipcore.effects import Effect, Invited, Transmit
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.errors import ParseError
from sipcore.registrar import callers
from sipcore.registrar.callers import MANY_MISSES, MAX_HEAD_BYTES, MAX_LINES, MAX_PARSED_CHARACTERS, Callers
from sipcore.registrar.digest import Credentials, answer_challenge
from sipcore.registrar.gate import RETRY_SECONDS, Account, DigestGate
from sipcore.syntax.parser import parse_message, read_message
from sipcore.transport.flow import Address, Flow, Transport

REALM = "myphone"
SERVER = Address("192.0.2.1", 5060)
FLOWS = [
    Flow(Transport.UDP, SERVER, Address("192.0.2.20", 5060)),
    Flow(Transport.UDP, SERVER, Address("198.51.100.66", 5060)),
    Flow(Transport.TCP, SERVER, Address("192.0.2.20", 40000), 1),
]
SENT_BY = "SIP/2.0/UDP 192.0.2.20:5060"
CONTACT = "Contact: <sip:100@192.0.2.20:5060>"
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Server:
    """An endpoint behind a gate."""

    def __init__(self, *, knows_callers: bool) -> None:
        self.gate = DigestGate(REALM, self._account, b"secret")
        self.endpoint = Endpoint(EndpointSettings(), Random(2), self.gate)
        callers = Callers(self.endpoint, self.gate)
        self.receive = callers.receive if knows_callers else self._read_whole
        self.receive_ack = callers.receive_ack if knows_callers else self._read_whole

    @staticmethod
    def _account(username: str) -> Account | None:
        return Account("100", Credentials.of("100", REALM, "secret")) if username == "100" else None

    def _read_whole(self, data: bytes, flow: Flow, now: float, stream: bool) -> list[Effect]:
        return self.endpoint.receive(read_message(data, stream=stream), flow, now)

    def hear(self, data: bytes, flow: Flow, now: float) -> list[Any]:
        """What is sent, and what kinds of things are told."""
        try:
            receive = self.receive_ack if data.startswith(b"ACK ") else self.receive
            effects = receive(data, flow, now, flow.transport is Transport.TCP)
        except ParseError as error:
            effects = self.endpoint.receive_error(error, flow, now)
        return [effect if isinstance(effect, Transmit) else type(effect) for effect in effects]

    def state(self) -> list[Any]:
        """All that is remembered."""
        nonces = self.gate._authenticator._nonces
        return [
            self.endpoint.live(),
            self.endpoint.next_deadline(),
            self.endpoint.transactions._merged.keys(),
            nonces._issued,
            list(nonces._used.items()),
            list(self.gate._throttle._known),
            list(self.gate._old_clients._challenged.items()),
        ]


class Phone:
    """Calls nearly the same way each time."""

    def __init__(self) -> None:
        self.calls = 0
        self.branch = 0
        self.challenge = ""
        self.last = b""

    def invite(self, step: dict[str, Any]) -> bytes:
        """An INVITE, with credentials if the step says so."""
        self.branch += step["branch"]
        self.calls += step["new"]
        uri = step["uri"]
        lines = [
            f"INVITE {uri} SIP/2.0",
            step["via"].format(sent_by=SENT_BY, branch=f"z9hG4bK{self.branch}"),
            f"Max-Forwards: {step['hops']}",
            step["from"].format(tag=f"a{self.calls}.x"),
            step["to"],
            CONTACT,
            f"Call-ID: {step['call_id'].format(self.calls)}",
            step["cseq"],
            *step["lines"],
            "Content-Type: application/sdp",
            step["length"].format(len(SDP)),
        ]
        if step["proves"] and self.challenge:
            value = answer_challenge(
                [self.challenge], "INVITE", uri, "100", step["password"], nc=1, cnonce="c"
            )
            lines.insert(step["at"], f"{step['header']}: {value}")
        self.last = "\r\n".join([*lines, "", SDP]).encode("utf-8", "surrogateescape")
        return self.last

    def hear(self, effects: list[Any]) -> None:
        """Note a challenge."""
        for effect in effects:
            if isinstance(effect, Transmit) and effect.data.startswith(b"SIP/2.0 401"):
                self.refused = parse_message(effect.data)
                self.challenge = self.refused.get_all("WWW-Authenticate")[-1]

    def ack(self) -> bytes:
        """That of the last challenge."""
        lines = ["ACK sip:101@pbx.example SIP/2.0"]
        lines += [f"{name}: {self.refused.first[name]}" for name in ("Via", "From", "To", "Call-ID")]
        return "\r\n".join([*lines, "CSeq: 1 ACK", "Content-Length: 0", "", ""]).encode("utf-8", "surrogateescape")


USUAL: dict[str, Any] = {
    "uri": "sip:101@pbx.example",
    "via": "Via: {sent_by};branch={branch};rport",
    "hops": "70",
    "from": 'From: "Lee" <sip:100@pbx.example>;tag={tag}',
    "to": "To: <sip:101@pbx.example>",
    "call_id": "call-{}@192.0.2.20",
    "cseq": "CSeq: 1 INVITE",
    "lines": ["User-Agent: Desk 3"],
    "length": "Content-Length: {}",
    "branch": 1,
    "new": 0,
    "proves": True,
    "password": "secret",
    "at": 6,
    "header": "Authorization",
    "flow": FLOWS[0],
}
ASKS = USUAL | {"proves": False, "new": 1}
VARIED: dict[str, list[Any]] = {
    "uri": ["sip:102@pbx.example", "sip:*99@pbx.example", "sip:101@other", "sip:1 1@pbx.example", "sip:@pbx.example",
            "sips:101@pbx.example", "tel:101", "sip:a-b_c.d+e@pbx.example", "sip:101@pbx.example;x=y"],
    "via": ["Via: {sent_by};rport;branch={branch}", "Via: {sent_by};branch={branch}",
            "Via: {sent_by};branch={branch};rport=1",
            "Via: {sent_by};rport;branch={branch};rport", "Via: {sent_by};branch=old;rport",
            "Via: {sent_by}1;branch={branch};rport", "Via:  {sent_by};branch={branch};rport",
            "Via: {sent_by};branch={branch};rport, SIP/2.0/UDP b;branch=2;rport", "v: {sent_by};branch={branch};rport",
            "Via: {sent_by};branch={branch};rport\r\nVia: SIP/2.0/UDP b;branch=2"],
    "hops": ["0", "69", "x", "-1"],
    "from": ['From: "Lee" <sip:101@pbx.example>;tag={tag}', "From: <sip:100@pbx.example>;tag={tag}",
             'From: "Lee" <sip:100@pbx.example>;tag={tag};tag=2', 'From: "Lee" <sip:100@pbx.example>',
             'From: "Lee" <sip:100@pbx.example>;x;tag={tag}', 'From: "Lee" <sip:100@pbx.example>;tag={tag}é'],
    "to": ["To: <sip:102@pbx.example>", "To: <sip:tag@pbx.example>", "To: <sip:101@pbx.example>;tag=1",
           "To: <sip:101@pbx.example>;tag=", 'To: "x" <sip:101@pbx.example>', "To: sip:101@pbx.example",
           "To: <sip:101@other>", "To: <sip:1é1@pbx.example>"],
    "call_id": ["call-{}", "call {}", "é{}", "{}\0"],
    "cseq": ["CSeq: 2 INVITE", "CSeq: 4294967296 INVITE", "CSeq: 01 INVITE", "CSeq: 1 ACK", "CSeq: x INVITE"],
    "lines": [["User-Agent: baresip v1.0"], ["User-Agent: Desk 3", "X: 1"], ["User-Agent: Desk 3", "X: 1\r\n 2"],
              ["User-Agent: Desk 3", "X: 1\nY: 2"], ["User-Agent: Desk 3", "Call-ID: 2"], ["User-Agent: Désk 3"],
              ["User-Agent: D\udcff"], ["User-Agent: Desk 3", "Content-Length: 1"], [], ["no field"],
              ["User-Agent: Desk 3", "Require: x"], ["User-Agent: Desk 3", "authorization: Digest a=1"]],
    "length": ["Content-Length: 10", "Content-Length: 999", "Content-Length: 00{}", "l: {}", "Content-Length: x",
               "X-Length: {}"],
    "at": [1, 2, 8],
    "header": ["authorization", "X"],
    "password": ["wrong"],
    "branch": [0],
    "new": [1],
    "proves": [True, False],
    "flow": FLOWS,
}  # fmt: skip
FORMS = st.sampled_from([{}, {}, *({name: value} for name, values in VARIED.items() for value in values)])
STEPS = (
    st.tuples(st.sampled_from([ASKS, USUAL]), FORMS).map(lambda both: both[0] | both[1])
    | st.sampled_from(["again", "from elsewhere", RETRY_SECONDS + 1, 40.0])
    | st.tuples(
        st.integers(0, 420),
        st.integers(0, 2),
        st.sampled_from(
            [b"", b"\r", b"\n", b"\0", b"\xff", b" ", b",", b";", b"\r\n\r\n", b"\r\nX: 1", b"0"]
        ),
    )
)


@given(FORMS, st.lists(STEPS, max_size=10))
@example({}, [ASKS, "again", USUAL, "again", ASKS, RETRY_SECONDS + 1, ASKS])
@example({"via": VARIED["via"][0]}, [ASKS, ASKS | {"via": VARIED["via"][0]}])
@example({"flow": FLOWS[2]}, [ASKS | {"flow": FLOWS[2]}])
@example({}, [ASKS | {"length": "Content-Length: 999"}, ASKS | {"via": VARIED["via"][3]}])
@example({"lines": ["User-Agent: D\udcff"]}, [ASKS | {"lines": ["User-Agent: D\udcfe"]}])
@example({"lines": ["User-Agent: Desk 3", "Content-Length: 1"]}, [ASKS])
def test_who_is_known_is_challenged_as_if_nobody_knew_him(form: dict[str, Any], steps: list[Any]) -> None:
    ours, reference, phone = Server(knows_callers=True), Server(knows_callers=False), Phone()
    now = 1000.0
    for step in [ASKS | form, USUAL | form, *steps, ASKS | form, USUAL | form, ASKS]:
        if isinstance(step, float):
            now += step
            ours.endpoint.tick(now)
            reference.endpoint.tick(now)
        else:
            flow = FLOWS[0]
            if isinstance(step, dict):
                data, flow = phone.invite(step), step["flow"]
            elif isinstance(step, tuple):
                at, length, damage = step
                data = phone.last[:at] + damage + phone.last[at + length :]
            else:
                data, flow = phone.last, FLOWS[0 if step == "again" else 1]
            if not data.startswith(b"INVITE "):  # which is not given to those who know callers
                continue
            effects = ours.hear(data, flow, now)
            assert effects == reference.hear(data, flow, now)
            event("let in" if Invited in effects else "not let in")
            phone.hear(effects)
            if phone.challenge:
                assert ours.hear(phone.ack(), flow, now) == reference.hear(phone.ack(), flow, now) == []
        assert ours.state() == reference.state()


def talk(server: Server, phone: Phone, *steps: dict[str, Any]) -> list[Any]:
    """What comes of them."""
    effects = []
    for step in steps:
        effects += server.hear(phone.invite(step), step["flow"], 1000.0)
        phone.hear(effects)
    return effects


@pytest.mark.parametrize("form", [{}, {"via": VARIED["via"][0]}, {"flow": FLOWS[2]}])
def test_an_invite_of_who_is_known_is_not_read(form: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server, phone = Server(knows_callers=True), Phone()
    assert Invited in talk(server, phone, ASKS | form, USUAL | form)
    monkeypatch.setattr(callers, "parse_message", None)
    (challenge,) = talk(server, phone, ASKS | form | {"uri": "sip:102@pbx.example"})
    assert challenge.data.startswith(b"SIP/2.0 401 ")
    assert server.hear(phone.ack(), form.get("flow", FLOWS[0]), 1000.0) == []


def test_the_ack_of_a_challenge_comes_once_and_all_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MAX_UNACKNOWLEDGED", 2)
    server, phone = Server(knows_callers=True), Phone()
    talk(server, phone, ASKS, USUAL)
    read: list[bytes] = []

    def note(data: bytes, stream: bool) -> object:
        read.append(data)
        return read_message(data, stream=stream)

    monkeypatch.setattr(callers, "parse_message", note)
    acks = []
    for _ in range(3):
        talk(server, phone, ASKS)
        acks.append(phone.ack())
    assert server.hear(acks[2], FLOWS[0], 1000.0) == server.hear(acks[2], FLOWS[0], 1000.0) == []
    assert server.hear(acks[0], FLOWS[0], 1000.0) == server.hear(b"ACK sip:nonsense", FLOWS[0], 1000.0) == []
    assert read == [acks[2], acks[0], b"ACK sip:nonsense"]


def test_who_was_never_let_in_is_not_remembered() -> None:
    server, phone = Server(knows_callers=True), Phone()
    known = server.receive.__self__._known  # type: ignore[attr-defined]
    talk(server, phone, ASKS, USUAL | {"password": "wrong"}, ASKS, USUAL | {"header": "X"})
    assert not known
    talk(server, phone, ASKS, USUAL)
    assert len(known) == 1


def test_what_would_take_much_memory_is_not_remembered() -> None:
    server, phone = Server(knows_callers=True), Phone()
    known = server.receive.__self__._known  # type: ignore[attr-defined]
    parameters = ";a=" * (MAX_PARSED_CHARACTERS // 3)
    large: list[dict[str, Any]] = [
        {"lines": ["User-Agent: " + "x" * MAX_HEAD_BYTES]},
        {"lines": [f"X-{number}:" for number in range(MAX_LINES)]},
        {"from": f"From: <sip:100@pbx.example>{parameters};tag={{tag}}"},
        {"to": f"To: <sip:101@pbx.example{parameters}>"},
    ]
    for form in large:
        assert Invited in talk(server, phone, ASKS | form, USUAL | form)
    assert not known


def test_a_phone_that_calls_in_another_way_from_now_on_is_learnt_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, phone = Server(knows_callers=True), Phone()
    other = {"lines": ["User-Agent: Desk 4"]}
    talk(server, phone, ASKS, USUAL)
    for _ in range(MANY_MISSES):
        talk(server, phone, ASKS | other)
    talk(server, phone, USUAL | other)
    monkeypatch.setattr(callers, "parse_message", None)
    assert len(talk(server, phone, ASKS | other)) == 1
