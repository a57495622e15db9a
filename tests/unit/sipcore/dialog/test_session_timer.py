"""Session timers between two endpoints: who asks, who refreshes, and what happens when nobody does (RFC 4028)."""

from __future__ import annotations

from typing import Any

import pytest

from sipcore.dialog.session_timer import Refresher, SessionExpires, SessionTimer, TimerSettings, min_se_of
from sipcore.effects import Offered
from sipcore.endpoint import EndpointSettings
from sipcore.errors import PeerError
from sipcore.syntax.message import Request, Response, response_to
from tests.unit.sipcore.dialog.support import SDP, sent, within
from tests.unit.sipcore.lone import answers, endpoint_of, request
from tests.unit.sipcore.pair import ANSWER, ANSWER_2, OFFER, OFFER_2, TIMEOUT, Pair, Side


def pair_of(caller: TimerSettings, callee: TimerSettings) -> Pair:
    pair = Pair()
    pair.caller.endpoint.settings = EndpointSettings(session_timers=caller)
    pair.callee.endpoint.settings = EndpointSettings(session_timers=callee)
    return pair


def timed(seconds: int = 1800, **more: Any) -> tuple[Pair, Side, Side]:
    """A call in which Kim, who calls, proposes so many seconds, and Lee refreshes."""
    pair = pair_of(TimerSettings(), TimerSettings(seconds, **more))
    lee, kim = pair.caller, pair.callee
    kim.invite(OFFER)
    pair.settle()
    lee.do("accept", ANSWER)
    pair.settle()
    pair.forget()
    return pair, lee, kim


def agreed(side: Side) -> tuple[int, bool]:
    return side.session.timer.interval, side.session.timer.refreshes


# -- agreeing ------------------------------------------------------------------------------------------


def test_the_caller_proposes_and_the_called_side_grants() -> None:
    _, lee, kim = timed()
    assert lee.last("INVITE").get("Session-Expires") == "1800"
    assert "timer" in lee.last("INVITE").supported
    assert kim.last("200 INVITE").get("Session-Expires") == "1800;refresher=uas"
    assert agreed(lee) == (1800, True)
    assert agreed(kim) == (1800, False)


def test_the_called_side_proposes_where_the_caller_knows_timers() -> None:
    pair = pair_of(TimerSettings(), TimerSettings(600))
    lee, kim = pair.established()
    assert agreed(lee) == (600, False)
    assert agreed(kim) == (600, True)


def test_the_called_side_shortens_what_the_caller_proposes() -> None:
    pair = pair_of(TimerSettings(1800), TimerSettings(600))
    lee, kim = pair.established()
    assert agreed(lee)[0] == agreed(kim)[0] == 600


def test_nobody_proposes() -> None:
    pair = pair_of(TimerSettings(), TimerSettings())
    lee, kim = pair.established()
    assert agreed(lee) == agreed(kim) == (0, False)
    pair.advance(7200)
    assert lee.told == kim.told == []


def test_an_interval_that_is_too_small_is_raised_and_tried_again() -> None:
    pair = pair_of(TimerSettings(120), TimerSettings(0, min_se=300))
    lee = pair.caller
    lee.invite(OFFER)
    pair.settle()
    assert pair.ladder() == [
        *("> INVITE", "< 100 INVITE", "< 422 INVITE", "> ACK"),
        *("> INVITE", "< 100 INVITE"),
    ]
    again = pair.callee.last("INVITE")
    assert (again.get("Session-Expires"), again.get("Min-SE")) == ("300", "300")
    assert again.supported.count("timer") == 1
    pair.callee.do("accept", ANSWER)
    pair.settle()
    assert lee.told == ["Accepted 200"]
    assert agreed(lee) == (300, False)


@pytest.mark.parametrize("least", ["120", "60", "x", "", str(10**9)])
def test_a_422_that_does_not_help_is_a_refusal(least: str) -> None:
    pair = pair_of(TimerSettings(120), TimerSettings())
    lee = pair.caller
    lee.invite(OFFER)
    invite = sent(lee, "INVITE")
    lee.receive(response_to(invite, 422, to_tag="b", headers=[("Min-SE", least)] if least else []))
    assert [
        message for message in lee.sent if isinstance(message, Request) and message.method == "INVITE"
    ] == [invite]


@pytest.mark.parametrize("method", ["UPDATE", "BYE", "PRACK", "INFO"])
def test_a_branch_that_is_over_with_its_422_is_not_listened_to(method: str) -> None:
    pair = pair_of(TimerSettings(120), TimerSettings())
    lee = pair.caller
    lee.invite(OFFER)
    invite = sent(lee, "INVITE")
    lee.receive(response_to(invite, 183, to_tag="b", headers=[("Contact", "<sip:kim@192.0.2.2>")]))
    branch = lee.session.dialog
    lee.receive(response_to(invite, 422, to_tag="b", headers=[("Min-SE", "300")]))
    late = request(
        method,
        ("From", str(branch.remote)),
        ("To", str(branch.local)),
        ("Call-ID", branch.call_id),
        ("CSeq", f"1 {method}"),
    )
    pair.ladder()
    lee.receive(late)
    assert pair.ladder() == [f"> 481 {method}"]
    lee.receive(response_to(sent(lee, "INVITE"), 486, to_tag="c"))
    pair.discard()
    pair.assert_nothing_remains()


def test_a_peer_that_always_wants_more_is_left_after_two_times() -> None:
    pair = pair_of(TimerSettings(120), TimerSettings())
    lee = pair.caller
    lee.invite(OFFER)
    for least in (200, 300, 400):
        lee.receive(response_to(sent(lee, "INVITE"), 422, to_tag="b", headers=[("Min-SE", str(least))]))
    assert lee.told == ["Rejected 422"]
    pair.discard()
    pair.assert_nothing_remains(2 * TIMEOUT)


def test_a_request_that_wants_too_little_is_refused_at_once() -> None:
    wants = request("INVITE", ("Session-Expires", "30"), ("Supported", "timer"), SDP, body=OFFER.to_bytes())
    endpoint = endpoint_of()
    refusal = answers(endpoint, wants)[-1]
    assert (refusal.status, refusal.get("Min-SE")) == (422, "90")


@pytest.mark.parametrize("value", ["", "x", "-1", "1;refresher=both", "1" * 20, ";refresher=uac"])
def test_a_session_expires_that_is_none_gets_400(value: str) -> None:
    assert answers(endpoint_of(), request("INVITE", ("Session-Expires", value)))[-1].status == 400


@pytest.mark.parametrize("value", ["", "x", "1;refresher=both"])
def test_an_answer_that_cannot_be_read_agrees_on_no_timer(value: str) -> None:
    pair = pair_of(TimerSettings(1800), TimerSettings())
    lee = pair.caller
    lee.invite(OFFER)
    headers = [("Contact", "<sip:kim@192.0.2.2>"), ("Session-Expires", value), SDP]
    lee.receive(response_to(sent(lee, "INVITE"), 200, to_tag="b", headers=headers, body=ANSWER.to_bytes()))
    assert lee.told == ["Accepted 200"]
    assert agreed(lee) == (0, False)


# -- refreshing -----------------------------------------------------------------------------------------


def test_a_session_is_refreshed_by_update_at_half_its_time() -> None:
    pair, lee, kim = timed()
    pair.advance(899)
    assert pair.ladder() == []
    pair.advance(2)
    assert pair.ladder() == ["> UPDATE", "< 200 UPDATE"]
    update = kim.last("UPDATE")
    assert (update.get("Session-Expires"), update.body) == ("1800;refresher=uac", b"")
    pair.advance(20 * 900)
    assert pair.ladder() == ["> UPDATE", "< 200 UPDATE"] * 20
    assert lee.told == kim.told == []


def test_a_peer_without_update_is_sent_what_we_said_last() -> None:
    pair, lee, kim = timed()
    lee.session._peer_allows = frozenset({"INVITE", "BYE"})
    kim.on_fact = answering(kim)
    pair.advance(901)
    assert pair.ladder() == ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]
    assert kim.last("INVITE").body == ANSWER.to_bytes()
    assert lee.told == []
    assert agreed(lee) == (1800, True)


def answering(side: Side) -> Any:
    def react(fact: Any) -> None:
        if isinstance(fact, Offered):
            side.do("answer", OFFER)

    return react


@pytest.mark.parametrize("status", [405, 501, 500])
def test_an_update_that_is_refused_is_followed_by_a_re_invite(status: int) -> None:
    pair, lee, kim = timed()
    pair.lose("> UPDATE")
    pair.advance(901)
    pair.heal()
    lee.receive(response_to(sent(lee, "UPDATE"), status))
    kim.on_fact = answering(kim)
    pair.advance(1)
    assert "< 200 INVITE" in pair.ladder()
    assert lee.told == []


def test_a_refresh_that_wants_too_little_asks_for_more() -> None:
    pair, lee, kim = timed(100)
    pair.callee.endpoint.settings = EndpointSettings(session_timers=TimerSettings(0, min_se=400))
    kim.session.timer._settings = TimerSettings(0, min_se=400)
    pair.advance(52)
    assert pair.ladder() == ["> UPDATE", "< 422 UPDATE", "> UPDATE", "< 200 UPDATE"]
    assert agreed(lee) == (400, True)
    assert agreed(kim) == (400, False)


@pytest.mark.parametrize("verb", ["update", "modify"])
@pytest.mark.parametrize("mover", ["caller", "callee"])
def test_a_change_refreshes_too_and_leaves_the_refresher_as_it_was(mover: str, verb: str) -> None:
    pair, lee, kim = timed()
    one: Side = getattr(pair, mover)
    pair.advance(800)
    one.do(verb, OFFER_2)
    pair.settle()
    one.other.do("answer", ANSWER_2)
    pair.settle()
    assert agreed(lee) == (1800, True)
    assert agreed(kim) == (1800, False)
    pair.forget()
    pair.advance(890)
    assert pair.ladder() == []
    pair.advance(20)
    assert pair.ladder() == ["> UPDATE", "< 200 UPDATE"]


# -- the end ---------------------------------------------------------------------------------------------


def test_a_phone_that_vanishes_is_found_by_our_refresh() -> None:
    pair, lee, kim = timed()
    pair.lose()
    pair.advance(900 + TIMEOUT)
    assert lee.told == ["Ended timeout"]
    pair.advance(1800)
    assert kim.told == ["Ended timeout"]
    pair.assert_nothing_remains(4 * TIMEOUT)


def test_who_waits_for_a_refresh_hangs_up_half_a_minute_before_the_end() -> None:
    pair, lee, kim = timed()
    pair.lose("> UPDATE", "> BYE")
    pair.advance(1800 - 33)
    assert kim.told == []
    pair.advance(2)
    assert kim.told == ["Ended timeout"]
    assert pair.ladder()[-1] in ("< BYE", "> 200 BYE", "< 481 BYE", "> 481 BYE")
    del lee


@pytest.mark.parametrize("waiting", [True, False])
def test_a_session_that_ends_has_no_timer(waiting: bool) -> None:
    pair, lee, kim = timed()
    pair.advance(100)
    (kim if waiting else lee).do("hang_up")
    pair.assert_nothing_remains()


# -- the machine alone -------------------------------------------------------------------------------------


def invite(*headers: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:a@b", headers)


TIMER = ("Supported", "timer")


@pytest.mark.parametrize(
    ("headers", "granted", "refreshes"),
    [
        ([], None, False),
        ([TIMER], "1800;refresher=uas", True),
        ([TIMER, ("Session-Expires", "600")], "600;refresher=uas", True),
        ([TIMER, ("Session-Expires", "600;refresher=uac")], "600;refresher=uac", False),
        ([TIMER, ("Session-Expires", "600;refresher=uas")], "600;refresher=uas", True),
        ([TIMER, ("Session-Expires", "600"), ("Min-SE", "900")], "900;refresher=uas", True),
        ([("Session-Expires", "600")], "600;refresher=uas", True),
        ([("Session-Expires", "3600")], "1800;refresher=uas", True),
        ([("Session-Expires", "30")], None, False),
    ],
)
def test_table_2(headers: list[tuple[str, str]], granted: str | None, refreshes: bool) -> None:
    """RFC 4028 section 9."""
    timer = SessionTimer(TimerSettings(1800))
    said = dict(timer.grant(invite(*headers), 0.0))
    assert said.get("Session-Expires") == granted
    assert timer.refreshes is refreshes
    assert ("Require" in said) is (granted is not None and granted.endswith("uac"))


@pytest.mark.parametrize(("seconds", "expires_at"), [(90, 60.0), (1800, 1768.0)])
def test_the_margin_before_the_end(seconds: int, expires_at: float) -> None:
    """RFC 4028 section 10."""
    timer = SessionTimer(TimerSettings(seconds))
    timer.grant(invite(TIMER, ("Session-Expires", f"{seconds};refresher=uac")), 0.0)
    assert timer.deadline == expires_at
    assert not timer.expired(expires_at - 1)
    assert timer.expired(expires_at)


def test_a_tiny_interval_does_not_keep_us_busy() -> None:
    timer = SessionTimer(TimerSettings(1800))
    timer.granted(Response(200, headers=[("Session-Expires", "1;refresher=uac")]), 0.0)
    assert timer.deadline == 45.0


def test_a_refresh_is_postponed_to_the_end_at_most() -> None:
    timer = SessionTimer(TimerSettings(90))
    timer.granted(Response(200, headers=[("Session-Expires", "90;refresher=uac")]), 0.0)
    timer.postpone(58.0, 5.0)
    assert timer.deadline == 60.0


def test_values() -> None:
    assert str(SessionExpires(60)) == "60"
    assert SessionExpires.of(invite(("Session-Expires", "60 ; Refresher = UAS"))) == SessionExpires(
        60, Refresher.UAS
    )
    assert min_se_of(invite()) == 0
    assert min_se_of(invite(("Min-SE", "90;x=y"))) == 90
    with pytest.raises(PeerError):
        min_se_of(invite(("Min-SE", "soon")))


def test_a_change_within_a_call_may_not_want_too_little_either() -> None:
    pair, lee, kim = timed()
    short = within(lee, "UPDATE", ("Session-Expires", "20"), TIMER, ("Contact", "<sip:lee@192.0.2.1>"))
    kim.receive(short)
    pair.settle()
    assert lee.last("422 UPDATE").get("Min-SE") == "90"
    assert agreed(kim) == (1800, False)


def test_a_peer_that_refreshes_goes_on_where_it_leaves_that_open() -> None:
    timer = SessionTimer(TimerSettings(1800))
    timer.grant(invite(TIMER, ("Session-Expires", "600;refresher=uac")), 0.0)
    said = dict(timer.grant(invite(TIMER, ("Session-Expires", "600")), 300.0))
    assert (said["Session-Expires"], said["Require"]) == ("600;refresher=uac", "timer")
