"""An established session: requests within it, and its end (RFC 3261 sections 12.2 and 15)."""

from __future__ import annotations

import pytest

from sipcore.errors import UsageError
from sipcore.syntax.message import Request, response_to
from sipcore.transport.flow import Transport
from tests.unit.sipcore.dialog.support import SIDES, established, in_order, sent, within
from tests.unit.sipcore.pair import ANSWER_2, NOTHING, OFFER, OFFER_2, T1, TIMEOUT, Pair, Side

# -- the end (section 15) -------------------------------------------------------------------------------


@pytest.mark.parametrize("mover", SIDES)
def test_either_side_may_hang_up(mover: str) -> None:
    pair, one, other = established(mover)
    one.do("hang_up", headers=[("Reason", "SIP;cause=200")])
    pair.settle()
    assert in_order(pair, one) == ["> BYE", "< 200 BYE"]
    assert (one.told, other.told) == (["Ended local"], ["Ended bye"])
    assert other.last("BYE").get("Reason") == "SIP;cause=200"
    pair.assert_nothing_remains()


def test_both_may_hang_up_at_once() -> None:
    pair, one, other = established()
    one.do("hang_up")
    other.do("hang_up")
    pair.settle()
    assert sorted(pair.ladder()) == ["< 200 BYE", "< BYE", "> 200 BYE", "> BYE"]
    assert (one.told, other.told) == (["Ended bye"], ["Ended bye"])
    pair.assert_nothing_remains()


def test_a_bye_that_nobody_answers_is_the_end_all_the_same() -> None:
    pair, one, _ = established()
    pair.lose("> BYE")
    one.do("hang_up")
    pair.advance(TIMEOUT - 0.1)
    assert one.told == []
    pair.advance(0.1)
    assert one.told == ["Ended local"]
    assert one.endpoint.live() == NOTHING


@pytest.mark.parametrize("status", [403, 481, 500])
def test_a_bye_that_is_refused_is_the_end_all_the_same(status: int) -> None:
    pair, one, other = established()
    pair.lose("> BYE")
    one.do("hang_up")
    bye = sent(one, "BYE")
    one.receive(response_to(bye, status))
    assert one.told == ["Ended local"]
    other.do("hang_up")
    pair.assert_nothing_remains()


@pytest.mark.parametrize("heard", [True, False])
def test_a_call_that_was_answered_without_a_tag_can_be_ended(heard: bool) -> None:
    """By a client of RFC 2543: the tag is none in the dialog (section 12.1.2), and in the BYE."""
    pair = Pair()
    lee, kim = pair.ringing()
    answer = response_to(kim.last("INVITE"), 200, headers=[("Contact", "<sip:kim@192.0.2.2>")])
    lee.receive(answer)
    lee.do("hang_up")
    assert pair.ladder() == ["> ACK", "> BYE"]
    pair.discard()
    bye = lee.sent[-1]
    assert isinstance(bye, Request)
    assert bye.to.tag is None
    if heard:
        lee.receive(response_to(bye, 200))
    else:
        pair.advance(TIMEOUT)
    assert lee.told == ["Accepted 200", "Ended local"]
    assert lee.endpoint.live()["sessions"] == 0


def test_a_repeated_bye_is_answered_and_told_once() -> None:
    pair, one, other = established()
    pair.lose("< 200 BYE")
    one.do("hang_up")
    pair.advance(T1)
    assert pair.ladder() == ["> BYE", "< 200 BYE lost"] * 2
    assert other.told == ["Ended bye"]


def test_a_late_offer_is_still_acknowledged_where_the_peer_has_hung_up_meanwhile() -> None:
    """Each 2xx has its ACK (section 13.2.2.4), once; it is sent again where it was lost."""
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    accepted = lee.last("200 INVITE")
    lee.receive(within(kim, "BYE"))
    assert lee.told == ["Accepted 200", "Ended bye"]
    pair.ladder()
    lee.do("hang_up")
    lee.do("hang_up")
    assert pair.ladder() == ["> ACK"]
    pair.discard()
    lee.receive(accepted)
    assert pair.ladder() == ["> ACK"]
    pair.settle()
    assert (kim.last("ACK").cseq.number, kim.last("ACK").body) == (accepted.cseq.number, b"")
    pair.assert_nothing_remains()


def test_no_request_follows_a_bye() -> None:
    pair, one, other = established()
    pair.lose("> BYE")
    one.do("hang_up")
    one.do("send_request", "INFO")
    pair.settle()
    assert pair.ladder() == ["> BYE lost"]
    pair.heal()
    pair.advance(T1)
    assert (one.told, other.told) == (["Ended local"], ["Ended bye"])


def test_after_the_end_nothing_can_be_said() -> None:
    pair, one, other = established()
    one.do("hang_up")
    pair.settle()
    pair.forget()
    for side in (one, other):
        side.do("hang_up")
        for verb in ("modify", "update"):
            with pytest.raises(UsageError):
                side.do(verb, OFFER_2)
        side.do("answer", ANSWER_2)
        side.do("refuse", 488)
        side.do("send_request", "INFO")
    assert pair.ladder() == []
    one.receive(within(other, "INFO"))
    assert pair.ladder() == ["> 481 INFO"]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("mover", SIDES)
def test_a_session_does_not_outlive_its_flow(mover: str, transport: Transport) -> None:
    pair, one, other = established(mover, transport)
    one.perform(one.endpoint.flow_closed(one.flow, pair.now))
    assert one.told == []  # the peer may come back by another flow
    pair.advance(one.endpoint.settings.adrift_seconds)
    assert one.told == ["Ended flow-lost"]
    other.do("hang_up")
    pair.assert_nothing_remains()
    assert other.told == ["Ended local"]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_changes_do_not_outlive_the_flow(transport: Transport) -> None:
    pair, one, other = established(transport=transport)
    one.do("modify", OFFER_2)
    pair.settle()
    pair.lose()
    for side in (one, other):
        side.perform(side.endpoint.flow_closed(side.flow, pair.now))
    pair.advance(one.endpoint.settings.adrift_seconds)
    assert (one.told[-1], other.told) == ("Ended flow-lost", ["Offered", "Ended flow-lost"])
    pair.assert_nothing_remains()


# -- requests within the dialog (section 12.2) ----------------------------------------------------------


@pytest.mark.parametrize("mover", SIDES)
def test_other_requests_are_told_and_answered_by_the_user(mover: str) -> None:
    pair, one, other = established(mover)
    one.do("send_request", "INFO", headers=[("Content-Type", "text/plain")], body=b"1")
    pair.settle()
    assert other.told == ["RequestInDialog INFO"]
    fact = other.facts[0]
    assert (fact.session, fact.request.body) == (other.session, b"1")
    other.perform(other.endpoint.respond(fact.transaction, response_to(fact.request, 200), pair.now))
    pair.settle()
    assert in_order(pair, one) == ["> INFO", "< 200 INFO"]
    assert one.told == []


@pytest.mark.parametrize(("status", "ends"), [(404, False), (500, False), (408, True), (481, True)])
@pytest.mark.parametrize("mover", SIDES)
def test_a_peer_that_knows_nothing_of_the_dialog_ends_it(mover: str, status: int, ends: bool) -> None:
    pair, one, other = established(mover)
    one.do("send_request", "INFO")
    pair.settle()
    fact = other.facts[0]
    other.perform(other.endpoint.respond(fact.transaction, response_to(fact.request, status), pair.now))
    pair.settle()
    assert one.told == (["Ended timeout"] if ends else [])
    assert ("> BYE" in in_order(pair, one)) is ends


def test_a_request_that_times_out_ends_the_session() -> None:
    pair, one, other = established()
    pair.lose("> INFO")
    one.do("send_request", "INFO")
    pair.advance(TIMEOUT)
    assert (one.told, other.told) == (["Ended timeout"], ["Ended bye"])
    pair.assert_nothing_remains()


def test_a_request_that_fails_while_the_session_ends_changes_nothing() -> None:
    pair, one, _ = established()
    pair.lose("> INFO", "> BYE")
    one.do("send_request", "INFO")
    pair.advance(1)
    one.do("hang_up")
    pair.advance(TIMEOUT)
    assert one.told == ["Ended local"]
    assert {line for line in pair.ladder() if "BYE" in line} == {"> BYE lost"}
    assert one.endpoint.live() == NOTHING


def test_a_request_that_does_not_count_up_gets_500() -> None:
    pair, one, other = established()
    first, second = within(one, "INFO", branch="first"), within(one, "INFO", branch="second")
    other.receive(second)
    other.receive(first)
    assert pair.ladder() == ["< 500 INFO"]
    pair.settle()
    assert 0 <= int(one.last("500 INFO").get("Retry-After")) <= 10
    assert other.told == ["RequestInDialog INFO"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK", "INFO", "OPTIONS", "BYE"])
def test_an_unknown_extension_within_the_dialog_gets_420(method: str) -> None:
    pair, one, other = established()
    other.receive(within(one, method, ("Require", "timer, magic")))
    pair.settle()
    assert one.last(f"420 {method}").get("Unsupported") == "magic"
    assert other.told == []
    assert other.session.can_change


def test_an_unknown_method_within_the_dialog_gets_501() -> None:
    pair, one, other = established()
    other.receive(within(one, "CONJURE"))
    pair.settle()
    assert "INVITE" in one.last("501 CONJURE").get("Allow")
    assert other.told == []


def test_an_unwanted_method_within_the_dialog_gets_405() -> None:
    pair, one, other = established()
    other.receive(within(one, "REFER"))
    pair.settle()
    assert "INVITE" in one.last("405 REFER").get("Allow")
    assert other.told == []


@pytest.mark.parametrize("mover", ["caller", "callee"])
@pytest.mark.parametrize("rings", [True, False])
def test_who_hangs_up_with_a_line_break_in_a_header_has_not_hung_up(mover: str, rings: bool) -> None:
    pair = Pair()
    pair.ringing() if rings else pair.established()
    side: Side = getattr(pair, mover)
    with pytest.raises(UsageError, match="line break"):
        side.do("hang_up", headers=[("Reason", "a\r\nX: y")])
    pair.settle()
    assert (pair.ladder(), side.told) == ([], [])
    side.do("hang_up", headers=iter([("Reason", "SIP;cause=200")]))
    pair.settle()
    method = {"caller": "CANCEL", "callee": "480 INVITE"}[mover] if rings else "BYE"
    assert side.other.last(method).get("Reason") == "SIP;cause=200"
    pair.assert_nothing_remains()
