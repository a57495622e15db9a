"""REFER and Replaces as messages, and what a transferor is told."""

from __future__ import annotations

import pytest

from sipcore.dialog.transfer import (
    Referral,
    ReferSubscription,
    Replaces,
    read_refer,
    refer_to,
    replaces_of,
    status_in,
)
from sipcore.effects import RequestInDialog
from sipcore.endpoint import METHODS, EndpointSettings
from sipcore.errors import PeerError
from sipcore.syntax.message import Request, response_to
from sipcore.syntax.uri import Uri
from tests.unit.sipcore.pair import TIMEOUT, Pair, assert_empty

TARGET = Uri.parse("sip:102@10.0.0.1")
NAMED = Replaces("12345@10.0.1.1", "us", "them")


def refer(*headers: tuple[str, str]) -> Request:
    """A REFER with these header fields."""
    return Request("REFER", TARGET, [("CSeq", "7 REFER"), *headers])


# -- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["<sip:102@10.0.0.1>", "sip:102@10.0.0.1", '"Taylor" <sip:102@10.0.0.1;method=INVITE>;x=1'],
)
def test_the_target_of_a_refer(written: str) -> None:
    assert read_refer(refer(("Refer-To", written))) == Referral(TARGET, None, notify=True, event_id=7)


@pytest.mark.parametrize(
    "written",
    [
        "<sip:102@10.0.0.1?Replaces=12345%4010.0.1.1%3Bto-tag%3Dus%3Bfrom-tag%3Dthem>",
        "sip:102@10.0.0.1?Replaces=12345%4010.0.1.1%3Bto-tag%3Dus%3Bfrom-tag%3Dthem",
        " sip:102@10.0.0.1?Replaces=12345%4010.0.1.1;to-tag=us;from-tag=them",
    ],
)
def test_a_dialog_in_a_refer_is_escaped(written: str) -> None:
    """And in angle brackets, but many phones forget them."""
    referral = read_refer(refer(("Refer-To", written)))
    assert (referral.target, referral.replaces) == (TARGET, NAMED)


def test_a_dialog_is_written_into_a_refer() -> None:
    assert read_refer(refer(("Refer-To", refer_to(TARGET, NAMED)))).replaces == NAMED


def test_other_headers_in_a_refer_to_go_nowhere() -> None:
    """They would be put into a request of ours."""
    written = "<sip:102@10.0.0.1?Route=%3Csip:evil%3E&From=x%0d%0aEvil:+1&Authorization=Digest&body=v%3D0>"
    assert read_refer(refer(("Refer-To", written))) == read_refer(refer(("Refer-To", "<sip:102@10.0.0.1>")))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], True),
        ([("Refer-Sub", "true")], True),
        ([("Refer-Sub", "false")], False),
        ([("Refer-Sub", " False;x=1")], False),
        ([("Require", "norefersub")], False),
    ],
)
def test_whether_the_transferor_wants_to_be_told(headers: list[tuple[str, str]], told: bool) -> None:
    assert read_refer(refer(("Refer-To", "<sip:102@a>"), *headers)).notify is told


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        (["<sip:102@a>", "<sip:103@a>"], 400),
        (["<sip:102@a>, <sip:103@a>"], 400),
        (["nonsense"], 400),
        (["sip:102@a?Replaces=1"], 400),
        (["<sip:102@a?Replaces=1>"], 400),
        (["<sip:102@a?Replaces>"], 400),
        (["<sip:102@a?Replaces=%3Bto-tag%3D2%3Bfrom-tag%3D3>"], 400),
        (["<sip:102@a?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3&replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>"], 400),
        (["<sip:102@a;method=BYE>"], 403),
    ],
)
def test_a_refer_that_makes_no_sense(headers: list[str], status: int) -> None:
    with pytest.raises(PeerError) as caught:
        read_refer(refer(*(("Refer-To", value) for value in headers)))
    assert caught.value.status == status


def test_replaces_is_read_and_written() -> None:
    text = "12345@10.0.1.1;to-tag=us;from-tag=them;early-only"
    assert str(Replaces.parse(text)) == text
    assert Replaces.parse(text).early_only
    assert Replaces.parse("12345@10.0.1.1 ; from-tag=them ; to-tag=us;x") == NAMED
    assert Replaces.parse_target_dialog("12345@10.0.1.1;local-tag=them;remote-tag=us") == NAMED


def test_an_invite_replaces_one_dialog_at_most() -> None:
    assert replaces_of(Request("INVITE", TARGET)) is None
    assert replaces_of(Request("INVITE", TARGET, [("Replaces", str(NAMED))])) == NAMED
    for twice in ([("Replaces", str(NAMED))] * 2, [("Replaces", f"{NAMED}, {NAMED}")]):
        with pytest.raises(PeerError):
            replaces_of(Request("INVITE", TARGET, twice))


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("message/sipfrag;version=2.0", b"SIP/2.0 180 Ringing\r\n", 180),
        ("message/sipfrag", b"SIP/2.0 603 Decline", 603),
        ("message/sipfrag", b"SIP/2.0 20 OK", None),
        ("message/sipfrag", b"SIP/2.0 abc OK", None),
        ("message/sipfrag", b"INVITE sip:a SIP/2.0", None),
        ("message/sipfrag", b"", None),
        ("text/plain", b"SIP/2.0 180 Ringing", None),
    ],
)
def test_the_status_in_a_notify(kind: str, body: bytes, status: int | None) -> None:
    assert status_in(Request("NOTIFY", TARGET, [("Content-Type", kind)], body)) == status


# -- telling -------------------------------------------------------------------------------------------


class Told:
    """Lee has been told of her REFER, by Kim: what the NOTIFYs said, as long as she answers them with `answer`."""

    def __init__(self, answer: int | None = 200) -> None:
        self.pair = Pair(settings=EndpointSettings(methods=(*METHODS, "NOTIFY")))
        self.lee, self.kim = self.pair.established()
        session = self.kim.session
        self.subscription = ReferSubscription(
            self.kim.endpoint, session.dialog, self.kim.flow, 7, self.pair.now
        )
        self.lee.on_fact = lambda fact: self.answer(fact, answer)

    def answer(self, fact: object, status: int | None) -> None:
        if isinstance(fact, RequestInDialog) and status is not None:
            response = response_to(fact.request, status)
            self.lee.perform(self.lee.endpoint.respond(fact.transaction, response, self.pair.now))

    def do(self, verb: str, *arguments: int) -> None:
        self.kim.perform(getattr(self.subscription, verb)(*arguments, self.pair.now))

    @property
    def notifies(self) -> list[Request]:
        return [
            message
            for message in self.lee.received
            if isinstance(message, Request) and message.method == "NOTIFY"
        ]

    @property
    def statuses(self) -> list[int | None]:
        return [status_in(notify) for notify in self.notifies]


def test_the_transferor_is_told_from_trying_to_the_end() -> None:
    told = Told()
    told.do("start")
    told.pair.advance(10)
    for status in (180, 180, 200, 486):
        told.do("report", status)
        told.pair.settle()
    assert told.statuses == [100, 180, 200]
    assert [notify.get("Subscription-State") for notify in told.notifies] == [
        "active;expires=3600",
        "active;expires=3590",
        "terminated;reason=noresource",
    ]
    assert {notify.get("Event") for notify in told.notifies} == {"refer;id=7"}
    assert told.notifies[0].contacts[0].uri.host == "192.0.2.2"
    assert told.subscription.ended


def test_nothing_is_told_before_the_refer_is_accepted() -> None:
    told = Told()
    told.do("report", 180)
    told.do("report", 200)
    told.do("report", 180)
    assert told.notifies == []
    told.do("start")
    told.pair.settle()
    assert told.statuses == [200]


def test_no_notify_overtakes_another() -> None:
    """The first one is lost, and comes again after T1; of what has happened meanwhile the last is told."""
    told = Told()
    told.pair.lose("< NOTIFY")
    told.do("start")
    told.pair.settle()
    told.pair.heal()
    for status in (180, 183, 200):
        told.do("report", status)
    told.pair.settle()
    assert told.statuses == []
    told.pair.advance(1)
    assert told.statuses == [100, 200]


@pytest.mark.parametrize("answer", [481, 500, None])
def test_a_transferor_who_does_not_listen_keeps_the_call(answer: int | None) -> None:
    """RFC 5057 section 5.2: the subscription alone is over, though the NOTIFY met a 481 or a time-out."""
    told = Told(answer)
    told.do("start")
    told.pair.advance(40)
    told.do("report", 200)
    told.pair.advance(40)
    assert set(told.statuses) == {100}
    assert told.pair.ladder()[-1] != "< BYE"
    told.kim.do("hang_up")
    told.pair.advance(TIMEOUT)
    assert_empty(told.kim.endpoint)


def test_the_end_is_told_before_a_bye_whatever_is_on_its_way() -> None:
    told = Told(None)
    told.do("start")
    told.do("finish", 487)
    told.kim.do("hang_up")
    told.pair.settle()
    assert told.statuses == [100, 487]
    told.do("finish", 200)
    assert told.statuses == [100, 487]


def test_a_final_status_that_waits_is_told_before_a_bye() -> None:
    """As after a transfer to a feature that is over at once: the phone is not left with a 100."""
    told = Told(None)
    told.do("start")
    told.do("report", 200)
    told.do("finish", 200)
    told.kim.do("hang_up")
    told.pair.settle()
    assert told.statuses == [100, 200]


def test_nothing_is_told_after_the_end_of_the_dialog() -> None:
    told = Told()
    told.do("start")
    told.do("report", 200)
    told.subscription.close()
    told.pair.settle()
    told.do("report", 486)
    told.pair.advance(1)
    assert told.statuses == [100]
    assert told.subscription.flow_closed(told.pair.now) == []
