"""The caller's side of setting a session up (RFC 3261 sections 13.2, 9.1 and 22.2)."""

from __future__ import annotations

import pytest

from sipcore.effects import Accepted, Effect, Progressed, Rejected
from sipcore.errors import UsageError
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Response, response_to
from sipcore.transport.flow import Transport
from tests.unit.sipcore.pair import ANSWER, OFFER, T1, TIMEOUT, Pair, Side, description, line

CHALLENGE = [("WWW-Authenticate", 'Digest realm="example.com", nonce="1"')]


def calling() -> tuple[Pair, Side, Side]:
    """An INVITE that has not arrived yet."""
    pair = Pair()
    pair.caller.invite()
    return pair, pair.caller, pair.callee


def ringing() -> tuple[Pair, Side, Side]:
    pair = Pair()
    return pair, *pair.ringing()


def response_of(side: Side, status: int, tag: str, *headers: tuple[str, str], body: bytes = b"") -> Response:
    """A response to the INVITE from somebody that the called side knows nothing of: another branch."""
    invite = side.last("INVITE")
    return response_to(
        invite, status, to_tag=tag, headers=[("Contact", f"<sip:{tag}@192.0.2.9>"), *headers], body=body
    )


# -- calling and being answered ----------------------------------------------------------------------------


def test_a_call_is_answered_and_acknowledged() -> None:
    pair, lee, kim = calling()
    pair.settle()
    kim.do("accept", ANSWER)
    pair.settle()
    assert pair.ladder() == ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]
    assert lee.told == ["Accepted 200"]
    assert lee.facts == [Accepted(lee.session, kim_ok := lee.last("200 INVITE"), ANSWER)]
    assert kim_ok.content_type == "application/sdp"
    assert lee.descriptions == ("offer", "answer")
    ack = kim.last("ACK")
    assert (ack.cseq.number, ack.body) == (kim.last("INVITE").cseq.number, b"")


def test_provisional_responses_are_told_but_for_100() -> None:
    pair, lee, kim = calling()
    pair.settle()
    assert lee.told == []
    for status in (180, 181, 182):
        kim.do("progress", status)
    kim.do("progress", 183, description=ANSWER)
    pair.settle()
    assert lee.told == ["Progressed 180", "Progressed 181", "Progressed 182", "Progressed 183"]
    assert [fact.description for fact in lee.facts] == [None, None, None, ANSWER]
    assert lee.descriptions == (None, None)  # a preview, no answer


def test_a_description_that_makes_no_sense_is_left_out_of_a_provisional_response() -> None:
    _, lee, kim = ringing()
    lee.receive(response_of(kim, 183, "x", ("Content-Type", "application/sdp"), body=b"v=what"))
    assert [fact.description for fact in lee.facts] == [None]


def test_a_late_offer_waits_for_its_answer_and_the_ack_carries_it() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    assert lee.facts == [Accepted(lee.session, lee.last("200 INVITE"), OFFER)]
    assert pair.ladder() == ["< 200 INVITE"]
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert pair.ladder() == ["> ACK"]
    assert kim.facts[0].answer == ANSWER
    assert (lee.descriptions, kim.descriptions) == (("answer", "offer"), ("offer", "answer"))


def test_the_ack_of_a_late_offer_may_take_a_while() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.advance(2 * T1)
    assert pair.ladder() == ["< 200 INVITE", "< 200 INVITE"]
    assert lee.told == ["Accepted 200"]
    lee.do("acknowledge", ANSWER)
    pair.advance(T1)
    assert pair.ladder() == ["> ACK"]
    assert kim.told == ["Acknowledged"]


def test_a_late_offer_that_nobody_wants_is_acknowledged_and_ended() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    pair.forget()
    lee.do("hang_up")
    pair.settle()
    assert pair.ladder()[:2] == ["> ACK", "> BYE"]
    assert [word for word in lee.told if word.startswith("Ended")] == lee.told
    assert len(lee.told) == 1
    pair.assert_nothing_remains()


def test_a_late_offer_that_is_none_is_a_session_all_the_same() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    lee.receive(response_of(kim, 200, "other"))
    pair.settle()
    assert [fact.description for fact in lee.facts] == [None]
    assert pair.ladder()[0] == "> ACK"


def test_an_answer_without_description_leaves_nothing_agreed_but_the_next_offer_free() -> None:
    _, lee, kim = ringing()
    lee.receive(response_of(kim, 200, "other"))
    assert lee.told == ["Accepted 200"]
    assert lee.descriptions == (None, None)
    assert lee.session.can_change


def test_the_invite_carries_routes_headers_and_what_is_said_about_us() -> None:
    pair = Pair()
    pair.caller.invite(
        headers=[("Subject", "lunch")],
        route_set=[
            NameAddress.parse("<sip:p1.example.com;lr>"),
            NameAddress.parse("<sip:p2.example.com;lr>"),
        ],
        owner="somebody",
    )
    assert pair.caller.session.owner == "somebody"
    pair.settle()
    invite = pair.callee.last("INVITE")
    assert invite.get_all("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert invite.get("Subject") == "lunch"
    assert str(invite.contacts[0]) == "<sip:lee@192.0.2.1:5060>"
    assert invite.has("Allow")
    assert invite.from_.tag


# -- being refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 404, 486, 488, 503, 603])
def test_a_refusal_is_told_and_acknowledged(status: int) -> None:
    pair, lee, kim = ringing()
    kim.do("reject", status)
    pair.settle()
    assert pair.ladder() == [f"< {status} INVITE", "> ACK"]
    assert lee.told == [f"Rejected {status}"]
    assert kim.told == []
    pair.assert_nothing_remains()


def test_nobody_there_is_a_408_after_64_t1() -> None:
    pair = Pair()
    pair.lose()
    pair.caller.invite()
    pair.advance(TIMEOUT - 0.1)
    assert pair.caller.told == []
    pair.advance(0.1)
    assert pair.caller.told == ["Rejected 408"]
    pair.assert_nothing_remains()


@pytest.mark.parametrize("status", [100, 180])
def test_a_phone_may_ring_for_as_long_as_the_user_lets_it(status: int) -> None:
    pair, lee, kim = calling()
    pair.settle()
    if status != 100:
        kim.do("progress", status)
    pair.advance(10 * TIMEOUT)
    assert "Rejected 408" not in lee.told
    lee.do("cancel")
    pair.settle()
    assert lee.told[-1] == "Rejected 487"


def test_a_closed_connection_is_a_503() -> None:
    pair = Pair(Transport.TCP)
    lee, _ = pair.ringing()
    lee.perform(lee.endpoint.flow_closed(lee.flow, pair.now))
    assert lee.told == ["Rejected 503"]
    assert not any(lee.endpoint.live().values())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="no Contact"),
        pytest.param([("Contact", "<sip:a@192.0.2.9>, <sip:b@192.0.2.9>")], id="two Contacts"),
    ],
)
def test_an_answer_that_opens_no_dialog_is_a_bad_gateway(answer: list[tuple[str, str]]) -> None:
    pair, lee, kim = ringing()
    lee.receive(response_to(kim.last("INVITE"), 200, to_tag="other", headers=answer))
    assert lee.told == ["Rejected 502"]
    kim.do("reject", 480)
    pair.assert_nothing_remains()


@pytest.mark.parametrize("kind", ["application/sdp", "text/plain"])
def test_an_answer_that_cannot_be_read_is_acknowledged_and_ended(kind: str) -> None:
    pair, lee, kim = ringing()
    lee.receive(response_of(kim, 200, "other", ("Content-Type", kind), body=b"what?"))
    assert lee.told == ["Rejected 502"]
    assert pair.ladder() == ["> ACK", "> BYE"]
    kim.do("reject", 480)
    pair.assert_nothing_remains()


# -- giving up (section 9.1) ---------------------------------------------------------------------------------


def test_a_cancel_ends_a_call_that_rings() -> None:
    pair, lee, kim = ringing()
    lee.do("cancel")
    pair.settle()
    assert pair.ladder() == ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
    assert (lee.told, kim.told) == (["Rejected 487"], ["Cancelled"])
    pair.assert_nothing_remains()


def test_a_cancel_speaks_of_its_invite() -> None:
    pair, lee, kim = ringing()
    lee.do("hang_up")
    pair.settle()
    invite, cancel = kim.last("INVITE"), kim.last("CANCEL")
    assert (cancel.via, cancel.uri_text, cancel.to, cancel.from_, cancel.call_id) == (
        invite.via, invite.uri_text, invite.to, invite.from_, invite.call_id,
    )  # fmt: skip
    assert cancel.cseq.number == invite.cseq.number


def test_a_cancel_waits_for_a_provisional_response() -> None:
    pair, lee, _ = calling()
    lee.do("cancel")
    assert pair.ladder() == ["> INVITE"]
    pair.settle()
    assert pair.ladder() == ["< 100 INVITE", "> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
    assert lee.told == ["Rejected 487"]
    pair.assert_nothing_remains()


def test_a_cancel_that_nobody_reacts_to_sends_nothing_more_than_the_invite() -> None:
    pair = Pair()
    pair.lose()
    pair.caller.invite()
    pair.caller.do("cancel")
    pair.advance(TIMEOUT)
    assert set(pair.ladder()) == {"> INVITE lost"}
    assert pair.caller.told == ["Rejected 408"]
    pair.assert_nothing_remains()


def test_a_cancel_is_sent_once_and_progress_is_not_told_any_more() -> None:
    pair, lee, kim = ringing()
    kim.do("progress", 183)
    lee.do("cancel")
    lee.do("cancel")
    lee.do("hang_up")
    pair.settle()
    assert pair.ladder().count("> CANCEL") == 1
    assert lee.told == ["Rejected 487"]


def test_a_cancel_that_crosses_the_2xx_ends_with_ack_and_bye() -> None:
    pair, lee, kim = ringing()
    kim.do("accept", ANSWER)
    lee.do("cancel")
    pair.settle()
    assert pair.ladder() == ["< 200 INVITE", "> CANCEL", "> ACK", "> BYE", "< 200 CANCEL", "< 200 BYE"]
    assert lee.told == ["Rejected 487"]
    assert kim.told == ["Acknowledged", "Ended bye"]
    pair.assert_nothing_remains()


def test_a_cancel_that_crosses_a_refusal_tells_the_refusal() -> None:
    pair, lee, kim = ringing()
    kim.do("reject", 486)
    lee.do("cancel")
    pair.settle()
    assert lee.told == ["Rejected 486"]
    assert kim.told == []
    pair.assert_nothing_remains()


def test_a_cancel_that_is_never_answered_is_given_up_after_64_t1() -> None:
    pair, lee, _ = ringing()
    lee.do("cancel")
    pair.lose()
    pair.advance(TIMEOUT - 0.1)
    assert lee.told == []
    pair.advance(0.1)
    assert lee.told == ["Rejected 487"]
    assert lee.endpoint.live()["sessions"] == 0


def test_a_cancel_that_is_answered_but_has_no_effect_is_given_up_after_64_t1() -> None:
    pair, lee, _ = ringing()
    pair.lose("< 487 INVITE")
    lee.do("cancel")
    pair.advance(TIMEOUT)
    assert lee.told == ["Rejected 487"]
    assert lee.endpoint.live() == {"transactions": 0, "sessions": 0, "dialogs": 0}


def test_a_2xx_of_a_call_long_given_up_is_left_to_its_sender() -> None:
    pair, lee, kim = ringing()
    pair.lose("> CANCEL")
    lee.do("cancel")
    pair.advance(TIMEOUT)
    kim.do("accept", ANSWER)
    pair.advance(TIMEOUT)
    assert lee.told == ["Rejected 487"]
    assert kim.told == ["Ended no-ack"]
    pair.assert_nothing_remains()


def test_giving_up_twice_or_after_the_end_does_nothing() -> None:
    pair, lee, kim = ringing()
    kim.do("reject", 486)
    pair.settle()
    pair.forget()
    lee.do("cancel")
    lee.do("hang_up")
    pair.settle()
    assert (pair.ladder(), lee.told) == ([], [])


# -- several that answer (sections 13.2.2.1 and 13.2.2.4) ----------------------------------------------------


def test_a_2xx_of_another_branch_is_acknowledged_and_ended() -> None:
    pair, lee, kim = ringing()
    kim.do("accept", ANSWER)
    pair.settle()
    pair.forget()
    second = response_of(kim, 200, "other")
    lee.receive(second)
    assert pair.ladder() == ["> ACK", "> BYE"]
    assert lee.told == []
    pair.settle()
    bye = kim.last("BYE")
    assert (bye.to.tag, bye.uri_text) == ("other", "sip:other@192.0.2.9")
    lee.receive(response_to(bye, 200))
    assert lee.told == []  # whose BYE this answers nobody knows but the session
    lee.receive(second)
    assert pair.ladder()[-1] == "> ACK"
    lee.do("hang_up")
    pair.settle()
    assert (lee.told, kim.told) == (["Ended local"], ["Ended bye"])
    pair.assert_nothing_remains()


def test_the_bye_for_another_branch_may_fail_without_touching_the_session() -> None:
    pair, lee, kim = ringing()
    kim.do("accept", ANSWER)
    pair.settle()
    lee.receive(response_of(kim, 200, "other"))
    pair.lose("> BYE")
    pair.advance(TIMEOUT)
    assert lee.told == ["Accepted 200"]
    assert lee.session.can_change


def test_a_second_branch_that_answers_a_cancelled_call_is_ended_too() -> None:
    pair, lee, kim = ringing()
    lee.do("cancel")
    for tag in ("one", "two"):
        lee.receive(response_of(kim, 200, tag))
    assert pair.ladder() == ["> CANCEL", "> ACK", "> BYE", "> ACK", "> BYE"]
    assert lee.told == ["Rejected 487"]
    pair.assert_nothing_remains()


def test_early_dialogs_may_be_several_and_the_answer_decides() -> None:
    pair, lee, kim = ringing()
    lee.receive(response_of(kim, 180, "other"))
    assert lee.endpoint.live()["dialogs"] == 2
    kim.do("accept", ANSWER)
    pair.settle()
    lee.do("send_request", "INFO")
    pair.settle()
    assert kim.told == ["Acknowledged", "RequestInDialog INFO"]


def test_a_repeated_2xx_is_acknowledged_by_the_same_ack() -> None:
    pair, lee, kim = ringing()
    pair.lose("> ACK")
    kim.do("accept", ANSWER)
    pair.advance(T1)
    pair.heal()
    pair.advance(TIMEOUT)
    assert pair.ladder() == ["< 200 INVITE", "> ACK lost"] * 2 + ["< 200 INVITE", "> ACK"]
    assert (lee.told, kim.told) == (["Accepted 200"], ["Acknowledged"])


def test_a_repeated_2xx_is_acknowledged_after_the_end() -> None:
    pair, lee, kim = ringing()
    kim.do("accept", ANSWER)
    pair.settle()
    ok = lee.last("200 INVITE")
    lee.do("hang_up")
    pair.settle()
    pair.forget()
    lee.receive(ok)
    assert pair.ladder() == ["> ACK"]
    assert lee.told == []


# -- the early dialog ------------------------------------------------------------------------------------------


def test_the_answer_keeps_the_sequence_numbers_of_the_early_dialog() -> None:
    pair, lee, kim = ringing()
    lee.do("send_request", "INFO")
    kim.do("send_request", "INFO")
    pair.settle()
    kim.do("accept", ANSWER)
    pair.settle()
    lee.do("send_request", "INFO")
    pair.settle()
    first, second = (message for message in kim.received if line(message) == "INFO")
    assert second.cseq.number == first.cseq.number + 1
    stale = lee.last("INFO")
    stale.set("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKanother")
    pair.forget()
    lee.receive(stale)
    assert pair.ladder() == ["> 500 INFO"]


def test_a_bye_of_the_called_side_in_the_early_dialog_gives_the_call_up() -> None:
    """Section 15 forbids it; where it happens all the same, no INVITE is left to ring for ever."""
    pair, lee, kim = ringing()
    kim.perform(kim.endpoint.request(kim.session.dialog.request("BYE"), kim.flow, pair.now)[1])
    pair.settle()
    assert pair.ladder()[:3] == ["< BYE", "> 200 BYE", "> CANCEL"]
    assert lee.told == ["Rejected 487"]
    pair.assert_nothing_remains()


def test_an_invite_of_the_called_side_in_the_early_dialog_gets_491() -> None:
    """Section 14.2: an INVITE that crosses ours."""
    pair, lee, kim = ringing()
    invite = kim.session.dialog.request("INVITE", [("Contact", "<sip:kim@192.0.2.2>")])
    invite.prepend("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKearly")
    lee.receive(invite)
    assert pair.ladder() == ["> 100 INVITE", "> 491 INVITE"]
    assert lee.told == []


# -- credentials (section 22.2) --------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_a_challenged_call_is_tried_again_with_credentials(status: int, name: str) -> None:
    pair, lee, kim = calling()
    pair.settle()
    kim.do("reject", status, headers=CHALLENGE)
    pair.settle()
    assert lee.told == [f"Rejected {status}"]
    first, previous = kim.last("INVITE"), lee.session
    lee.do("authorize", name, "Digest one")
    pair.settle()
    second = kim.last("INVITE")
    assert lee.session is previous
    assert second.get_all(name) == ["Digest one"]
    assert second.cseq.number == first.cseq.number + 1
    assert (second.call_id, second.from_, second.to) == (first.call_id, first.from_, first.to)
    assert (second.body, second.uri_text) == (first.body, first.uri_text)
    assert second.via.branch != first.via.branch
    kim.do("accept", ANSWER)
    pair.settle()
    assert lee.told == [f"Rejected {status}", "Accepted 200"]
    ack = kim.last("ACK")
    assert (ack.get_all(name), ack.cseq.number) == (["Digest one"], second.cseq.number)
    lee.do("hang_up")
    pair.assert_nothing_remains()


def test_credentials_are_replaced_and_those_for_others_kept() -> None:
    pair, lee, kim = calling()
    for name, value in (
        ("Proxy-Authorization", "proxy"),
        ("Authorization", "stale"),
        ("Authorization", "fresh"),
    ):
        pair.settle()
        kim.do("reject", 407 if name.startswith("Proxy") else 401)
        pair.settle()
        lee.do("authorize", name, value)
    pair.settle()
    invite = kim.last("INVITE")
    assert invite.get_all("Authorization") == ["fresh"]
    assert invite.get_all("Proxy-Authorization") == ["proxy"]


def test_only_a_challenge_can_be_answered_and_only_once() -> None:
    pair, lee, kim = calling()
    with pytest.raises(UsageError):
        lee.do("authorize", "Authorization", "x")
    pair.settle()
    kim.do("reject", 401)
    pair.settle()
    lee.do("authorize", "Authorization", "x")
    with pytest.raises(UsageError):
        lee.do("authorize", "Authorization", "x")
    pair.settle()
    kim.do("reject", 403)
    pair.settle()
    with pytest.raises(UsageError):
        lee.do("authorize", "Authorization", "x")
    pair.assert_nothing_remains()


def test_a_cancelled_call_that_is_challenged_stays_cancelled() -> None:
    pair, lee, kim = ringing()
    lee.do("cancel")
    kim.do("reject", 401)
    pair.settle()
    assert lee.told == ["Rejected 401"]
    with pytest.raises(UsageError):
        lee.do("authorize", "Authorization", "x")


def test_a_call_can_be_cancelled_after_the_challenge_too() -> None:
    pair, lee, kim = calling()
    pair.settle()
    kim.do("reject", 401)
    pair.settle()
    lee.do("authorize", "Authorization", "x")
    pair.settle()
    lee.do("cancel")
    pair.settle()
    assert lee.told == ["Rejected 401", "Rejected 487"]
    assert kim.told == ["Invited", "Invited", "Cancelled"]
    pair.assert_nothing_remains()


def test_the_user_may_authorize_while_the_refusal_is_told() -> None:
    pair, lee, kim = calling()

    def answer_the_challenge(fact: Effect) -> None:
        if isinstance(fact, Rejected) and fact.response.status == 401:
            lee.do("authorize", "Authorization", "x")

    lee.on_fact = answer_the_challenge
    pair.settle()
    kim.do("reject", 401)
    pair.settle()
    kim.do("progress", 180)
    pair.settle()
    assert lee.told == ["Rejected 401", "Progressed 180"]
    assert isinstance(lee.facts[-1], Progressed)


# -- verbs out of turn -----------------------------------------------------------------------------------------


def test_a_session_that_is_being_set_up_cannot_be_changed() -> None:
    _, lee, _ = ringing()
    for verb in ("modify", "update"):
        with pytest.raises(UsageError):
            lee.do(verb, description("other"))


def test_what_was_not_offered_cannot_be_answered() -> None:
    pair, lee, kim = ringing()
    kim.do("accept", ANSWER)
    pair.settle()
    with pytest.raises(UsageError):
        lee.do("acknowledge", ANSWER)


def test_a_request_needs_a_dialog() -> None:
    _, lee, _ = calling()
    with pytest.raises(UsageError):
        lee.do("send_request", "INFO")
