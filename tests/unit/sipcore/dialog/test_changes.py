"""Changes of an established session: re-INVITE and UPDATE (RFC 3261 section 14, RFC 3311)."""

from __future__ import annotations

import pytest

from sipcore.effects import Answered, Effect, Offered, OfferRefused
from sipcore.errors import UsageError
from sipcore.syntax.message import Request, response_to
from tests.unit.sipcore.dialog.support import CHANGES, SDP, SIDES, ack_of, established, in_order, sent, within
from tests.unit.sipcore.pair import (
    ANSWER,
    ANSWER_2,
    NOTHING,
    OFFER,
    OFFER_2,
    T1,
    TIMEOUT,
    Pair,
    Side,
    description,
)

# -- changes (section 14, RFC 3311) ---------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "method"), CHANGES)
@pytest.mark.parametrize("mover", SIDES)
def test_either_side_may_change_the_session(mover: str, verb: str, method: str) -> None:
    pair, one, other = established(mover)
    one.do(verb, OFFER_2)
    assert not one.session.can_change
    pair.settle()
    assert other.facts == [Offered(other.session, other.last(method), OFFER_2)]
    other.do("answer", ANSWER_2)
    pair.settle()
    ladder = ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"] if verb == "modify" else []
    assert in_order(pair, one) == (ladder or ["> UPDATE", "< 200 UPDATE"])
    assert one.facts == [Answered(one.session, ANSWER_2)]
    assert other.told == ["Offered", *(["Acknowledged"] if verb == "modify" else [])]
    assert (one.descriptions, other.descriptions) == (("offer 2", "answer 2"), ("answer 2", "offer 2"))
    assert one.session.can_change
    assert other.session.can_change


@pytest.mark.parametrize(("verb", "method"), CHANGES)
@pytest.mark.parametrize("mover", SIDES)
def test_a_refused_change_leaves_the_session_as_it_was(mover: str, verb: str, method: str) -> None:
    pair, one, other = established(mover)
    before = one.descriptions, other.descriptions
    one.do(verb, OFFER_2)
    pair.settle()
    other.do("refuse", 488)
    pair.settle()
    assert one.facts == [OfferRefused(one.session, one.last(f"488 {method}"))]
    assert (one.descriptions, other.descriptions) == before
    other.do(verb, OFFER_2)
    pair.settle()
    one.do("answer", ANSWER_2)
    pair.settle()
    assert other.told[-1] in ("Answered", "Acknowledged")


@pytest.mark.parametrize(("verb", "method"), CHANGES)
def test_one_change_at_a_time(verb: str, method: str) -> None:
    pair, one, other = established()
    one.do(verb, OFFER_2)
    with pytest.raises(UsageError):
        one.do(verb, OFFER_2)
    pair.settle()
    for again in ("modify", "update"):
        with pytest.raises(UsageError):
            other.do(again, OFFER_2)


def test_what_the_peer_did_not_ask_for_cannot_be_answered() -> None:
    pair, one, other = established()
    with pytest.raises(UsageError):
        one.do("answer", ANSWER_2)
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("refuse", 488)
    with pytest.raises(UsageError):
        other.do("refuse", 488)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_second_offer_while_the_first_is_pending_gets_500(method: str) -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    pair.forget()
    other.receive(within(one, method, body=OFFER_2.to_bytes()))
    pair.settle()
    assert 0 <= int(one.last(f"500 {method}").get("Retry-After")) <= 10
    assert other.told == []
    other.do("answer", ANSWER_2)
    pair.settle()
    assert one.told == ["Answered"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_second_change_without_offer_gets_500_too(method: str) -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    pair.forget()
    other.receive(within(one, method, ("Contact", "<sip:lee@192.0.2.1>")))
    assert pair.ladder()[-1] == f"< 500 {method}"
    assert other.told == []


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_change_without_offer_that_crosses_ours_gets_491(method: str) -> None:
    pair, one, other = established()
    pair.lose("< INVITE")
    other.do("modify", OFFER_2)
    other.receive(within(one, method, ("Contact", "<sip:lee@192.0.2.1>")))
    assert pair.ladder()[-1] == f"< 491 {method}"
    assert other.told == []


def test_a_re_invite_without_offer_gets_491_while_our_offer_waits_for_its_answer() -> None:
    """Nothing could be said to it: our next offer would be the second at once."""
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    pair.forget()
    kim.receive(within(lee, "INVITE", ("Contact", "<sip:lee@192.0.2.1>")))
    assert pair.ladder()[-1] == "< 491 INVITE"
    assert kim.told == []
    pair.settle()
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert kim.told == ["Acknowledged"]
    kim.do("hang_up")
    pair.assert_nothing_remains()


def test_a_re_invite_without_offer_gets_500_while_we_owe_an_answer() -> None:
    pair = Pair()
    lee, kim = pair.ringing(offer=None)
    kim.do("accept", OFFER)
    pair.settle()
    pair.forget()
    lee.receive(within(kim, "INVITE", ("Contact", "<sip:kim@192.0.2.2>")))
    assert pair.ladder()[-1] == "> 500 INVITE"
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert (lee.told, kim.told) == ([], ["Acknowledged"])
    kim.do("hang_up")
    pair.assert_nothing_remains()


@pytest.mark.parametrize(("verb", "method"), CHANGES)
def test_a_change_may_be_refused_for_good_by_the_network(verb: str, method: str) -> None:
    pair, one, _ = established()
    pair.lose(f"> {method}")
    one.do(verb, OFFER_2)
    pair.advance(TIMEOUT)
    assert one.told == ["Ended timeout"]
    pair.assert_nothing_remains()


def test_a_change_that_meets_481_ends_the_session() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("refuse", 481)
    pair.settle()
    assert one.told == ["Ended timeout"]
    assert other.told == ["Offered", "Ended bye"]
    pair.assert_nothing_remains()


def test_a_change_moves_the_target_on_both_sides() -> None:
    pair, one, other = established()
    moved = within(one, "INVITE", ("Contact", "<sip:lee@192.0.2.77>"), body=OFFER_2.to_bytes())
    other.receive(moved)
    other.do("answer", ANSWER_2)
    other.receive(ack_of(one, moved))
    other.do("hang_up")
    pair.settle()
    assert one.last("BYE").uri_text == "sip:lee@192.0.2.77"


def test_the_response_to_a_change_moves_the_target_too() -> None:
    pair, one, other = established()
    pair.lose("> UPDATE")
    one.do("update", OFFER_2)
    headers = [("Contact", "<sip:kim@192.0.2.88>"), SDP]
    one.receive(response_to(sent(one, "UPDATE"), 200, headers=headers, body=ANSWER_2.to_bytes()))
    one.do("hang_up")
    pair.settle()
    assert other.last("BYE").uri_text == "sip:kim@192.0.2.88"


# -- changes without an offer ---------------------------------------------------------------------------


def test_a_re_invite_without_offer_asks_for_ours() -> None:
    _, one, other = established()
    invite = within(one, "INVITE", ("Contact", "<sip:lee@192.0.2.1>"))
    other.receive(invite)
    assert [fact.offer for fact in other.facts] == [None]
    other.do("answer", OFFER_2)
    assert not other.session.can_change
    other.receive(ack_of(one, invite, ANSWER_2.to_bytes()))
    assert other.told == ["Offered", "Acknowledged"]
    assert other.facts[-1].answer == ANSWER_2
    assert other.descriptions == ("offer 2", "answer 2")


def test_while_our_offer_in_a_2xx_is_pending_another_gets_491() -> None:
    pair, one, other = established()
    invite = within(one, "INVITE", ("Contact", "<sip:lee@192.0.2.1>"))
    other.receive(invite)
    other.do("answer", OFFER_2)
    pair.forget()
    other.receive(within(one, "UPDATE", body=OFFER_2.to_bytes(), branch="y"))
    assert pair.ladder() == ["< 491 UPDATE"]
    other.receive(ack_of(one, invite, ANSWER_2.to_bytes()))
    assert other.told == ["Acknowledged"]


def test_a_refused_re_invite_without_offer_changes_nothing() -> None:
    _, one, other = established()
    before = other.descriptions
    other.receive(within(one, "INVITE", ("Contact", "<sip:lee@192.0.2.1>")))
    other.do("refuse", 488)
    assert other.descriptions == before
    assert other.session.can_change


def test_an_update_without_offer_is_answered_at_once() -> None:
    pair, one, other = established()
    other.receive(within(one, "UPDATE", ("Contact", "<sip:lee@192.0.2.77>")))
    assert pair.ladder() == ["< 200 UPDATE"]
    assert other.told == []
    assert str(other.session.dialog.remote_target) == "sip:lee@192.0.2.77"


# -- changes that make no sense -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param([SDP], b"v=what", 400, id="no description"),
        pytest.param([("Content-Type", "text/plain")], b"hold the line", 415, id="another type"),
        pytest.param([SDP, ("Contact", "<nobody>")], OFFER_2.to_bytes(), 400, id="no target"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    method: str, headers: list[tuple[str, str]], body: bytes, status: int
) -> None:
    pair, one, other = established()
    request: Request = one.session.dialog.request(method, headers, body)
    request.prepend("Via", f"SIP/2.0/UDP {one.flow.local};branch=z9hG4bKx")
    other.receive(request)
    pair.settle()
    refusal = one.last(f"{status} {method}")
    assert (refusal.get("Accept") == "application/sdp") is (status == 415)
    assert other.told == []
    assert other.session.can_change
    one.do("modify", OFFER_2)
    pair.settle()
    assert other.told == ["Offered"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([], b"", id="no answer"),
        pytest.param([SDP], b"v=what", id="no description"),
        pytest.param([SDP, ("Contact", "<nobody>")], ANSWER_2.to_bytes(), id="no target"),
    ],
)
@pytest.mark.parametrize(("verb", "method"), CHANGES)
def test_an_answer_to_a_change_that_makes_no_sense_ends_the_session(
    verb: str, method: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    pair, one, other = established()
    pair.lose(f"> {method}")
    one.do(verb, OFFER_2)
    pair.heal()
    pair.forget()
    one.receive(response_to(sent(one, method), 200, headers=headers, body=body))
    pair.settle()
    ladder = ["> ACK", "> BYE", "< 200 BYE"] if verb == "modify" else ["> BYE", "< 200 BYE"]
    assert pair.ladder() == ladder
    assert (one.told, other.told) == (["Ended local"], ["Ended bye"])
    pair.assert_nothing_remains()


# -- changes that cross (section 14.1) ------------------------------------------------------------------


def answer_offers(side: Side) -> None:
    """Let the user accept every change."""

    def react(fact: Effect) -> None:
        if isinstance(fact, Offered):
            side.do("answer", ANSWER_2)

    side.on_fact = react


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("verb", "method"), CHANGES)
def test_changes_that_cross_are_tried_again_after_a_while(verb: str, method: str, seed: int) -> None:
    pair = Pair(seed=seed)
    lee, kim = pair.established()
    for side in (lee, kim):
        answer_offers(side)
        side.do(verb, OFFER_2)
    times: dict[str, float] = {}
    pair.settle()
    assert sorted(line for line in pair.ladder() if "491" in line) == [f"< 491 {method}", f"> 491 {method}"]
    assert (lee.told, kim.told) == ([], [])
    began = pair.now

    def note(line: str) -> list[float]:
        times.setdefault(line, pair.now - began)
        return [0.0]

    pair.route = note
    pair.advance(5)
    assert 2.1 <= times[f"> {method}"] <= 4.0
    assert 0.0 <= times[f"< {method}"] <= 2.0
    assert all(round(time * 100) == pytest.approx(time * 100) for time in times.values())
    assert lee.told.count("Answered") == kim.told.count("Answered") == 1
    assert lee.session.can_change
    assert kim.session.can_change


def test_the_one_who_waits_longer_waits_on_while_the_other_changes_something() -> None:
    pair = Pair()
    lee, kim = pair.established()
    for side in (lee, kim):
        side.do("modify", OFFER_2)
    pair.advance(10)
    assert (lee.told, kim.told) == (["Offered"], [])
    lee.do("answer", ANSWER_2)
    pair.advance(10)
    assert (lee.told, kim.told) == (["Offered", "Acknowledged"], ["Answered", "Offered"])
    kim.do("answer", ANSWER_2)
    pair.settle()
    assert lee.told[-1] == "Answered"


def test_a_change_that_waits_gives_way_to_a_newer_one() -> None:
    pair = Pair()
    lee, kim = pair.established()
    lee.do("modify", description("old"))
    pair.settle()
    kim.do("refuse", 491)
    pair.advance(T1)
    assert lee.told == []
    lee.do("modify", OFFER_2)
    pair.settle()
    kim.do("answer", ANSWER_2)
    pair.advance(TIMEOUT)
    assert lee.told == ["Answered"]
    assert kim.told == ["Offered", "Offered", "Acknowledged"]
    assert kim.descriptions == ("answer 2", "offer 2")


def test_a_change_that_waits_is_not_tried_again_where_it_is_out_of_date() -> None:
    pair = Pair()
    lee, kim = pair.established()
    lee.do("modify", description("old"))
    pair.settle()
    kim.do("refuse", 491)
    pair.settle()
    lee.session.drop_retry()
    pair.advance(TIMEOUT)
    assert lee.told == []
    assert kim.told == ["Offered"]


def test_a_change_that_waits_dies_with_the_session() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("refuse", 491)
    pair.settle()
    one.do("hang_up")
    assert one.session.deadline is None, "not even while the BYE waits for its answer"
    pair.settle()
    pair.forget()
    pair.assert_nothing_remains()
    assert pair.ladder() == []
    assert one.told == []


# -- re-INVITEs and what can happen to them -------------------------------------------------------------


def test_the_2xx_of_a_re_invite_is_repeated_until_it_is_acknowledged() -> None:
    pair, one, other = established()
    pair.lose("> ACK")
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("answer", ANSWER_2)
    pair.advance(3 * T1)
    assert pair.ladder()[2:] == ["< 200 INVITE", "> ACK lost"] * 3
    assert (one.told, other.told) == (["Answered"], ["Offered"])
    pair.heal()
    pair.advance(TIMEOUT)
    assert other.told == ["Offered", "Acknowledged"]


def test_a_re_invite_whose_2xx_is_never_acknowledged_ends_the_session() -> None:
    pair, one, other = established()
    pair.lose("> ACK")
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("answer", ANSWER_2)
    pair.advance(TIMEOUT)
    assert (one.told, other.told) == (["Answered", "Ended bye"], ["Offered", "Ended no-ack"])
    pair.assert_nothing_remains()


def test_a_cancelled_re_invite_leaves_the_session() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    invite = other.last("INVITE")
    headers = [header for header in invite.headers if header[0] in ("Via", "From", "To", "Call-ID")]
    cancel = Request("CANCEL", invite.uri_text, [*headers, ("CSeq", f"{invite.cseq.number} CANCEL")])
    pair.forget()
    other.receive(cancel)
    pair.settle()
    assert pair.ladder() == ["< 200 CANCEL", "< 487 INVITE", "> ACK"]
    assert (one.told, other.told) == (["OfferRefused 487"], [])
    assert one.session.can_change
    assert other.session.can_change


def test_a_cancel_of_an_answered_re_invite_is_answered_and_changes_nothing() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("answer", ANSWER_2)
    invite = other.last("INVITE")
    headers = [header for header in invite.headers if header[0] in ("Via", "From", "To", "Call-ID")]
    pair.forget()
    other.receive(Request("CANCEL", invite.uri_text, [*headers, ("CSeq", f"{invite.cseq.number} CANCEL")]))
    assert pair.ladder() == ["< 200 CANCEL"]
    pair.settle()
    assert (one.told, other.told) == (["Answered"], ["Acknowledged"])


@pytest.mark.parametrize(("verb", "method"), CHANGES)
@pytest.mark.parametrize("mover", SIDES)
def test_who_hangs_up_refuses_what_is_pending(mover: str, verb: str, method: str) -> None:
    pair, one, other = established(mover)
    one.do(verb, OFFER_2)
    pair.settle()
    pair.forget()
    other.do("hang_up")
    pair.settle()
    assert in_order(pair, one)[:2] == [f"< 487 {method}", "< BYE"]
    assert (one.told, other.told) == (["OfferRefused 487", "Ended bye"], ["Ended local"])
    pair.assert_nothing_remains()


@pytest.mark.parametrize(("verb", "method"), CHANGES)
@pytest.mark.parametrize("mover", SIDES)
def test_who_is_hung_up_on_refuses_what_is_pending(mover: str, verb: str, method: str) -> None:
    pair, one, other = established(mover)
    one.do(verb, OFFER_2)
    pair.settle()
    pair.forget()
    one.do("hang_up")
    pair.settle()
    assert in_order(pair, one)[:3] == ["> BYE", "< 200 BYE", f"< 487 {method}"]
    assert (one.told, other.told) == (["Ended local"], ["Ended bye"])
    pair.assert_nothing_remains()


def test_a_change_that_crosses_a_bye_gets_481() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    other.do("hang_up")
    pair.settle()
    assert "< 481 INVITE" in pair.ladder()
    assert (one.told, other.told) == (["Ended bye"], ["Ended local"])
    pair.assert_nothing_remains()


@pytest.mark.parametrize("mover", SIDES)
def test_a_re_invite_that_gets_no_final_response_is_not_waited_for_after_the_end(mover: str) -> None:
    pair, one, other = established(mover)
    one.do("modify", OFFER_2)
    pair.settle()
    pair.lose()
    one.do("hang_up")
    pair.advance(TIMEOUT)
    assert one.told == ["Ended local"]
    assert one.endpoint.live() == NOTHING
    other.do("hang_up")
    pair.advance(TIMEOUT)
    assert other.told == ["Offered", "Ended local"]
    pair.assert_nothing_remains()


def test_a_2xx_that_comes_after_the_end_is_acknowledged() -> None:
    pair, one, other = established()
    one.do("modify", OFFER_2)
    pair.settle()
    other.do("answer", ANSWER_2)
    one.do("hang_up")
    pair.settle()
    assert pair.ladder()[2:] == ["< 200 INVITE", "> BYE", "> ACK", "< 200 BYE"]
    assert one.told == ["Ended local"]
    pair.assert_nothing_remains()


def test_a_re_invite_that_overtakes_the_ack_is_served() -> None:
    pair = Pair()
    lee, kim = pair.ringing()
    pair.lose("> ACK")
    kim.do("accept", ANSWER)
    pair.settle()
    pair.heal()
    lee.do("modify", OFFER_2)
    pair.settle()
    assert kim.told == ["Offered"]
    kim.do("answer", ANSWER_2)
    pair.advance(TIMEOUT)
    assert lee.told == ["Accepted 200", "Answered"]
    assert kim.told == ["Offered", "Acknowledged"]
