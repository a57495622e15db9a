"""The registrar against a plain model of it, and against header values of any kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sipcore.errors import ParseError
from sipcore.registrar.registrar import BindingChange, Change, Registrar, RegistrarSettings
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.registrar.registering import Registered, register

SETTINGS = RegistrarSettings(min_expires=60, max_expires=600, default_expires=300, max_contacts=3)
SERVER = Address("192.0.2.1", 5060)
FLOWS = [Flow(Transport.TCP, SERVER, Address("192.0.2.20", 40000), number) for number in range(3)]
AORS = ["100", "101"]


def register_request(lines: Iterable[str], call_id: str = "a", cseq: int = 1) -> Request:
    """A REGISTER with these header lines, through the parser. Raises ParseError."""
    fixed = [
        "REGISTER sip:pbx.example SIP/2.0",
        "Via: SIP/2.0/TCP 192.0.2.20:40000;branch=z9hG4bK1",
        "From: <sip:100@pbx.example>;tag=1",
        "To: <sip:100@pbx.example>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
    ]
    text = "\r\n".join([*fixed, *lines, "Content-Length: 0", "", ""])
    request = parse_message(text.encode("utf-8", "surrogateescape"))
    assert isinstance(request, Request)
    return request


# -- the model -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """One Contact value of a REGISTER."""

    uri: str
    flow_id: str
    """What tells it from others if it is an outbound contact (RFC 5626); empty if it is a plain one."""
    expires: int | None
    q: float

    @property
    def key(self) -> str:
        return self.flow_id or self.uri

    def __str__(self) -> str:
        outbound = f';+sip.instance="<urn:uuid:{self.flow_id}>";reg-id=1' if self.flow_id else ""
        expires = "" if self.expires is None else f";expires={self.expires}"
        return f"<{self.uri}>{outbound};q={self.q:g}{expires}"


@dataclass(frozen=True)
class Known:
    """What the model knows of a contact."""

    wanted: Wanted
    flow: Flow
    expires_at: float
    call_id: str
    cseq: int


plain = st.builds(
    Wanted,
    st.sampled_from(["sip:a@h", "sip:b@h", "sip:b@h:5060", "tel:1"]),
    st.just(""),
    st.sampled_from([None, 0, 1, 60, 61, 300, 5000]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
outbound = st.builds(
    Wanted,
    st.sampled_from(["sip:x@h", "sip:y@h"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from([None, 0, 60, 300]),
    st.sampled_from([0.5, 1.0]),
)
aors, flows = st.sampled_from(AORS), st.sampled_from(FLOWS)
call_ids, cseqs = st.sampled_from(["a", "b"]), st.integers(1, 30)


class Registrations(RuleBasedStateMachine):
    """Phones register, time passes, connections break; the registrar does what the model does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.registrar = Registrar(SETTINGS)
        self.model: dict[str, dict[str, Known]] = {aor: {} for aor in AORS}
        """Extension -> contacts in the order in which they were last registered, expired ones among them."""
        self.heard: Counter[tuple[str, str, Flow]] = Counter()
        """What somebody believes who listens to the changes alone."""

    # -- what happens ----------------------------------------------------------------------------------

    @rule(
        aor=aors,
        wanted=st.lists(st.one_of(plain, outbound), max_size=8),
        expires=st.sampled_from([None, 0, 30, 60, 300, 5000]),
        flow=flows,
        call_id=call_ids,
        cseq=cseqs,
        joined=st.booleans(),
    )
    def register(
        self,
        aor: str,
        wanted: list[Wanted],
        expires: int | None,
        flow: Flow,
        call_id: str,
        cseq: int,
        joined: bool,
    ) -> None:
        values = [str(one) for one in wanted]
        lines = [f"Contact: {value}" for value in ([", ".join(values)] if joined and values else values)]
        lines += [] if expires is None else [f"Expires: {expires}"]
        result = register(self.registrar, register_request(lines, call_id, cseq), aor, flow, self.now)
        updated = self._registered(aor, wanted, expires, flow, call_id, cseq)
        self._compare(aor, result, updated)

    @rule(aor=aors, expires=st.sampled_from([None, 0, 0, 0, 60]), call_id=call_ids, cseq=cseqs)
    def register_star(self, aor: str, expires: int | None, call_id: str, cseq: int) -> None:
        lines = ["Contact: *", *([] if expires is None else [f"Expires: {expires}"])]
        result = register(self.registrar, register_request(lines, call_id, cseq), aor, FLOWS[0], self.now)
        updated: dict[str, Known] | int = {}
        if expires != 0:
            updated = 400
        elif any(known.call_id == call_id and known.cseq >= cseq for known in self._live(aor).values()):
            updated = 500
        self._compare(aor, result, updated)

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.5, 60.0, 239.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        changes = self.registrar.expire(self.now)
        assert {change.change for change in changes} <= {Change.EXPIRED}
        self._hear(changes)
        for aor in AORS:
            self.model[aor] = self._live(aor)

    @rule(flow=flows)
    def close_flow(self, flow: Flow) -> None:
        changes = self.registrar.flow_closed(flow)
        assert {change.change for change in changes} <= {Change.FLOW_CLOSED}
        self._hear(changes)
        for aor, contacts in self.model.items():
            self.model[aor] = {key: known for key, known in contacts.items() if known.flow != flow}

    # -- what holds ------------------------------------------------------------------------------------

    @invariant()
    def the_contacts_are_those_of_the_model_in_its_order(self) -> None:
        for aor in AORS:
            newest_first = list(reversed(self._live(aor).values()))
            expected = sorted(newest_first, key=lambda known: -known.wanted.q)
            bindings = self.registrar.bindings(aor, self.now)
            found = [(str(one.contact), one.flow, one.expires_at, one.q, one.cseq) for one in bindings]
            assert found == [
                (known.wanted.uri, known.flow, known.expires_at, known.wanted.q, known.cseq)
                for known in expected
            ]

    @invariant()
    def the_deadline_is_that_of_the_next_contact_to_go(self) -> None:
        times = [known.expires_at for contacts in self.model.values() for known in contacts.values()]
        assert self.registrar.next_deadline() == min(times, default=None)

    @invariant()
    def who_listens_to_the_changes_knows_the_contacts(self) -> None:
        assert self.heard == Counter(
            (aor, known.wanted.uri, known.flow) for aor in AORS for known in self.model[aor].values()
        )

    @invariant()
    def an_extension_without_contacts_costs_nothing(self) -> None:
        assert set(self.registrar._records) == {aor for aor in AORS if self.model[aor]}

    # -- the model at work -----------------------------------------------------------------------------

    def _live(self, aor: str) -> dict[str, Known]:
        return {key: known for key, known in self.model[aor].items() if known.expires_at > self.now}

    def _registered(
        self, aor: str, wanted: list[Wanted], expires: int | None, flow: Flow, call_id: str, cseq: int
    ) -> dict[str, Known] | int:
        """The contacts after a REGISTER, or the status of its refusal."""
        if len(wanted) > 2 * SETTINGS.max_contacts:
            return 403
        seconds = [
            SETTINGS.default_expires if asked is None else asked
            for asked in (expires if one.expires is None else one.expires for one in wanted)
        ]
        if any(0 < asked < SETTINGS.min_expires for asked in seconds):
            return 423
        before = self._live(aor)
        updated = dict(before)
        for one, asked in zip(wanted, seconds, strict=True):
            old = before.get(one.key)
            if old is not None and old.call_id == call_id and old.cseq >= cseq:
                return 500
            updated.pop(one.key, None)
            if asked:
                until = self.now + min(asked, SETTINGS.max_expires)
                updated[one.key] = Known(one, flow, until, call_id, cseq)
        return updated if len(updated) <= SETTINGS.max_contacts else 403

    def _compare(self, aor: str, result: Registered, updated: dict[str, Known] | int) -> None:
        response = result.response
        if isinstance(updated, int):
            assert (response.status, result.changes) == (updated, ())
            assert response.get("Min-Expires") == ("60" if updated == 423 else None)
            return
        self.model[aor] = updated
        self._hear(result.changes)
        assert response.status == 200
        told = {(str(contact.uri), contact.parameter("expires")) for contact in response.contacts}
        assert told == {
            (known.wanted.uri, str(round(known.expires_at - self.now))) for known in updated.values()
        }

    def _hear(self, changes: Iterable[BindingChange]) -> None:
        for change in changes:
            what = change.binding.aor, str(change.binding.contact), change.binding.flow
            if change.change is Change.ADDED:
                self.heard[what] += 1
            else:
                assert self.heard[what], f"{change.change} of what never came"
                self.heard[what] -= 1
        self.heard = +self.heard


Registrations.TestCase.settings = settings(stateful_step_count=40)
TestRegistrations = pytest.mark.row("CORE-06", "CORE-09", "CORE-10")(Registrations.TestCase)


# -- refreshes -----------------------------------------------------------------------------------------

SAID = st.lists(
    st.sampled_from(
        [
            "Contact: <sip:100@192.0.2.20>",
            "Contact: <sip:100@192.0.2.20>",
            "Contact: <sip:100@192.0.2.20>;expires=61;q=0.5",
            "Contact: <sip:100@192.0.2.20>;expires=0",
            'Contact: <sip:100@192.0.2.20>;+sip.instance="<urn:a>";reg-id=1',
            'Contact: <sip:100@192.0.2.20>;+sip.instance="<urn:b>";reg-id=1',
            "Contact: <sip:100@192.0.2.21>, <sip:100@192.0.2.22>",
            "Contact: *",
            "Expires: 90",
            "Expires: 0",
            "Expires: 5",
            "User-Agent: Desk 3",
            "Path: <sip:proxy;lr>",
        ]
    ),
    max_size=3,
)
REFRESHES = st.tuples(
    SAID,
    st.sampled_from("ab"),
    st.sampled_from([-1, 1, 1, 1]),
    st.sampled_from(FLOWS[:2]),
    st.sampled_from([0, 30, 300]),
)


@given(st.lists(REFRESHES, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=2, max_size=8))
def test_a_refresh_does_what_any_register_does(
    kinds: list[tuple[list[str], str, int, Flow, int]], order: list[int]
) -> None:
    spread = RegistrarSettings(60, 600, 300, 3, 0.1)
    ours, reference = Registrar(spread, Random(1)), Registrar(spread, Random(1))
    reference.refresh = lambda *_: None  # type: ignore[method-assign]
    now, cseq = 1000.0, 10
    for index in order:
        lines, call_id, step, flow, wait = kinds[index % len(kinds)]
        cseq += step
        request = register_request(lines, call_id, cseq)
        assert register(ours, request, "100", flow, now) == register(reference, request, "100", flow, now)
        assert ours.bindings("100", now) == reference.bindings("100", now)
        assert ours.next_deadline() == reference.next_deadline()
        now += wait
        assert ours.expire(now) == reference.expire(now)


# -- any values ----------------------------------------------------------------------------------------

wire_texts = st.binary(max_size=30).map(lambda data: data.decode("utf-8", "surrogateescape"))
words = st.sampled_from(
    ["<", ">", "sip:", "sips:", "tel:", "a", "@", "h", "[::1]", ":5060", ";", "?", "=", "&", '"', "\\", ",", " ", "*",
     "%0d%0a", "%00", "%ff", "%", "\udcff", "expires", "q", "0", "0.5", "99999999999", "-1", "+sip.instance",
     "reg-id", "<sip:a@h>", "ob", "\t", "\u00e9", "transport=tcp"]
)  # fmt: skip
values = st.one_of(
    wire_texts,
    st.lists(words, max_size=15).map("".join),
    st.lists(words, max_size=8).map(lambda parts: "<sip:a@h>;" + "".join(parts)),
    st.lists(words, max_size=8).map(lambda parts: "<sip:a" + "".join(parts) + "@h>"),
    st.lists(words, max_size=8).map(lambda parts: "<sip:a@h;" + "".join(parts) + ">"),
)
lines = st.tuples(st.sampled_from(["Contact", "m", "Expires", "Path", "User-Agent", "Supported"]), values)


@given(st.lists(lines, max_size=5))
def test_any_header_values_get_a_response_and_harm_no_other_contact(headers: list[tuple[str, str]]) -> None:
    registrar = Registrar(RegistrarSettings())
    steady = register_request(["Contact: <sip:steady@192.0.2.99>"], call_id="steady")
    registrar.register(steady, "100", FLOWS[1], 0.0)
    try:
        request = register_request(f"{name}: {value}" for name, value in headers)
    except ParseError:
        return  # a typed error, and the registrar never sees it
    result = register(registrar, request, "100", FLOWS[0], 1.0)
    assert result.response.status in (200, 400, 403, 416, 423)
    again = parse_message(result.response.to_bytes())
    assert [name for name, _ in again.headers] == [name for name, _ in result.response.headers]
    if result.response.status != 200:
        assert result.changes == ()
    bindings = registrar.bindings("100", 1.0)
    everything_gone = request.contact_star and result.response.status == 200
    assert any(binding.call_id == "steady" for binding in bindings) is not everything_gone
    if result.response.status == 200:
        assert len(again.contacts) == len(bindings)
    for binding in bindings:
        assert 0.0 <= binding.q <= 1.0
        assert 1.0 < binding.expires_at <= 3601.0
        invite = Request("INVITE", binding.contact, [("Route", str(route)) for route in binding.path])
        assert invite.to_bytes().count(b"\r\n") == 3 + len(binding.path)
