"""The subscriber's side (RFC 6665 section 4.1): what a phone does for its lamps."""

from __future__ import annotations

from typing import Any

import pytest

from sipcore.effects import Effect, Notified, Transmit, WatchEnded
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.events.watch import Watch
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from tests.unit.sipcore.lone import UDP, endpoint_of
from tests.unit.sipcore.pair import TIMEOUT, assert_empty


class Lamp:
    """An endpoint with one subscription, and what it told and sent."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.endpoint: Endpoint = endpoint_of(EndpointSettings(methods=(*METHODS, "NOTIFY")))
        subscribe = Request(
            "SUBSCRIBE",
            "sip:101@192.0.2.100",
            [
                ("Max-Forwards", "70"),
                ("From", "<sip:100@192.0.2.100>;tag=ours"),
                ("To", "<sip:101@192.0.2.100>"),
                ("Call-ID", "lamp"),
                ("CSeq", "1 SUBSCRIBE"),
                ("Contact", "<sip:100@192.0.2.1>"),
                ("Event", "dialog"),
                ("Expires", "100"),
            ],
        )
        self.watch = Watch(self.endpoint, subscribe, UDP, lambda request, response: credentials, self)
        self.told: list[Any] = []
        self.now = 0.0
        self.cseq = 0
        (self.first,) = self.perform(self.watch.start(0.0))

    def perform(self, effects: list[Effect]) -> list[Request | Response]:
        self.told += [effect for effect in effects if not isinstance(effect, Transmit)]
        return [parse_message(effect.data) for effect in effects if isinstance(effect, Transmit)]

    def receive(self, message: Request | Response) -> list[Request | Response]:
        return self.perform(self.endpoint.receive(message, UDP, self.now))

    def answer(
        self, request: Request | Response, status: int = 200, *headers: tuple[str, str], tag: str = "theirs"
    ) -> list[Request | Response]:
        assert isinstance(request, Request)
        more = [("Contact", "<sip:192.0.2.100>"), ("Expires", "100"), *headers]
        return self.receive(response_to(request, status, to_tag=tag, headers=more))

    def notify(self, state: str = "active", tag: str = "theirs", method: str = "NOTIFY") -> Response:
        """A NOTIFY of the server; what it is answered with."""
        self.cseq += 1
        headers = [
            ("Via", f"SIP/2.0/UDP 192.0.2.100;branch=z9hG4bKn{self.cseq}"),
            ("From", f"<sip:101@192.0.2.100>;tag={tag}"),
            ("To", "<sip:100@192.0.2.100>;tag=ours"),
            ("Call-ID", "lamp"),
            ("CSeq", f"{self.cseq} {method}"),
            ("Contact", "<sip:192.0.2.100>"),
            ("Event", "dialog"),
            ("Subscription-State", state),
        ]
        (response,) = self.receive(Request(method, "sip:100@192.0.2.1", headers))
        assert isinstance(response, Response)
        return response

    def assert_over(self, status: int, reason: str) -> None:
        assert [(each.status, each.reason) for each in self.told if isinstance(each, WatchEnded)] == [
            (status, reason)
        ]
        self.perform(self.endpoint.tick(self.now + TIMEOUT))
        self.perform(self.endpoint.tick(self.now + 2 * TIMEOUT))
        assert_empty(self.endpoint)


@pytest.mark.parametrize("early", [True, False])
def test_a_notify_may_come_before_the_answer(early: bool) -> None:
    lamp = Lamp()
    if early:
        assert lamp.notify().status == 200
        lamp.answer(lamp.first)
    else:
        lamp.answer(lamp.first)
        assert lamp.notify().status == 200
    assert [type(each) for each in lamp.told] == [Notified]
    lamp.now = 80.0
    (refresh,) = lamp.perform(lamp.endpoint.tick(80.0))
    assert isinstance(refresh, Request)
    assert (refresh.method, refresh.to.tag, refresh.cseq.number) == ("SUBSCRIBE", "theirs", 2)
    assert lamp.notify("terminated;reason=deactivated").status == 200
    lamp.assert_over(200, "deactivated")


def test_a_notify_of_another_branch_is_not_heard() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    assert lamp.notify(tag="another").status == 481
    assert lamp.told == []


def test_nothing_but_notify_is_heard() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    assert lamp.notify(method="OPTIONS").status == 481


def test_it_is_given_up_by_subscribing_for_no_time() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    (last,) = lamp.perform(lamp.watch.hang_up(1.0))
    assert isinstance(last, Request)
    assert last.expires == 0
    assert lamp.perform(lamp.watch.hang_up(1.0)) == []
    lamp.answer(last)
    lamp.notify("terminated;reason=timeout")
    lamp.assert_over(200, "timeout")


def test_a_last_notify_that_never_comes_is_not_waited_for_for_ever() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    (last,) = lamp.perform(lamp.watch.hang_up(0.0))
    lamp.answer(last)
    lamp.now = TIMEOUT
    lamp.perform(lamp.endpoint.tick(TIMEOUT))
    lamp.assert_over(408, "")


@pytest.mark.parametrize("status", [403, 404, 489, 503])
def test_a_refusal_is_the_end(status: int) -> None:
    lamp = Lamp()
    lamp.answer(lamp.first, status)
    lamp.assert_over(status, "")


def test_a_challenge_is_answered_once() -> None:
    lamp = Lamp(("Authorization", "Digest ..."))
    (again,) = lamp.answer(lamp.first, 401)
    assert isinstance(again, Request)
    assert (again.get("Authorization"), again.cseq.number) == ("Digest ...", 2)
    assert lamp.answer(again, 401) == []
    lamp.assert_over(401, "")


def test_a_refresh_that_the_server_does_not_know_is_the_end() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    lamp.now = 80.0
    (refresh,) = lamp.perform(lamp.endpoint.tick(80.0))
    lamp.answer(refresh, 481)
    lamp.assert_over(481, "")


def test_a_way_that_is_gone_is_the_end() -> None:
    lamp = Lamp()
    lamp.answer(lamp.first)
    lamp.perform(lamp.endpoint.flow_closed(UDP, 1.0))
    lamp.assert_over(503, "")
