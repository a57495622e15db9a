"""Whatever bytes come, the stack answers or drops them: nothing is raised, and no answer goes astray."""

from __future__ import annotations

from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.effects import Arrived, Effect, Transmit
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings, Service
from sipcore.errors import ParseError
from sipcore.registrar.digest import Credentials
from sipcore.registrar.gate import Account, Admitted, DigestGate
from sipcore.registrar.registrar import Registrar, RegistrarSettings
from sipcore.syntax.message import HeaderList, Request
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.framing import StreamFramer
from tests.hostile import SPANNERS, Mutation, lines_moved, replaced, valid

FLOWS = [
    Flow(transport, Address("10.0.0.1", 5060), Address("10.0.1.1", 5060), connection)
    for transport, connection in ((Transport.UDP, 0), (Transport.TCP, 1))
]

shares = st.floats(0, 1, exclude_max=True)
mutations = st.lists(
    st.one_of(
        st.builds(replaced, shares, st.integers(0, 20), st.sampled_from(SPANNERS)),
        st.builds(replaced, shares, st.integers(0, 20), st.binary(max_size=3)),
        st.builds(lines_moved, shares, shares, st.booleans()),
    ),
    min_size=1,
    max_size=6,
)
messages = st.one_of(
    st.builds(valid, st.sampled_from([*METHODS, "SUBSCRIBE", "FOO"])),
    st.builds(valid, st.sampled_from(METHODS), response=st.just(True)),
)


class OpenGate:
    """Lets everybody in: behind a gate that is shut little can go wrong."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted:
        return Admitted("100")


def digest_gate() -> DigestGate:
    account = Account("100", Credentials.of("100", "myphone", "secret"))
    return DigestGate("myphone", lambda name: account if name == "100" else None, b"k" * 32)


def feed(data: bytes, flow: Flow) -> None:
    """Give bytes to a stack with an open gate, and to one with a real gate; look at what comes out."""
    stream = flow.transport.reliable
    for gate in (OpenGate(), digest_gate()):
        endpoint = Endpoint(EndpointSettings(), Random(1), gate)
        endpoint.services["REGISTER"] = serving(Registrar(RegistrarSettings()))
        for now in (1000.0, 1000.5):  # and once more, as a retransmission
            try:
                effects = endpoint.receive(parse_message(data, stream=stream), flow, now)
            except ParseError as error:
                effects = endpoint.receive_error(error, flow, now)
            look_at(effects, flow)
        for now in (1040.0, 1080.0, 1120.0):
            look_at(endpoint.tick(now), flow)


def serving(registrar: Registrar) -> Service:
    def serve(
        request: Request, identity: str, flow: Flow, now: float
    ) -> tuple[int, HeaderList, list[Effect]]:
        status, headers, _ = registrar.register(request, "100", flow, now)
        return status, headers, []

    return serve


def look_at(effects: list[Effect], flow: Flow) -> None:
    """Answers go back to the host they are for, and nothing in them splits them."""
    for effect in effects:
        if isinstance(effect, Transmit):
            assert effect.flow.host == flow.host
            assert 0 < effect.flow.remote.port < 65536
            assert effect.data.startswith(b"SIP/2.0 ")
            assert StreamFramer().feed(effect.data) == [effect.data]


@given(st.binary(max_size=2000), st.sampled_from(FLOWS))
def test_noise_is_dropped(data: bytes, flow: Flow) -> None:
    feed(data, flow)


@given(messages, mutations, st.sampled_from(FLOWS))
@example(valid("OPTIONS"), [lambda data: data.replace(b";rport", b';x="a,b";rport')], FLOWS[0])
@example(valid("OPTIONS"), [lambda data: data.replace(b"5060;branch=z9hG4bK1;rport", b"70000")], FLOWS[0])
@example(valid("OPTIONS"), [lambda data: data.replace(b"z9hG4bK1", b"z9hG4bK\x001")], FLOWS[0])
@example(valid("OPTIONS"), [lambda data: data.replace(b"SIP/2.0\r\n", b"SIP/2.0\rx", 1)], FLOWS[0])
@example(valid("OPTIONS", response=True), [lambda data: data.replace(b"OK", b"OK\r<")], FLOWS[0])
def test_a_mutated_message_is_answered_or_dropped(
    message: bytes, changes: list[Mutation], flow: Flow
) -> None:
    for change in changes:
        message = change(message)
    feed(message, flow)


def test_without_mutations_all_is_well() -> None:
    """Otherwise the mutations would mutate what is refused anyway."""
    for method in METHODS:
        assert isinstance(parse_message(valid(method)), Request)
    endpoint = Endpoint(EndpointSettings(), Random(1), OpenGate())
    [arrived] = endpoint.receive(parse_message(valid("REGISTER")), FLOWS[0], 1000.0)
    assert isinstance(arrived, Arrived)
