"""The called side of setting a session up (RFC 3261 sections 13.3 and 9.2)."""

from __future__ import annotations

from typing import Any

import pytest

from sipcore.effects import Acknowledged, Invited
from sipcore.errors import UsageError
from sipcore.syntax.message import Request, response_to
from sipcore.transport.flow import Transport
from tests.unit.sipcore.pair import ANSWER, OFFER, T1, T2, TIMEOUT, Pair, Side, description


def ringing() -> tuple[Pair, Side, Side]:
    pair = Pair()
    return pair, *pair.ringing()


def answered_without_ack() -> tuple[Pair, Side, Side]:
    """A call whose 200 is sent, and whose ACK gets lost from now on."""
    pair, lee, kim = ringing()
    pair.lose("> ACK")
    kim.do("accept", ANSWER)
    pair.settle()
    pair.forget()
    return pair, lee, kim


# -- ringing and answering ---------------------------------------------------------------------------------


def test_an_invite_is_told_with_its_offer_and_who_it_is_from() -> None:
    pair = Pair()
    pair.caller.invite(OFFER)
    pair.settle()
    kim = pair.callee
    assert kim.facts == [Invited(kim.session, kim.last("INVITE"), "lee", OFFER)]
    assert kim.session.identity == "lee"


def test_an_invite_without_offer_is_told_as_such() -> None:
    pair = Pair()
    pair.caller.invite(None)
    pair.settle()
    assert pair.callee.facts[0].offer is None


def test_every_response_above_100_has_the_tag_and_target_of_the_dialog() -> None:
    pair, lee, kim = ringing()
    kim.do("progress", 183, description=ANSWER, headers=[("Alert-Info", "<urn:alert:x>")])
    kim.do("accept", ANSWER, headers=[("Subject", "hello")])
    pair.settle()
    assert lee.last("100 INVITE").to.tag is None
    responses = [lee.last(f"{status} INVITE") for status in (180, 183, 200)]
    assert {response.to.tag for response in responses} == {kim.session.dialog.local_tag}
    assert {str(response.contacts[0]) for response in responses} == {"<sip:kim@192.0.2.2:5060>"}
    assert responses[1].get("Alert-Info") == "<urn:alert:x>"
    assert responses[2].get("Subject") == "hello"
    assert all(response.has("Allow") for response in responses)


def test_the_ack_is_told_once() -> None:
    pair, _, kim = ringing()
    kim.do("accept", ANSWER)
    pair.settle()
    assert kim.facts == [Acknowledged(kim.session, None)]
    kim.receive(kim.last("ACK"))
    assert len(kim.facts) == 1


def test_a_late_offer_is_answered_in_the_ack() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert kim.facts == [Acknowledged(kim.session, ANSWER)]
    assert kim.descriptions == ("offer", "answer")


@pytest.mark.parametrize("body", [b"", b"what?"])
def test_a_late_offer_that_the_ack_does_not_answer_ends_the_session(body: bytes) -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    invite = kim.last("INVITE")
    ack = lee.session.dialog.request(
        "ACK", [("Content-Type", "application/sdp")] if body else [], body, cseq=invite.cseq.number
    )
    ack.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack")
    kim.receive(ack)
    assert pair.ladder()[-1] == "< BYE"
    pair.settle()
    assert kim.told == ["Ended local"]


def test_an_ack_of_something_else_is_no_ack() -> None:
    pair, lee, kim = answered_without_ack()
    ack = lee.session.dialog.request("ACK", cseq=4711)
    ack.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack")
    kim.receive(ack)
    assert kim.told == []
    pair.advance(T1)
    assert "< 200 INVITE" in pair.ladder()


# -- refusing ------------------------------------------------------------------------------------------------


def test_a_refusal_is_the_end_and_tells_nothing_more() -> None:
    pair, lee, kim = ringing()
    kim.do("reject", 486, reason="At Lunch", headers=[("Retry-After", "3600")])
    pair.settle()
    response = lee.last("486 INVITE")
    assert (response.reason, response.get("Retry-After")) == ("At Lunch", "3600")
    assert kim.told == []
    pair.assert_nothing_remains()


def test_hanging_up_before_the_answer_is_a_480() -> None:
    pair, lee, kim = ringing()
    kim.do("hang_up")
    pair.settle()
    assert lee.told == ["Rejected 480"]
    assert kim.told == []
    pair.assert_nothing_remains()


def test_a_refusal_is_repeated_until_it_is_acknowledged() -> None:
    pair, _, kim = ringing()
    pair.lose("> ACK")
    kim.do("reject", 486)
    pair.advance(10 * T1)
    assert pair.ladder().count("< 486 INVITE") == 4  # at 0, 0.5, 1.5 and 3.5 seconds
    pair.heal()
    pair.assert_nothing_remains(2 * TIMEOUT)


@pytest.mark.parametrize("end", [("accept", ANSWER), ("reject", 486), ("hang_up",)])
def test_what_is_answered_cannot_be_answered_again(end: tuple[Any, ...]) -> None:
    pair, _, kim = ringing()
    kim.do(*end)
    for verb, argument in (("progress", 180), ("accept", ANSWER), ("reject", 486)):
        with pytest.raises(UsageError):
            kim.do(verb, argument)
    pair.settle()


# -- being cancelled (section 9.2) -----------------------------------------------------------------------------


def test_a_cancel_ends_the_ringing() -> None:
    pair, lee, kim = ringing()
    lee.do("cancel")
    pair.settle()
    assert kim.told == ["Cancelled"]
    with pytest.raises(UsageError):
        kim.do("accept", ANSWER)
    pair.assert_nothing_remains()


def test_the_200_of_a_cancel_has_the_tag_of_the_response_to_the_invite() -> None:
    pair, lee, _ = ringing()
    lee.do("cancel")
    pair.settle()
    assert lee.last("487 INVITE").to.tag
    assert lee.last("200 CANCEL").to.tag


@pytest.mark.parametrize("end", ["accept", "reject"])
def test_a_late_cancel_is_answered_and_changes_nothing(end: str) -> None:
    pair, lee, kim = ringing()
    lee.do("cancel")
    kim.do(end, ANSWER if end == "accept" else 486)
    pair.lose("< 200 INVITE", "< 486 INVITE")
    kim.receive(cancel_of(kim))
    assert pair.ladder()[-1] == "< 200 CANCEL"
    assert kim.told == []


def cancel_of(kim: Side) -> Request:
    invite = kim.last("INVITE")
    headers = [header for header in invite.headers if header[0] in ("Via", "From", "To", "Call-ID")]
    return Request("CANCEL", invite.uri_text, [*headers, ("CSeq", f"{invite.cseq.number} CANCEL")])


def test_a_repeated_cancel_is_answered_again_and_told_once() -> None:
    _, _, kim = ringing()
    cancel = cancel_of(kim)
    kim.receive(cancel)
    kim.receive(cancel)
    assert kim.told == ["Cancelled"]


def test_a_bye_in_the_early_dialog_counts_as_a_cancel() -> None:
    pair, lee, kim = ringing()
    lee.perform(lee.endpoint.request(lee.session.dialog.request("BYE"), lee.flow, pair.now)[1])
    pair.settle()
    assert pair.ladder() == ["> BYE", "< 200 BYE", "< 487 INVITE", "> ACK"]
    assert kim.told == ["Cancelled"]
    pair.assert_nothing_remains()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_caller_whose_flow_is_gone_has_cancelled(transport: Transport) -> None:
    pair = Pair(transport)
    _, kim = pair.ringing()
    pair.lose()
    kim.perform(kim.endpoint.flow_closed(kim.flow, pair.now))
    assert kim.told == ["Cancelled"]
    pair.advance(TIMEOUT)
    assert kim.endpoint.live() == {"transactions": 0, "sessions": 0, "dialogs": 0}


# -- the ACK that does not come (section 13.3.1.4) ---------------------------------------------------------------


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_2xx_is_repeated_from_t1_to_t2_and_the_session_ended_after_64_t1(transport: Transport) -> None:
    pair = Pair(transport)
    _, kim = pair.ringing()
    pair.lose("> ACK")
    times: list[float] = []
    began = pair.now

    def note(line: str) -> list[float]:
        if line == "< 200 INVITE":
            times.append(pair.now - began)
        return [] if line == "> ACK" else [0.0]

    pair.route = note
    kim.do("accept", ANSWER)
    pair.advance(TIMEOUT - 0.1)
    assert times == [0, 0.5, 1.5, 3.5, *(3.5 + T2 * step for step in range(1, 8))]
    assert kim.told == []
    pair.forget()
    pair.advance(0.1)
    assert pair.ladder() == ["< BYE", "> 200 BYE"]
    assert kim.told == ["Ended no-ack"]
    assert pair.caller.told == ["Ended bye"]
    pair.assert_nothing_remains()


def test_the_first_ack_stops_the_repetition() -> None:
    pair, _, kim = answered_without_ack()
    pair.advance(3 * T1)
    pair.heal()
    pair.advance(TIMEOUT)
    assert pair.ladder().count("< 200 INVITE") == 3
    assert kim.told == ["Acknowledged"]


def test_a_repeated_invite_after_the_2xx_is_absorbed() -> None:
    pair, _, kim = answered_without_ack()
    kim.receive(kim.last("INVITE"))
    assert pair.ladder() == []


def test_a_bye_waits_for_the_ack() -> None:
    """Section 15: the called side must not send BYE before the ACK has come."""
    pair, lee, kim = answered_without_ack()
    kim.do("hang_up")
    kim.do("hang_up")
    assert pair.ladder() == []
    pair.advance(T1)
    assert pair.ladder() == ["< 200 INVITE", "> ACK lost"]
    pair.heal()
    pair.advance(2 * T1)
    assert pair.ladder() == ["< 200 INVITE", "> ACK", "< BYE", "> 200 BYE"]
    assert (lee.told, kim.told) == (["Ended bye"], ["Ended local"])
    pair.assert_nothing_remains()


def test_a_peer_that_does_not_know_the_dialog_yet_gets_the_bye_after_its_ack() -> None:
    """A request of ours that overtakes our 2xx gets 481; without a BYE the caller would talk to nobody for ever."""
    pair = Pair()
    pair.caller.invite()
    pair.settle()
    lee, kim = pair.caller, pair.callee
    pair.lose("< 200 INVITE")
    kim.do("accept", ANSWER)
    kim.do("send_request", "INFO")
    pair.settle()
    assert kim.told == ["Invited"]
    assert pair.ladder()[-2:] == ["< INFO", "> 481 INFO"]
    pair.heal()
    pair.advance(T1)
    assert pair.ladder() == ["< 200 INVITE", "> ACK", "< BYE", "> 200 BYE"]
    assert (lee.told, kim.told) == (["Accepted 200", "Ended bye"], ["Invited", "Ended timeout"])
    pair.assert_nothing_remains()


def test_what_goes_with_the_bye_waits_with_it() -> None:
    pair, lee, kim = answered_without_ack()
    kim.do("hang_up", headers=[("Reason", "Q.850;cause=16")])
    pair.heal()
    pair.advance(T1)
    assert lee.last("BYE").get("Reason") == "Q.850;cause=16"


def test_a_bye_does_not_wait_longer_than_64_t1() -> None:
    pair, lee, kim = answered_without_ack()
    kim.do("hang_up")
    pair.advance(TIMEOUT)
    assert pair.ladder()[-2:] == ["< BYE", "> 200 BYE"]
    assert (lee.told, kim.told) == (["Ended bye"], ["Ended local"])
    pair.assert_nothing_remains()


def test_a_bye_that_waits_for_an_answer_in_the_ack_does_not_care_for_it() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    kim.do("hang_up")
    pair.settle()
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert kim.told == ["Ended local"]
    assert lee.told[-1] == "Ended bye"
    pair.assert_nothing_remains()


def test_the_caller_may_hang_up_before_its_ack_arrives() -> None:
    pair, lee, kim = answered_without_ack()
    lee.do("hang_up")
    pair.settle()
    assert pair.ladder() == ["> BYE", "< 200 BYE"]
    assert kim.told == ["Ended bye"]
    pair.assert_nothing_remains()


def test_an_invite_of_ours_waits_for_the_ack_of_theirs() -> None:
    """Section 14.1: no new INVITE while another is in progress, in either direction."""
    pair, _, kim = answered_without_ack()
    assert not kim.session.can_change
    with pytest.raises(UsageError):
        kim.do("modify", description("hold"))
    pair.heal()
    pair.advance(T1)
    assert kim.session.can_change


# -- the early dialog ----------------------------------------------------------------------------------------------


def test_a_second_invite_before_the_answer_gets_500() -> None:
    pair, lee, kim = ringing()
    kim.receive(within(lee, "INVITE"))
    assert pair.ladder() == ["< 100 INVITE", "< 500 INVITE"]
    pair.settle()
    assert lee.last("500 INVITE").has("Retry-After")
    assert kim.told == []


@pytest.mark.parametrize("offer", [OFFER, None])
def test_an_offer_before_the_first_answer_gets_500(offer: object) -> None:
    pair = Pair()
    lee, kim = pair.ringing(OFFER if offer else None)
    kim.receive(within(lee, "UPDATE", OFFER.to_bytes()))
    assert pair.ladder() == ["< 500 UPDATE"]
    assert kim.told == []
    kim.do("accept", ANSWER)
    pair.settle()
    assert lee.told == ["Accepted 200"]


def test_an_update_without_offer_refreshes_the_target_at_once() -> None:
    pair, lee, kim = ringing()
    update = within(lee, "UPDATE")
    update.set("Contact", "<sip:lee@192.0.2.77>")
    kim.receive(update)
    assert pair.ladder() == ["< 200 UPDATE"]
    assert kim.told == []
    assert str(kim.session.dialog.remote_target) == "sip:lee@192.0.2.77"


def test_a_request_in_the_early_dialog_that_fails_leaves_the_call_ringing() -> None:
    pair, lee, kim = ringing()
    kim.do("send_request", "INFO")
    pair.settle()
    lee.perform(
        lee.endpoint.respond(lee.facts[0].transaction, response_to(lee.facts[0].request, 481), pair.now)
    )
    pair.settle()
    assert pair.ladder() == ["< INFO", "> 481 INFO"]
    assert kim.told == []
    kim.do("accept", ANSWER)
    pair.settle()
    assert kim.told == ["Acknowledged"]


def within(lee: Side, method: str, body: bytes = b"") -> Request:
    """A request of the caller within the early dialog that its own endpoint would not send."""
    headers = [("Contact", "<sip:lee@192.0.2.1>")]
    headers += [("Content-Type", "application/sdp")] if body else []
    request: Request = lee.session.dialog.request(method, headers, body)
    request.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKwithin")
    return request


@pytest.mark.parametrize("said", [{"reason": "No\r\nX: y"}, {"headers": [("Warning", '399 a "\r\nX: y"')]}])
def test_a_refusal_that_breaks_out_of_its_line_is_not_sent_and_another_may_be(said: dict[str, Any]) -> None:
    """The caller is never left without an answer."""
    pair, lee, kim = ringing()
    with pytest.raises(UsageError, match="line break"):
        kim.do("reject", 480, **said)
    assert pair.ladder() == []
    kim.do("reject", 500)
    pair.settle()
    assert lee.told == ["Rejected 500"]
    pair.assert_nothing_remains()
