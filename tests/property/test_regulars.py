"""A phone that registers as it did before is served as if nobody knew it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.effects import Effect, Registered, Transmit
from sipcore.endpoint import Endpoint, EndpointSettings
from sipcore.errors import ParseError
from sipcore.registrar import regulars
from sipcore.registrar.digest import NONCE_SECONDS, Credentials, answer_challenge
from sipcore.registrar.gate import FREE_FAILURES, Account, DigestGate
from sipcore.registrar.registrar import Registrar, RegistrarSettings, Said
from sipcore.registrar.regulars import MAX_BYTES, MAX_PARSED_CHARACTERS, Regulars
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message, read_message
from sipcore.transport.flow import Address, Flow, Transport

REALM, URI = "myphone", "sip:pbx.example"
SERVER = Address("192.0.2.1", 5060)
FLOWS = [
    Flow(Transport.UDP, SERVER, Address("192.0.2.20", 5060)),
    Flow(Transport.UDP, SERVER, Address("192.0.2.20", 4000)),
    Flow(Transport.UDP, SERVER, Address("198.51.100.66", 5060)),
    Flow(Transport.TCP, SERVER, Address("192.0.2.20", 40000), 1),
]
SENT_BY = "SIP/2.0/UDP 192.0.2.20:5060"
CONTACT = "Contact: <sip:100@192.0.2.20:5060>"


class Server:
    """A registrar behind a gate, and what its accounts are now."""

    def __init__(self, *, knows_regulars: bool) -> None:
        self.passwords = {"100": "correct horse", "101": "battery staple"}
        self.registrar = Registrar(RegistrarSettings(60, 600, 300, 2, 0.1), Random(1))
        self.gate = DigestGate(REALM, self._account, b"secret")
        self.endpoint = Endpoint(EndpointSettings(), Random(2), self.gate)
        self.refreshed: list[str] = []
        if knows_regulars:
            self.receive = Regulars(self.endpoint, self.gate, self._register, self._refresh).receive
        else:
            self.endpoint.services["REGISTER"] = self._register
            self.receive = self._read_whole

    def _account(self, username: str) -> Account | None:
        number = username.lower().removeprefix("ext")
        password = self.passwords.get(number)
        if password is None:
            return None
        return Account(number, Credentials.of(username, REALM, password), f"ext{number}")

    def _register(
        self, request: Request, identity: str, flow: Flow, now: float
    ) -> tuple[int, Iterable[tuple[str, str]], list[Effect]]:
        status, headers, changes = self.registrar.register(request, identity, flow, now)
        if status == 200 and not changes:
            self.refreshed.append(identity)
        return status, headers, [Registered(changes)] if changes else []

    def _refresh(self, said: Said, cseq: int, identity: str, flow: Flow, now: float) -> str | None:
        contact = self.registrar.refresh(said, cseq, identity, flow, now)
        if contact is not None:
            self.refreshed.append(identity)
        return contact

    def _read_whole(self, data: bytes, flow: Flow, now: float, stream: bool) -> list[Effect]:
        return self.endpoint.receive(read_message(data, stream=stream), flow, now)

    def hear(self, data: bytes, flow: Flow, now: float) -> list[Effect]:
        stream = flow.transport is Transport.TCP
        try:
            return self.receive(data, flow, now, stream)
        except ParseError as error:
            return self.endpoint.receive_error(error, flow, now)

    def state(self, now: float) -> list[Any]:
        """All that is remembered."""
        throttle, nonces = self.gate._throttle, self.gate._authenticator._nonces
        return [
            self.endpoint.live(),
            self.endpoint.next_deadline(),
            self.endpoint.transactions._merged.keys(),
            [self.registrar.bindings(number, now) for number in ("100", "101")],
            self.registrar.next_deadline(),
            self.refreshed,
            list(throttle._failures.items()),
            list(throttle._known),
            list(throttle._proven),
            list(nonces._used.items()),
            list(self.gate._old_clients._challenged.items()),
        ]


class Phone:
    """Says nearly the same each time."""

    def __init__(self) -> None:
        self.cseq = self.branch = 0
        self.challenge = ""
        self.last = b""

    def register(self, step: dict[str, Any]) -> bytes:
        """A REGISTER, with credentials if the step has a user name."""
        self.cseq += step["cseq"]
        self.branch += step["branch"]
        lines = [
            f"REGISTER {URI} SIP/2.0",
            step["via"].format(sent_by=SENT_BY, branch=f"z9hG4bK{self.branch}"),
            f"From: <sip:{step['user']}@pbx.example>;tag=1",
            f"To: <sip:{step['user']}@pbx.example>{step['to']}",
            "Call-ID: regular",
            f"CSeq: {self.cseq} REGISTER",
            *step["lines"],
            *step["length"],
            "",
            "",
        ]
        if step["username"] and self.challenge:
            value = answer_challenge(
                [self.challenge],
                "REGISTER",
                URI,
                step["username"],
                step["password"],
                nc=step["nc"],
                cnonce="c",
            )
            lines.insert(step["at"], f"{step['header']}: {step['space']}{value}")
        self.last = "\r\n".join(lines).encode()
        return self.last

    def hear(self, effects: list[Effect], algorithm: str) -> None:
        for effect in effects:
            if isinstance(effect, Transmit) and effect.data.startswith(b"SIP/2.0 401"):
                response = parse_message(effect.data)
                for value in response.get_all("WWW-Authenticate"):
                    if f"algorithm={algorithm}," in value:
                        self.challenge = value


BELOW = -1
"""A line there is one of the body."""
REGISTERS = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["100"] * 6 + ["ext100", "101"]),
        "username": st.sampled_from(["100"] * 4 + ["", "", "ext100", "EXT100", "101", "102"]),
        "password": st.sampled_from(["correct horse"] * 6 + ["battery staple", "new"]),
        "algorithm": st.sampled_from(["MD5", "SHA-256"]),
        "nc": st.sampled_from([1, 1, 2, 3, 70]),
        "cseq": st.sampled_from([1, 1, 1, 0, -1]),
        "branch": st.sampled_from([1, 1, 1, 0]),
        "via": st.sampled_from(
            ["Via: {sent_by};branch={branch};rport"] * 4
            + [
                "Via: {sent_by};rport;branch={branch}",
                "Via: {sent_by};branch={branch}",
                "Via: {sent_by};branch={branch};rport=1",
                "Via: {sent_by};branch=old;rport",
                "Via: {sent_by}1;branch={branch};rport",
                "Via:  {sent_by};branch={branch};rport",
                "Via: {sent_by};branch={branch};rport, SIP/2.0/UDP b;branch=2;rport",
                "Via: {sent_by}, SIP/2.0/UDP b;branch={branch};rport",
            ]
        ),
        "to": st.sampled_from([""] * 6 + [";tag=", ";TAG", ";x=tag", ";tag=1"]),
        "lines": st.sampled_from(
            [[CONTACT]] * 6
            + [
                [CONTACT, "Expires: 90", "User-Agent: Desk é"],
                [f"{CONTACT};expires=0"],
                [f'{CONTACT};+sip.instance="<urn:a>";reg-id=1', "User-Agent: baresip v1.0"],
                ["Contact: *", "Expires: 0"],
                [CONTACT, "Expires: 5"],
                [CONTACT, "Path: <sip:proxy;lr>"],
                [CONTACT, "Require: x"],
                [CONTACT, "Max-Forwards: 0"],
                [CONTACT, "X: 1\nY: 2"],
                [CONTACT, "X: 1\r\n 2"],
                [CONTACT, "X: 1", "X: 2"],
                [CONTACT, "authorization: Digest a=1"],
                [],
            ]
        ),
        "at": st.sampled_from([5, 5, 6, 1, 2, 7, BELOW]),
        "header": st.sampled_from(["Authorization"] * 6 + ["authorization"]),
        "length": st.sampled_from([["Content-Length: 0"]] * 6 + [["l: 0"], []]),
        "space": st.sampled_from(["", "", "", " ", "\t"]),
        "flow": st.sampled_from([FLOWS[0]] * 5 + FLOWS),
    }
)
DAMAGE = st.tuples(
    st.integers(0, 600),
    st.integers(0, 2),
    st.sampled_from(
        [b"", b"\r", b"\n", b"\0", b"\xff", b" ", b",", b'"', b";", b"\r\n\r\n", b"\r\nCSeq: 9 REGISTER", b"\r\nX: 1",
         b"\r\nAuthorization: Digest a=1", b"\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK9;rport", b"REGISTER", b"0"]
    ),
)  # fmt: skip
STEPS = (
    REGISTERS
    | REGISTERS
    | REGISTERS
    | st.sampled_from([0.5, 40.0, 100.0, NONCE_SECONDS + 1, 700.0])
    | st.sampled_from(["again", "again", "from elsewhere", "password", "removed", "back"])
    | DAMAGE
)
USUAL = {
    "user": "100",
    "username": "100",
    "password": "correct horse",
    "algorithm": "MD5",
    "nc": 1,
    "cseq": 1,
    "branch": 1,
    "via": "Via: {sent_by};branch={branch};rport",
    "to": "",
    "lines": [CONTACT],
    "at": 6,
    "header": "Authorization",
    "length": ["Content-Length: 0"],
    "space": "",
    "flow": FLOWS[0],
}
ASKS = USUAL | {"username": ""}
BY_TCP = {"flow": FLOWS[3]}
NO_LENGTH: dict[str, Any] = {"length": []}
RPORT_FIRST = {"via": "Via: {sent_by};rport;branch={branch}"}
TWO_VIAS = {"via": "Via: {sent_by}, SIP/2.0/UDP b;branch={branch};rport"}
EMPTY_TAG = {"to": ";tag="}
SPELLED = USUAL | {"header": "authorization"}
WRONG = USUAL | {"password": "new"}


@given(st.lists(STEPS, min_size=1, max_size=14))
@example([ASKS, USUAL, ASKS, USUAL | {"nc": 2}, "again", USUAL | {"nc": 2}, "password", USUAL | {"nc": 3}])
@example([ASKS, USUAL, *[WRONG] * (FREE_FAILURES + 2), USUAL | {"flow": FLOWS[2]}, "removed", USUAL])
@example([ASKS, USUAL, 400.0, USUAL | {"nc": 2}, USUAL, 700.0, ASKS, USUAL])
@example([ASKS | BY_TCP, *[USUAL | BY_TCP | {"nc": count} for count in (1, 2, 3)]])
@example(
    [ASKS | NO_LENGTH, *[USUAL | NO_LENGTH | {"nc": count} for count in (1, 2)], USUAL | NO_LENGTH | BY_TCP]
)
@example([ASKS | RPORT_FIRST, *[USUAL | RPORT_FIRST | {"nc": count} for count in (1, 2, 3)]])
@example([ASKS | TWO_VIAS, *[USUAL | TWO_VIAS | {"nc": count} for count in (1, 2, 3)]])
@example([ASKS | EMPTY_TAG, *[USUAL | EMPTY_TAG | {"nc": count} for count in (1, 2, 3)]])
@example([ASKS, USUAL | {"at": BELOW}])
@example([ASKS, SPELLED | {"lines": [CONTACT, "X: 1"]}, SPELLED | {"lines": [CONTACT, "X: 1"]}])
def test_whoever_is_known_is_served_as_if_nobody_knew_him(steps: list[Any]) -> None:
    ours, reference, phone = Server(knows_regulars=True), Server(knows_regulars=False), Phone()
    now = 1000.0
    for step in [ASKS, USUAL, ASKS, *steps, ASKS, USUAL]:
        if isinstance(step, float):
            now += step
            assert ours.endpoint.tick(now) == reference.endpoint.tick(now)
            assert ours.registrar.expire(now) == reference.registrar.expire(now)
        elif step in ("password", "removed", "back"):
            for server in (ours, reference):
                passwords = {"password": {"100": "new"}, "removed": {}, "back": {"100": "correct horse"}}
                server.passwords = passwords[step]
        else:
            algorithm, flow = "MD5", FLOWS[0]
            if isinstance(step, dict):
                data, algorithm, flow = phone.register(step), step["algorithm"], step["flow"]
            elif isinstance(step, tuple):
                at, length, damage = step
                data = phone.last[:at] + damage + phone.last[at + length :]
            else:
                data, flow = phone.last, FLOWS[0 if step == "again" else 2]
            if not data.startswith(b"REGISTER "):  # which is not given to those who know regulars
                continue
            effects = ours.hear(data, flow, now)
            assert effects == reference.hear(data, flow, now)
            phone.hear(effects, algorithm)
        assert ours.state(now) == reference.state(now)


@pytest.mark.parametrize("written", [{}, RPORT_FIRST])
def test_a_phone_that_is_known_is_not_read_again(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, phone = Server(knows_regulars=True), Phone()
    answers = []
    for turn in range(3):
        for step in (ASKS, USUAL):
            answers += server.hear(phone.register(step | written), FLOWS[0], 1000.0)
            phone.hear(answers[-1:], "MD5")
        monkeypatch.setattr(regulars, "parse_message", None)
        assert server.refreshed == ["100"] * turn
    assert [effect.data[8:11] for effect in answers if isinstance(effect, Transmit)] == [b"401", b"200"] * 3


def test_who_was_never_let_in_is_not_remembered() -> None:
    server, phone = Server(knows_regulars=True), Phone()
    known = server.receive.__self__._known  # type: ignore[attr-defined]
    for step in (ASKS, WRONG, ASKS, WRONG):
        phone.hear(server.hear(phone.register(step), FLOWS[0], 1000.0), "MD5")
    assert not known
    server.hear(phone.register(USUAL), FLOWS[0], 1000.0)
    assert len(known) == 1


def test_what_would_take_much_memory_is_not_remembered() -> None:
    server, phone = Server(knows_regulars=True), Phone()
    known = server.receive.__self__._known  # type: ignore[attr-defined]
    large: list[dict[str, Any]] = [
        {"to": ";a" * (MAX_PARSED_CHARACTERS // 2)},
        {"lines": [CONTACT, "User-Agent: \U0001f4de" + "x" * (MAX_BYTES // 4)]},
        {"lines": [CONTACT, "User-Agent: " + "x" * MAX_BYTES]},
    ]
    for written in large:
        for step in (ASKS, USUAL):
            phone.hear(server.hear(phone.register(step | written), FLOWS[0], 1000.0), "MD5")
    assert server.registrar.bindings("100", 1000.0)
    assert not known
    server.hear(phone.register(USUAL | {"nc": 2}), FLOWS[0], 1000.0)
    assert len(known) == 1
    assert all("contacts" not in vars(regular.request) for regular in known.values())  # of any length


def test_a_phone_beside_another_of_its_extension_is_noted_once() -> None:
    """Whatever the registrar has to do for it each time."""
    server, phone = Server(knows_regulars=True), Phone()
    known = server.receive.__self__._known  # type: ignore[attr-defined]
    noted = []
    for count, contact in enumerate([CONTACT, "Contact: <sip:100@192.0.2.21>"] * 3, 1):
        for step in ([ASKS] if count == 1 else []) + [USUAL]:
            step = step | {"lines": [contact], "nc": count}
            phone.hear(server.hear(phone.register(step), FLOWS[0], 1000.0), "MD5")
        noted.append([id(regular) for regular in known.values()])
    assert len(server.registrar.bindings("100", 1000.0)) == 2
    assert [len(ids) for ids in noted] == [1, 2, 2, 2, 2, 2]
    assert len({*noted[-1], *noted[1]}) == 2
