"""Sessions whose peer is found by another flow than before: after a reconnect, or behind another port of its NAT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipcore.deadlines import Deadlines
from sipcore.dialog.adrift import Adrift
from sipcore.effects import Effect, Moved, Transmit
from sipcore.registrar.gate import Admitted, Ignored, Refused
from sipcore.syntax.message import Request
from sipcore.transport.flow import Address, Flow, Transport
from tests.unit.sipcore.dialog.support import ack_of, established, within
from tests.unit.sipcore.lone import PBX, PHONE, answers, endpoint_of, request, sent
from tests.unit.sipcore.pair import ANSWER, ANSWER_2, OFFER_2, Side, assert_empty

ELSEWHERE = Address("203.0.113.66", 4444)
CREDENTIALS = ("Authorization", "Digest of the right kind")


class StrictGate:
    """Admits lee by his credentials, and nobody else."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        if request.has("Authorization"):
            return Admitted(request.from_.uri.user or "")
        return Refused(401, (("WWW-Authenticate", "Digest"),))


def guarded(transport: Transport = Transport.TCP) -> tuple[Side, Side]:
    """A call of lee (caller) to an endpoint with a strict gate (callee)."""
    _, caller, callee = established(transport=transport)
    callee.endpoint._gate = StrictGate()
    return caller, callee


def another(flow: Flow) -> Flow:
    """Another connection from the same host."""
    return replace(flow, remote=Address(flow.host, 50999), connection=flow.connection + 1)


def statuses(side: Side, message: Request, flow: Flow) -> list[int]:
    """What the endpoint answers by itself; facts go to its user."""
    effects = side.endpoint.receive(message, flow, side.pair.now)
    side.facts += [effect for effect in effects if not isinstance(effect, Transmit)]
    return [response.status for response in sent(effects) if not isinstance(response, Request)]


def test_a_request_from_elsewhere_is_challenged() -> None:
    caller, callee = guarded()
    before = callee.session.flow
    assert statuses(callee, within(caller, "INFO"), replace(before, remote=ELSEWHERE, connection=7)) == [401]
    assert callee.session.flow == before
    assert callee.facts == []


def test_the_peer_that_proves_to_be_it_is_followed() -> None:
    caller, callee = guarded()
    there = replace(callee.session.flow, remote=ELSEWHERE, connection=7)
    assert statuses(callee, within(caller, "INFO", CREDENTIALS), there) == []
    assert callee.told == ["Moved", "RequestInDialog INFO"]
    assert callee.session.flow == there
    [bye] = [effect for effect in callee.session.hang_up(callee.pair.now) if isinstance(effect, Transmit)]
    assert bye.flow == there


def test_somebody_else_who_proves_to_be_somebody_is_not() -> None:
    caller, callee = guarded()
    before = callee.session.flow
    forged = within(caller, "BYE", CREDENTIALS)
    forged.set("From", str(forged.from_).replace("lee", "kim"))
    assert statuses(callee, forged, replace(before, remote=ELSEWHERE)) == [481]
    assert callee.session.flow == before


def test_another_port_of_the_same_host_is_heard_but_not_followed() -> None:
    """Phones that send from many ports exist, and so do neighbours behind the same NAT."""
    caller, callee = guarded(Transport.UDP)
    before = callee.session.flow
    assert statuses(callee, within(caller, "INFO"), another(before)) == []
    assert callee.told == ["RequestInDialog INFO"]
    assert callee.session.flow == before


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_call_without_a_connection_is_changed_by_nobody_without_proof(method: str) -> None:
    caller, callee = guarded()
    new = another(callee.session.flow)
    callee.perform(callee.endpoint.flow_closed(callee.flow, callee.pair.now))
    change = within(caller, method, body=OFFER_2.to_bytes())
    assert statuses(callee, change, new) == [401]
    proven = within(caller, method, CREDENTIALS, body=OFFER_2.to_bytes(), branch="y")
    statuses(callee, proven, new)
    assert callee.told == ["Moved", "Offered"]
    callee.pair.advance(100)
    assert callee.endpoint.live()["sessions"] == 1


def test_nobody_moves_a_call_from_tls_to_the_clear() -> None:
    caller, callee = guarded(Transport.TLS)
    clear = Flow(Transport.UDP, callee.flow.local, callee.flow.remote)
    assert statuses(callee, within(caller, "BYE", CREDENTIALS), clear) == [481]


def test_a_phone_that_listens_elsewhere_than_it_sends_from_is_not_followed_to_where_it_sends_from() -> None:
    caller, callee = guarded(Transport.UDP)
    before = callee.session.flow
    from_another_port = Flow(Transport.UDP, before.local, Address(before.remote.host, 40000))
    contact = ("Contact", f"<sip:lee@{before.remote}>")
    assert statuses(callee, within(caller, "UPDATE", CREDENTIALS, contact), from_another_port) == [200]
    assert callee.session.flow == before
    assert callee.told == []


def test_bad_credentials_from_the_same_host_are_no_worse_than_none() -> None:
    caller, callee = guarded(Transport.UDP)
    before = callee.session.flow
    for branch, name in (("y", "kim"), ("z", "lee")):
        request = within(caller, "INFO", CREDENTIALS, branch=branch)
        request.set("From", str(request.from_).replace("lee", name))
        assert statuses(callee, request, another(before)) == []
    assert callee.told == ["RequestInDialog INFO", "Moved", "RequestInDialog INFO"]


def test_an_answer_without_its_ack_is_repeated_where_the_caller_is_now() -> None:
    endpoint = endpoint_of()
    here = Flow(Transport.TCP, PBX, PHONE, 1)
    effects = endpoint.receive(request("INVITE"), here, 0.0)
    session = effects[-1].session
    session.accept(ANSWER, 1.0) if session.offers.remote else session.accept(OFFER_2, 1.0)
    there = replace(here, connection=2)
    assert endpoint.move(session, there) == [Moved(session)]
    assert endpoint.move(session, there) == []
    [again] = [effect for effect in endpoint.tick(1.5) if isinstance(effect, Transmit)]
    assert again.flow == there


def test_a_call_that_has_moved_outlives_the_connection_that_its_change_came_by() -> None:
    """The answer to that is repeated where the peer is now."""
    caller, callee = guarded()
    before, pair = callee.session.flow, callee.pair
    change = within(caller, "INVITE", body=OFFER_2.to_bytes())
    statuses(callee, change, before)
    there = another(before)
    callee.endpoint.move(callee.session, there)
    callee.perform(callee.endpoint.flow_closed(before, pair.now))
    assert callee.told == ["Offered"]
    pair.advance(100)
    assert callee.told == ["Offered"], "it was not set adrift"
    callee.do("answer", ANSWER_2)
    [again] = [effect for effect in callee.endpoint.tick(pair.now + 0.5) if isinstance(effect, Transmit)]
    assert again.flow == there
    assert again.data.startswith(b"SIP/2.0 200 ")
    statuses(callee, ack_of(caller, change), there)
    assert callee.told == ["Offered", "Acknowledged"]


@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_a_call_that_has_moved_belongs_to_its_new_connection_alone(mover: str) -> None:
    pair, one, _ = established(mover, Transport.TCP)
    before, endpoint = one.session.flow, one.endpoint
    there = another(before)
    one.perform(endpoint.move(one.session, there))
    assert (endpoint.sessions_on(before), endpoint.sessions_on(there)) == ([], [one.session])
    one.perform(endpoint.flow_closed(before, pair.now))
    pair.advance(100)
    assert one.told == ["Moved"]
    one.perform(endpoint.flow_closed(there, pair.now))
    pair.advance(100)
    assert one.told == ["Moved", "Ended flow-lost"]
    assert_empty(endpoint)


def test_who_comes_back_too_late_is_not_there_any_more() -> None:
    _, callee = guarded()
    flow = callee.session.flow
    callee.perform(callee.endpoint.flow_closed(flow, callee.pair.now))
    callee.pair.advance(20)
    callee.perform(callee.endpoint.flow_closed(flow, callee.pair.now))  # told again: no more time is given
    callee.pair.advance(12)
    assert callee.told == ["Ended flow-lost"]
    assert callee.endpoint.move(callee.session, another(flow)) == []


def test_each_waits_its_time() -> None:
    class Lost:
        def flow_closed(self, now: float) -> list[Effect]:
            return [self]

    first, second, third = Lost(), Lost(), Lost()
    deadlines: Deadlines[Any] = Deadlines()
    adrift = Adrift(10, deadlines)
    assert adrift.deadline is None
    for session, now in ((first, 1.0), (second, 2.0), (third, 3.0), (first, 5.0)):
        adrift.add(session, now)  # type: ignore[arg-type]
    assert deadlines.next() == 11.0
    assert adrift.tick(10.9) == []
    assert deadlines.due(11.0) is adrift
    assert adrift.tick(11.0) == [first]
    assert deadlines.next() == 12.0, "the next has not waited long enough"
    del adrift.until[second]
    assert deadlines.next() == 13.0
    del adrift.until[third]
    assert deadlines.next() is None


def test_one_that_cannot_be_given_up_keeps_no_other_waiting() -> None:
    class Lost:
        def __init__(self, failure: Exception | None) -> None:
            self.failure = failure

        def flow_closed(self, now: float) -> list[Effect]:
            if self.failure is not None:
                raise self.failure
            return [self]

    bad, good = Lost(LookupError()), Lost(None)
    deadlines: Deadlines[Any] = Deadlines()
    adrift = Adrift(10, deadlines)
    for session in (bad, good):
        adrift.add(session, 1.0)  # type: ignore[arg-type]
    assert deadlines.due(11.0) is adrift
    with pytest.raises(LookupError):
        adrift.tick(11.0)
    assert deadlines.due(11.0) is adrift
    assert adrift.tick(11.0) == [good]


# -- phones that send from another port than they listen at ---------------------------------------------


@pytest.mark.parametrize(
    ("via", "contact", "port"),
    [
        (";rport", "192.0.2.100:5060", 40000),
        ("", "192.0.2.100:5060", 5060),
        ("", "192.0.2.100", 5060),
        ("", "192.0.2.100:5070", 5070),
        ("", "10.0.0.7:5070", 40000),
        ("", "phone.example.com", 40000),
    ],
)
def test_a_caller_without_rport_listens_at_the_port_of_its_contact(via: str, contact: str, port: int) -> None:
    """Only where it names its own host: a private address says that a NAT stands between."""
    endpoint = endpoint_of()
    flow = Flow(Transport.UDP, PBX, Address("192.0.2.100", 40000))
    invite = request(
        "INVITE",
        ("Via", f"SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKr{via}"),
        ("Contact", f"<sip:100@{contact}>"),
    )
    session = endpoint.receive(invite, flow, 0.0)[-1].session
    assert session.flow == replace(flow, remote=Address("192.0.2.100", port))


def test_a_stranger_learns_nothing_of_dialogs() -> None:
    endpoint = endpoint_of()
    [response] = answers(endpoint, request("BYE", to_tag="guessed"))
    assert response.status == 481
