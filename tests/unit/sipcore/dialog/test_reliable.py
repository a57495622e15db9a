"""Reliable provisional responses between two endpoints, and with peers that break the rules (RFC 3262)."""

from __future__ import annotations

from typing import Any

import pytest

from sipcore.dialog.reliable import LARGEST, MOST_WAITING, RAck, ReliableOrder, ReliableResponses, rseq_of
from sipcore.effects import Acknowledged, Cancelled, Offered, Progressed
from sipcore.endpoint import EndpointSettings
from sipcore.errors import PeerError
from sipcore.syntax.headers import CSeq
from sipcore.syntax.message import Request, Response, response_to
from sipcore.transaction.timers import Timers
from tests.unit.sipcore.dialog.support import SDP, sent, within
from tests.unit.sipcore.pair import ANSWER, ANSWER_2, OFFER, OFFER_2, TIMEOUT, Pair, Side, description

RELIABLE = EndpointSettings(reliable=True)
INVITE = CSeq(1, "INVITE")


def invited(offer: Any = OFFER, **more: Any) -> tuple[Pair, Side, Side]:
    """A call that both sides would make reliable, and that has not rung yet."""
    pair = Pair(settings=RELIABLE)
    pair.caller.invite(offer, **more)
    pair.settle()
    pair.forget()
    return pair, pair.caller, pair.callee


def reliable(lee: Side, rseq: int, *more: tuple[str, str], tag: str = "b", body: bytes = b"") -> Response:
    """A reliable 183 of a phone behind the contact."""
    headers = [("Contact", "<sip:kim@192.0.2.2>"), ("Require", "100rel"), ("RSeq", str(rseq)), *more]
    return response_to(
        sent(lee, "INVITE"), 183, to_tag=tag, headers=[*headers, *([SDP] if body else [])], body=body
    )


# -- both sides ----------------------------------------------------------------------------------------


def test_a_reliable_response_is_acknowledged_by_a_prack() -> None:
    pair, lee, kim = invited()
    kim.do("progress", 180)
    pair.settle()
    assert pair.ladder() == ["< 180 INVITE", "> PRACK", "< 200 PRACK"]
    ringing, prack = lee.last("180 INVITE"), kim.last("PRACK")
    assert ringing.require == ["100rel"]
    assert prack.get("RAck") == f"{ringing.get('RSeq')} {ringing.cseq}"
    assert lee.told == ["Progressed 180"]
    assert kim.told == []
    pair.advance(TIMEOUT)
    assert pair.ladder() == []


def test_what_is_supported_is_said_on_one_line() -> None:
    """Not every peer reads a second."""
    pair, lee, kim = invited()
    assert kim.last("INVITE").get_all("Supported") == ["100rel, timer"]
    kim.do("accept", ANSWER)
    pair.settle()
    assert lee.last("200 INVITE").get_all("Supported") == ["timer"]


@pytest.mark.parametrize("caller", [True, False])
def test_it_takes_both_to_be_reliable(caller: bool) -> None:
    pair = Pair(settings=EndpointSettings())
    (pair.caller if caller else pair.callee).endpoint.settings = RELIABLE
    pair.ringing()
    assert not pair.caller.received[-1].require
    pair.callee.do("accept", ANSWER)
    pair.settle()
    assert pair.ladder() == ["< 200 INVITE", "> ACK"]


def test_who_requires_it_gets_it_whatever_the_settings_say() -> None:
    pair = Pair()
    pair.caller.invite(OFFER, headers=[("Require", "100rel")])
    pair.settle()
    pair.forget()
    pair.callee.do("progress", 183, description=ANSWER)
    pair.settle()
    assert pair.ladder() == ["< 183 INVITE", "> PRACK", "< 200 PRACK"]
    assert pair.callee.descriptions == pair.caller.descriptions[::-1] == ("answer", "offer")


def test_who_requires_it_and_makes_no_offer_hears_nothing_that_could_not_carry_ours() -> None:
    pair, lee, kim = invited(None, headers=[("Require", "100rel")])
    kim.do("progress", 180)
    pair.settle()
    assert pair.ladder() == []
    kim.do("accept", OFFER)
    pair.settle()
    assert lee.told == ["Accepted 200"]


def test_the_answer_goes_out_once_and_the_2xx_says_nothing_more() -> None:
    pair, lee, kim = invited()
    kim.do("progress", 183, description=ANSWER)
    kim.do("progress", 183, description=ANSWER_2)  # would be a second answer: left out
    pair.settle()
    kim.do("accept", ANSWER_2)
    pair.settle()
    assert lee.last("183 INVITE").body == lee.last("200 INVITE").body == b""
    assert [fact.description for fact in lee.facts] == [ANSWER, None, None]
    assert lee.descriptions == ("offer", "answer")
    assert lee.session.can_change
    assert kim.session.can_change


def test_our_offer_in_a_reliable_response_is_answered_in_the_prack() -> None:
    pair, lee, kim = invited(None)
    kim.do("progress", 183, description=OFFER)
    pair.settle()
    assert pair.ladder() == ["< 183 INVITE"]
    assert lee.facts == [Progressed(lee.session, lee.last("183 INVITE"), OFFER)]
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert pair.ladder() == ["> PRACK", "< 200 PRACK"]
    assert kim.facts == [Acknowledged(kim.session, ANSWER)]
    kim.do("accept", OFFER)
    pair.settle()
    assert pair.ladder() == ["< 200 INVITE", "> ACK"]
    assert lee.last("200 INVITE").body == kim.last("ACK").body == b""
    assert kim.told == ["Acknowledged", "Acknowledged"]
    assert lee.descriptions == ("answer", "offer")


def test_what_an_unreliable_response_describes_is_no_offer() -> None:
    _, lee, _ = invited(None)
    response = reliable(lee, 1, body=OFFER.to_bytes())
    response.remove("Require")
    lee.receive(response)
    assert lee.facts == [Progressed(lee.session, lee.last("183 INVITE"), None)]


def test_our_offer_is_made_once() -> None:
    pair, lee, kim = invited(None)
    kim.do("progress", 183, description=OFFER)
    kim.do("progress", 183, description=OFFER_2)
    pair.settle()
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert [fact.description for fact in lee.facts] == [OFFER, None]
    assert kim.descriptions == ("offer", "answer")


def test_a_prack_that_owes_an_answer_and_has_none_is_refused() -> None:
    pair, lee, kim = invited(None)
    kim.do("progress", 183, description=OFFER)
    pair.settle()
    rseq = lee.last("183 INVITE").get("RSeq")
    kim.receive(within(lee, "PRACK", ("RAck", f"{rseq} {kim.session.request.cseq}")))
    pair.settle()
    assert lee.last("400 PRACK")
    lee.do("acknowledge", ANSWER)
    pair.settle()
    assert kim.told == ["Acknowledged"]


# -- loss ----------------------------------------------------------------------------------------------


def test_a_response_is_sent_again_until_its_prack_comes() -> None:
    pair, lee, kim = invited()
    pair.lose("< 183 INVITE")
    kim.do("progress", 183, description=ANSWER)
    pair.advance(4.0)  # T1, 2*T1, 4*T1 ...
    assert pair.ladder() == ["< 183 INVITE lost"] * 4
    pair.heal()
    pair.advance(4.0)
    assert pair.ladder() == ["< 183 INVITE", "> PRACK", "< 200 PRACK"]
    assert lee.told == ["Progressed 183"]


def test_a_lost_prack_is_sent_again_and_taken_once() -> None:
    pair, lee, kim = invited()
    pair.lose("< 200 PRACK")
    kim.do("progress", 183, description=ANSWER)
    pair.advance(2.0)
    assert [line for line in pair.ladder() if "183" in line] == ["< 183 INVITE"]
    pair.heal()
    pair.advance(TIMEOUT)
    kim.do("accept", ANSWER)
    pair.settle()
    assert lee.told == ["Progressed 183", "Accepted 200"]


def test_a_response_that_is_never_acknowledged_ends_the_call_with_504() -> None:
    pair, lee, kim = invited()
    pair.lose("> PRACK")
    kim.do("progress", 183, description=ANSWER)
    pair.advance(TIMEOUT)
    assert kim.told == ["Cancelled"]
    assert isinstance(kim.facts[-1], Cancelled)
    assert kim.facts[-1].status == 504
    assert lee.told == ["Progressed 183", "Rejected 504"]
    pair.heal()
    pair.assert_nothing_remains(2 * TIMEOUT)


def test_a_2xx_waits_for_the_prack_of_the_answer() -> None:
    pair, _, kim = invited()
    pair.lose("> PRACK")
    kim.do("progress", 183, description=ANSWER)
    kim.do("accept", ANSWER)
    pair.advance(1.0)
    assert not [line for line in pair.ladder() if line.startswith("< 200 INVITE")]
    pair.heal()
    pair.advance(4.0)
    assert pair.ladder()[-3:] == ["< 200 PRACK", "< 200 INVITE", "> ACK"]
    assert kim.told == ["Acknowledged"]


def test_a_2xx_does_not_wait_for_the_prack_of_mere_ringing() -> None:
    pair, lee, kim = invited()
    pair.lose("> PRACK")
    kim.do("progress", 180)
    kim.do("accept", ANSWER)
    pair.settle()
    pair.heal()
    pair.advance(4.0)
    assert "< 200 PRACK" in pair.ladder()
    assert lee.told == ["Progressed 180", "Accepted 200"]


@pytest.mark.parametrize("end", ["cancel", "hang_up", "reject"])
def test_a_2xx_that_still_waits_may_be_overtaken_by_the_end(end: str) -> None:
    pair, lee, kim = invited()
    pair.lose("> PRACK")
    kim.do("progress", 183, description=ANSWER)
    kim.do("accept", ANSWER)
    pair.settle()
    if end == "cancel":
        lee.do("cancel")
    elif end == "hang_up":
        kim.do("hang_up")
    else:
        kim.do("reject", 486)
    pair.heal()
    pair.advance(1.0)
    assert (
        lee.told[-1] == {"cancel": "Rejected 487", "hang_up": "Rejected 480", "reject": "Rejected 486"}[end]
    )
    pair.assert_nothing_remains(2 * TIMEOUT)


def test_the_next_one_waits_for_the_prack_of_the_one_before() -> None:
    pair, lee, kim = invited()
    for status in (180, 181, 182):
        kim.do("progress", status)
    assert pair.ladder() == ["< 180 INVITE"]
    pair.settle()
    assert lee.told == ["Progressed 180", "Progressed 181", "Progressed 182"]
    numbers = [
        int(message.get("RSeq") or 0)
        for message in lee.received
        if isinstance(message, Response) and message.has("RSeq")
    ]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


# -- what peers may do wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rack", ["{} 7 INVITE", "1{} {cseq}", "{} {number} BYE"])
def test_a_prack_for_no_response_gets_481(rack: str) -> None:
    pair, lee, kim = invited()
    pair.lose("> PRACK")
    kim.do("progress", 180)
    pair.settle()
    cseq = kim.session.request.cseq
    text = rack.format(lee.last("180 INVITE").get("RSeq"), cseq=cseq, number=cseq.number)
    pair.heal()
    kim.receive(within(lee, "PRACK", ("RAck", text)))
    pair.settle()
    assert lee.last("481 PRACK")


@pytest.mark.parametrize("rack", [[], ["x"], ["0 1 INVITE"], [f"{LARGEST + 1} 1 INVITE"], ["1 INVITE"]])
def test_a_prack_that_says_not_what_it_is_for_gets_400(rack: list[str]) -> None:
    pair, lee, kim = invited()
    kim.do("progress", 180)
    pair.settle()
    kim.receive(within(lee, "PRACK", *(("RAck", text) for text in rack)))
    pair.settle()
    assert lee.last("400 PRACK")


def test_a_prack_within_a_call_that_was_never_reliable_gets_481() -> None:
    pair = Pair()
    lee, kim = pair.established()
    for side in (lee, kim):
        side.other.receive(within(side, "PRACK", ("RAck", "1 1 INVITE")))
        pair.settle()
        assert side.last("481 PRACK")


def test_repeated_and_overtaking_responses_are_dropped() -> None:
    _, lee, _ = invited()
    for rseq in (5, 5, 7, 6, 7, 5):
        lee.receive(reliable(lee, rseq))
    racks = [
        message.get("RAck")
        for message in lee.sent
        if isinstance(message, Request) and message.method == "PRACK"
    ]
    assert [rack.split()[0] for rack in racks if rack] == ["5", "6", "7"]
    assert lee.told == ["Progressed 183"] * 3


@pytest.mark.parametrize("rseq", ["", "0", "x", "-1", str(2**31), "1" * 30])
def test_a_reliable_response_without_a_number_is_none(rseq: str) -> None:
    _, lee, _ = invited()
    response = reliable(lee, 1)
    response.set("RSeq", rseq)
    lee.receive(response)
    assert lee.told == []
    assert "> PRACK" not in lee.pair.wire


def test_each_branch_of_a_fork_counts_and_answers_by_itself() -> None:
    _, lee, _ = invited()
    lee.receive(reliable(lee, 5, tag="b", body=ANSWER.to_bytes()))
    lee.receive(reliable(lee, 900, tag="c", body=ANSWER_2.to_bytes()))
    assert lee.descriptions == ("offer", "answer 2")
    assert [fact.description for fact in lee.facts] == [ANSWER, ANSWER_2]
    ok = response_to(sent(lee, "INVITE"), 200, to_tag="b", headers=[("Contact", "<sip:kim@192.0.2.2>")])
    lee.receive(ok)
    assert lee.descriptions == ("offer", "answer")
    assert lee.facts[-1].description == ANSWER


def test_a_late_2xx_of_a_branch_that_has_had_pracks_gets_a_bye_that_follows_them() -> None:
    _, lee, _ = invited()
    for rseq in (5, 6):
        lee.receive(reliable(lee, rseq, tag="b"))
    invite = sent(lee, "INVITE")
    for tag in ("c", "b"):
        headers = [("Contact", "<sip:kim@192.0.2.2>"), SDP]
        lee.receive(response_to(invite, 200, to_tag=tag, headers=headers, body=ANSWER.to_bytes()))
    bye, prack = sent(lee, "BYE"), sent(lee, "PRACK")
    assert bye.to.tag == prack.to.tag == "b"
    assert bye.cseq.number == prack.cseq.number + 1
    assert lee.told[-1] == "Accepted 200"


def test_a_branch_that_has_ended_is_acknowledged_and_not_told() -> None:
    """RFC 6228."""
    _, lee, _ = invited()
    gone = reliable(lee, 5)
    gone.status = 199
    lee.receive(gone)
    assert lee.told == []
    assert lee.pair.wire[-1] == "> PRACK"


# -- an offer in the PRACK (section 5) ---------------------------------------------------------------------------


def prack_with_offer(pair: Pair, lee: Side, kim: Side) -> None:
    pair.lose("> PRACK")
    kim.do("progress", 183, description=ANSWER)
    pair.settle()
    pair.heal()
    pair.forget()
    rseq = lee.last("183 INVITE").get("RSeq")
    rack = ("RAck", f"{rseq} {kim.session.request.cseq}")
    kim.receive(within(lee, "PRACK", rack, body=OFFER_2.to_bytes()))


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    pair, lee, kim = invited()
    prack_with_offer(pair, lee, kim)
    assert kim.facts == [Offered(kim.session, kim.last("PRACK"), OFFER_2)]
    kim.do("answer", ANSWER_2)
    kim.do("accept", ANSWER_2)
    pair.settle()
    assert description_name(lee.last("200 PRACK").body) == "answer 2"
    assert lee.last("200 INVITE").body == b""
    assert kim.descriptions == ("answer 2", "offer 2")


def test_a_refused_offer_in_a_prack_leaves_the_answer_before() -> None:
    pair, lee, kim = invited()
    prack_with_offer(pair, lee, kim)
    kim.do("refuse", 488)
    kim.do("accept", ANSWER_2)
    pair.settle()
    assert lee.last("488 PRACK")
    assert kim.descriptions == ("answer", "offer")
    assert lee.told[-1] == "Accepted 200"


def test_an_offer_in_a_prack_that_comes_when_all_is_over_is_refused() -> None:
    """Nobody would answer it, and the PRACK would be kept for ever."""
    pair, lee, kim = invited()
    pair.lose("> PRACK", "> ACK")
    kim.do("progress", 180)
    pair.settle()
    kim.do("accept", ANSWER)
    kim.do("hang_up")
    pair.settle()
    prack = next(message for message in lee.sent if message.has("RAck"))
    assert isinstance(prack, Request)
    kim.receive(Request("PRACK", prack.uri_text, [*prack.headers, SDP], OFFER_2.to_bytes()))
    pair.settle()
    assert pair.ladder()[-1] == "< 481 PRACK"
    assert kim.told == []
    pair.heal()
    pair.assert_nothing_remains(4 * TIMEOUT)
    assert kim.told == ["Ended local"]


def description_name(body: bytes) -> str:
    return next(line[2:] for line in body.decode().splitlines() if line.startswith("s="))


# -- changes in the early dialog (RFC 3311) -------------------------------------------------------------------------


def early() -> tuple[Pair, Side, Side]:
    """A call that rings, with the first answer given."""
    pair, lee, kim = invited()
    kim.do("progress", 183, description=ANSWER)
    pair.settle()
    pair.forget()
    return pair, lee, kim


@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_either_side_may_update_the_early_session(mover: str) -> None:
    pair, _, _ = early()
    one: Side = getattr(pair, mover)
    other = one.other
    assert one.session.can_update
    assert not one.session.can_change
    one.do("update", OFFER_2)
    assert not one.session.can_update
    pair.settle()
    other.do("answer", ANSWER_2)
    pair.settle()
    assert one.told == ["Answered"]
    pair.callee.do("accept", description("unsaid"))
    pair.settle()
    assert one.descriptions == ("offer 2", "answer 2")
    assert other.descriptions == ("answer 2", "offer 2")


def test_an_update_before_the_first_answer_gets_500_or_491() -> None:
    pair, lee, kim = invited()
    kim.do("progress", 180)
    pair.settle()
    kim.receive(within(lee, "UPDATE", ("Contact", "<sip:lee@192.0.2.1>"), body=OFFER_2.to_bytes()))
    lee.receive(
        within(kim, "UPDATE", ("Contact", "<sip:kim@192.0.2.2>"), body=OFFER_2.to_bytes(), branch="k")
    )
    pair.settle()
    assert int(lee.last("500 UPDATE").get("Retry-After")) <= 10
    assert kim.last("491 UPDATE")


def test_updates_that_cross_both_get_491_and_come_again() -> None:
    pair, lee, kim = early()
    lee.do("update", OFFER_2)
    kim.do("update", description("offer 3"))
    pair.settle()
    assert lee.last("491 UPDATE")
    assert kim.last("491 UPDATE")
    lee.on_fact = kim.on_fact = lambda fact: None
    for side in (lee, kim):
        side.on_fact = answering(side)
    pair.advance(10.0)
    assert sorted([*lee.told, *kim.told]) == ["Answered", "Answered", "Offered", "Offered"]


def answering(side: Side) -> Any:
    def react(fact: Any) -> None:
        if isinstance(fact, Offered):
            side.do("answer", ANSWER_2)

    return react


@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_an_update_that_is_open_at_the_answer_goes_on(mover: str) -> None:
    pair, lee, kim = early()
    one: Side = getattr(pair, mover)
    one.do("update", OFFER_2)
    pair.settle()
    kim.do("accept", ANSWER)
    pair.settle()
    one.other.do("answer", ANSWER_2)
    pair.settle()
    assert "Answered" in one.told
    assert one.descriptions == ("offer 2", "answer 2")
    assert (lee.session.state, kim.session.state) == (lee.session.state.ESTABLISHED,) * 2


@pytest.mark.parametrize("end", ["cancel", "reject"])
@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_an_update_that_is_open_at_the_end_gets_487(mover: str, end: str) -> None:
    pair, lee, kim = early()
    one: Side = getattr(pair, mover)
    one.do("update", OFFER_2)
    pair.settle()
    lee.do("cancel") if end == "cancel" else kim.do("reject", 486)
    pair.settle()
    assert any("487 UPDATE" in line for line in pair.ladder())
    pair.assert_nothing_remains(2 * TIMEOUT)


@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_an_update_without_answer_ends_the_call(mover: str) -> None:
    """Nobody knows then what the other side has made of it."""
    pair, lee, kim = early()
    one: Side = getattr(pair, mover)
    one.do("update", OFFER_2)
    pair.settle()
    pair.lose(f"{one.other.arrow} 200 UPDATE")
    pair.advance(TIMEOUT)
    one.other.do("answer", ANSWER_2)
    pair.advance(TIMEOUT)
    assert lee.told[-1] == ("Rejected 487" if mover == "caller" else "Rejected 480")
    assert kim.told[-1] == "Cancelled"
    pair.assert_nothing_remains(2 * TIMEOUT)


# -- the machines alone -------------------------------------------------------------------------------------------


def provisional(status: int = 183, body: bytes = b"") -> Response:
    return Response(status, headers=[("CSeq", "1 INVITE")], body=body)


def test_a_queue_of_responses_is_short() -> None:
    machine = ReliableResponses(Timers(), 1)
    assert machine.send(provisional(), 0.0) is not None
    for _ in range(2 * MOST_WAITING):
        assert machine.send(provisional(), 0.0) is None
    followed = 0
    while machine.acknowledge(0.0) is not None:
        followed += 1
    assert followed == MOST_WAITING


def test_the_times_of_a_response_without_prack() -> None:
    machine = ReliableResponses(Timers(), 1)
    machine.send(provisional(), 0.0)
    times = []
    while (deadline := machine.deadline) is not None and not machine.given_up(deadline):
        times.append(deadline)
        assert machine.tick(deadline) is not None
    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert machine.deadline == 32.0
    machine.stop()
    assert machine.deadline is None
    machine.expect(RAck(1, INVITE), INVITE)


def test_order() -> None:
    order = ReliableOrder()
    assert [order.admit(number) for number in (8, 8, 10, 9, 10)] == [True, False, False, True, True]


def test_only_reliable_responses_have_a_number() -> None:
    plain, final = provisional(), Response(200, headers=[("Require", "100rel"), ("RSeq", "1")])
    assert rseq_of(plain) is rseq_of(final) is None
    plain.add("Require", "100rel")
    with pytest.raises(PeerError):
        rseq_of(plain)
