"""Early dialogs that are answered: what the 2xx says holds from then on (RFC 3261 sections 12.1.2 and 13.2.2.4)."""

from __future__ import annotations

import pytest

from sipcore.dialog.dialog import Dialog
from sipcore.dialog.session_timer import TimerSettings
from sipcore.endpoint import EndpointSettings
from sipcore.errors import UsageError
from sipcore.syntax.message import HeaderList, Request, Response, response_to
from tests.unit.sipcore.dialog.support import SDP
from tests.unit.sipcore.pair import ANSWER, Pair, Side

AT = ("Contact", "<sip:kim@192.0.2.2>")
ROUTES = [("Record-Route", "<sip:far;lr>"), ("Record-Route", "<sip:near;lr>")]


def told(kim: Side, status: int, *headers: tuple[str, str], body: bytes = b"") -> Response:
    """A response to the INVITE from a phone behind the called side, always the same."""
    return response_to(kim.last("INVITE"), status, to_tag="phone", headers=headers, body=body)


def answered(lee: Side, kim: Side, *headers: tuple[str, str]) -> None:
    lee.receive(told(kim, 200, *headers, SDP, body=ANSWER.to_bytes()))


def calling() -> tuple[Pair, Side, Side]:
    pair = Pair()
    pair.caller.invite()
    pair.settle()
    return pair, pair.caller, pair.callee


def ways(lee: Side) -> list[tuple[str, str, list[str]]]:
    """Method, target and route of what was sent in the dialog."""
    requests = [message for message in lee.sent if isinstance(message, Request) and message.to.tag]
    return [(request.method, request.uri_text, request.get_all("Route")) for request in requests]


@pytest.mark.parametrize(
    ("early", "final", "target", "routes"),
    [
        ([AT], [AT], "sip:kim@192.0.2.2", []),
        ([AT], [("Contact", "<sip:kim@192.0.2.9>")], "sip:kim@192.0.2.9", []),
        ([AT], [("Contact", "<sip:kim@192.0.2.2:5070>")], "sip:kim@192.0.2.2:5070", []),
        ([AT], [AT, *ROUTES], "sip:kim@192.0.2.2", ["<sip:near;lr>", "<sip:far;lr>"]),
        ([AT], [AT, ROUTES[1]], "sip:kim@192.0.2.2", ["<sip:near;lr>"]),
        ([AT, ROUTES[1]], [AT], "sip:kim@192.0.2.2", []),
        ([AT, ROUTES[0]], [AT, ROUTES[1]], "sip:kim@192.0.2.2", ["<sip:near;lr>"]),
        ([AT, ("X", "1"), ("X", "2")], [AT, ("X", "1"), ("X", "2")], "sip:kim@192.0.2.2", []),
    ],
)
def test_the_2xx_says_where_the_call_is(
    early: HeaderList, final: HeaderList, target: str, routes: list[str]
) -> None:
    """However it was while it rang."""
    _, lee, kim = calling()
    lee.receive(told(kim, 180, *early))
    answered(lee, kim, *final)
    lee.do("hang_up")
    assert ways(lee) == [("ACK", target, routes), ("BYE", target, routes)]
    assert lee.told == ["Progressed 180", "Accepted 200"]


def test_a_2xx_that_names_two_targets_is_none() -> None:
    _, lee, kim = calling()
    lee.receive(told(kim, 180, AT))
    answered(lee, kim, AT, ("Contact", "<sip:kim@192.0.2.9>"))
    assert lee.told == ["Progressed 180", "Rejected 502"]


def test_the_2xx_holds_though_the_phone_has_moved_while_it_rang() -> None:
    """By an UPDATE (RFC 3311 section 5.1); and the numbers of both sides go on."""
    _, lee, kim = calling()
    lee.receive(told(kim, 180, AT))
    phone = Dialog.of_server(kim.last("INVITE"), "phone", kim.flow)
    update, bye = phone.request("UPDATE", [("Contact", "<sip:kim@192.0.2.9>")]), phone.request("BYE")
    for request in (update, bye):
        request.prepend("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{request.method};rport")
    lee.receive(update)
    lee.do("send_request", "INFO")
    answered(lee, kim, AT)
    lee.do("send_request", "INFO")
    info, ack, again = ways(lee)
    assert info == ("INFO", "sip:kim@192.0.2.9", [])
    assert ack == ("ACK", "sip:kim@192.0.2.2", [])
    assert again == ("INFO", "sip:kim@192.0.2.2", [])
    numbers = [message.cseq.number for message in lee.sent if isinstance(message, Request)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0], numbers[0] + 2]
    lee.receive(update)
    assert lee.told == ["Progressed 180", "Accepted 200"], "the UPDATE is not taken twice"
    lee.receive(bye)
    assert lee.told[-1] == "Ended bye"


def test_who_has_rung_before_a_challenge_is_heard_after_it() -> None:
    """Though nothing rings the second time: its tag may be the same for all that comes in one call."""
    pair, lee, kim = calling()
    lee.receive(told(kim, 180, AT))
    lee.receive(told(kim, 401, ("WWW-Authenticate", 'Digest realm="example.com", nonce="1"')))
    lee.do("authorize", "Authorization", "Digest one")
    pair.settle()
    answered(lee, kim, AT)
    bye = Dialog.of_server(kim.last("INVITE"), "phone", kim.flow).request("BYE")
    bye.prepend("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKbye;rport")
    lee.receive(bye)
    assert lee.told == ["Progressed 180", "Rejected 401", "Accepted 200", "Ended bye"]


def test_what_the_phone_takes_may_be_said_while_it_rings_alone() -> None:
    """Section 20.5; so its session is refreshed by UPDATE (RFC 4028 section 7.4)."""
    pair = Pair(settings=EndpointSettings(session_timers=TimerSettings(100)))
    pair.caller.invite()
    pair.settle()
    lee, kim = pair.caller, pair.callee
    lee.receive(told(kim, 180, AT, ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")))
    answered(lee, kim, AT, ("Session-Expires", "100;refresher=uac"))
    pair.advance(51)
    assert [method for method, _, _ in ways(lee)][:2] == ["ACK", "UPDATE"]


def test_two_branches_have_an_exchange_each_though_the_first_was_not_understood() -> None:
    _, lee, kim = calling()
    invite = kim.last("INVITE")
    for tag, headers in (("first", [AT, ("Require", "100rel"), ("RSeq", "x")]), ("second", [AT])):
        lee.receive(response_to(invite, 180, to_tag=tag, headers=headers))
    assert lee.told == ["Progressed 180"]
    one, other = (lee.session._early[tag] for tag in ("first", "second"))
    assert one.offers is not other.offers
    assert lee.session.offers is other.offers


def test_credentials_with_a_line_break_answer_no_challenge() -> None:
    pair, lee, kim = calling()
    kim.do("reject", 401)
    pair.settle()
    pair.forget()
    with pytest.raises(UsageError, match="line break"):
        lee.do("authorize", "Authorization", "x\r\nX: y")
    assert (pair.ladder(), lee.session.request.cseq) == ([], kim.last("INVITE").cseq)
    lee.do("authorize", "Authorization", "x")
    pair.settle()
    assert kim.last("INVITE").get("Authorization") == "x"
