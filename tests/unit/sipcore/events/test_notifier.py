"""The notifier's side of subscriptions (RFC 6665 section 4.2): accepted, told, refreshed, ended."""

from __future__ import annotations

from typing import Any

import pytest

from sipcore.effects import Arrived, Effect, Transmit
from sipcore.endpoint import METHODS, Endpoint, EndpointSettings
from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from sipcore.events.notifier import Notifier, NotifierSettings
from sipcore.events.subscription import RETRY_SECONDS, Lifetimes, Reason
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow
from tests.unit.sipcore.lone import TCP, UDP, endpoint_of, request
from tests.unit.sipcore.pair import TIMEOUT, assert_empty


class Weather:
    """A package: the weather of towns, told by temperature."""

    event = "weather"
    content_type = "text/weather"

    def __init__(self) -> None:
        self.towns = {"rome": 20, "oslo": 5}
        self.printed = 0

    def resource(self, request: Request, identity: str) -> str:
        town = request.uri.user or ""
        if town not in self.towns:
            raise PeerError("no such town", status=404)
        return town

    def state(self, resource: str) -> int:
        return self.towns[resource]

    def print(self, resource: str, host: str, state: int, before: Any | None) -> Printed:
        self.printed += 1
        change = (
            None if before is None else Document("text/weather", f"from {before} to {state} v".encode(), b"")
        )
        return Printed(Document("text/weather", f"{resource}@{host} {state} v".encode(), b""), change)


class Station:
    """An endpoint with a notifier, and a subscriber that answers as it is told to."""

    def __init__(self, **settings: Any) -> None:
        methods = (*METHODS, "SUBSCRIBE")
        self.endpoint: Endpoint = endpoint_of(EndpointSettings(methods=methods))
        self.weather = Weather()
        lifetimes = settings.pop("lifetimes", Lifetimes(spread=0.0))
        self.notifier = Notifier(self.endpoint, NotifierSettings(lifetimes, **settings), [self.weather])
        self.now = 0.0
        self.branch = 0

    def subscribe(
        self,
        *more: tuple[str, str],
        town: str = "rome",
        call: str = "a",
        to_tag: str = "",
        cseq: int = 1,
        flow: Flow = UDP,
    ) -> list[Request | Response]:
        """A SUBSCRIBE, and what is sent for it."""
        self.branch += 1
        headers = {
            "Event": "weather",
            "Expires": "600",
            "Call-ID": call,
            "CSeq": f"{cseq} SUBSCRIBE",
            **dict(more),
        }
        message = request(
            "SUBSCRIBE", *headers.items(), uri=f"sip:{town}@192.0.2.1", branch=str(self.branch), to_tag=to_tag
        )
        return self.perform(self.endpoint.receive(message, flow, self.now))

    def perform(self, effects: list[Effect]) -> list[Request | Response]:
        sent: list[Request | Response] = []
        for effect in effects:
            if isinstance(effect, Arrived):
                sent += self.perform(self.notifier.subscribe(effect, self.now))
            elif isinstance(effect, Transmit):
                sent.append(parse_message(effect.data))
        return sent

    def answer(
        self, notify: Request | Response, status: int = 200, *headers: tuple[str, str]
    ) -> list[Request | Response]:
        assert isinstance(notify, Request)
        return self.perform(
            self.endpoint.receive(response_to(notify, status, headers=headers), UDP, self.now)
        )

    def change(self, temperature: int, town: str = "rome") -> list[Request | Response]:
        self.weather.towns[town] = temperature
        return self.perform(self.notifier.changed("weather", town, self.now))

    def advance(self, seconds: float) -> list[Request | Response]:
        end, sent = self.now + seconds, []
        while (due := self.endpoint.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            sent += self.perform(self.endpoint.tick(self.now))
        self.now = end
        return sent

    def assert_nothing_remains(self) -> None:
        self.advance(TIMEOUT)
        assert (len(self.notifier), self.notifier.waiting) == (0, 0)
        assert self.notifier._topics == {}
        assert not self.notifier._per_identity
        assert_empty(self.endpoint)


def told(message: Request | Response) -> tuple[str, bytes]:
    """Subscription-State and body of a NOTIFY."""
    assert isinstance(message, Request)
    assert message.method == "NOTIFY"
    return message.get("Subscription-State") or "", message.body


def tag_of(message: Request | Response) -> str:
    assert isinstance(message, Response)
    assert message.status == 200
    return message.to.tag or ""


def test_a_subscriber_is_told_the_state_at_once_and_whenever_it_changes() -> None:
    station = Station()
    accepted, first = station.subscribe(("Event", "weather;id=7"))
    assert isinstance(accepted, Response)
    assert (accepted.status, accepted.expires, len(accepted.contacts)) == (200, 600, 1)
    assert isinstance(first, Request)
    assert told(first) == ("active;expires=600", b"rome@192.0.2.1 20 v0")
    assert (first.get("Event"), first.content_type) == ("weather;id=7", "text/weather")
    assert (first.uri_text, first.to.tag, first.from_.tag) == (
        "sip:100@192.0.2.100",
        "phone",
        tag_of(accepted),
    )
    station.answer(first)
    station.now = 10.0
    (second,) = station.change(25)
    assert told(second) == ("active;expires=590", b"from 20 to 25 v1")
    assert second.cseq.number == first.cseq.number + 1
    station.answer(second)
    assert station.change(25) == []
    (last,) = station.perform(station.endpoint.stop(station.now))
    assert told(last)[0] == "terminated;reason=deactivated"
    station.answer(last)
    station.assert_nothing_remains()


def test_one_notify_at_a_time_and_then_the_newest_state_in_full() -> None:
    station = Station()
    _, first = station.subscribe()
    assert station.change(21) == station.change(22) == station.change(23) == []
    (second,) = station.answer(first)
    assert told(second)[1] == b"rome@192.0.2.1 23 v1", "the subscriber does not know the state before"
    station.answer(second)
    (third,) = station.change(24)
    assert told(third)[1] == b"from 23 to 24 v2"
    station.perform(station.notifier.withdraw("weather", "rome", Reason.NORESOURCE, station.now))
    station.assert_nothing_remains()


def test_a_resource_is_watched_until_its_last_subscription_has_ended() -> None:
    station = Station()
    assert not station.notifier.watches("rome")
    for call in ("1", "2"):
        station.answer(station.subscribe(call=call)[1])
    assert (station.notifier.watches("rome"), station.notifier.watches("paris")) == (True, False)
    for last in station.perform(station.notifier.withdraw("weather", "rome", Reason.NORESOURCE, station.now)):
        station.answer(last)
    assert not station.notifier.watches("rome")


def test_a_change_is_printed_once_however_many_are_told() -> None:
    station = Station()
    firsts = [station.subscribe(call=str(number))[1] for number in range(20)]
    for first in firsts:
        station.answer(first)
    before = station.weather.printed
    assert len(station.change(30)) == 20
    assert station.weather.printed == before + 1


def test_a_refresh_tells_everything_again_and_moves_the_end() -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    station.now = 500.0
    again, second = station.subscribe(to_tag=tag_of(accepted), cseq=2)
    assert tag_of(again) == tag_of(accepted)
    assert told(second) == ("active;expires=600", b"rome@192.0.2.1 20 v1")
    station.answer(second)
    assert len(station.notifier) == 1
    assert station.advance(599.9) == []
    (last,) = station.advance(0.2)
    assert told(last)[0] == "terminated;reason=timeout"
    station.answer(last)
    station.assert_nothing_remains()


def test_a_refresh_may_come_over_another_way() -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    _, second = station.subscribe(to_tag=tag_of(accepted), cseq=2, flow=TCP)
    station.perform(station.endpoint.receive(response_to(second, 200), TCP, 0.0))  # type: ignore[arg-type]
    assert len(station.notifier) == 1
    station.perform(station.endpoint.flow_closed(TCP, 1.0))
    station.assert_nothing_remains()


def test_subscriptions_follow_their_phone_and_nobody_else() -> None:
    station = Station()
    _, first = station.subscribe()
    station.answer(first)
    moved = UDP.remote._replace(port=40001)
    new = Flow(UDP.transport, UDP.local, moved)
    station.notifier.move("somebody else", UDP, new)
    station.notifier.move("100", UDP, new)
    station.weather.towns["rome"] = 31
    (effect,) = station.notifier.changed("weather", "rome", 1.0)
    assert effect.flow == new
    station.perform(station.endpoint.flow_closed(UDP, 1.0))
    assert len(station.notifier) == 1
    station.perform(station.endpoint.flow_closed(new, 1.0))
    station.assert_nothing_remains()


def test_a_notify_that_was_lost_with_a_connection_is_sent_again_over_the_way_that_the_phone_has_now() -> None:
    station = Station()
    station.subscribe(flow=TCP)
    station.notifier.move("100", TCP, UDP)
    assert station.perform(station.endpoint.flow_closed(TCP, station.now)) == []
    assert len(station.notifier) == 1
    assert station.change(25) == []
    assert station.advance(RETRY_SECONDS - 0.1) == []
    (again,) = station.advance(0.2)
    assert told(again)[1] == b"rome@192.0.2.1 25 v1"
    station.answer(again)
    (changed,) = station.change(26)
    assert told(changed)[1] == b"from 25 to 26 v2"
    station.perform(station.endpoint.flow_closed(UDP, station.now))
    station.assert_nothing_remains()


def test_unsubscribing_is_answered_by_a_last_notify() -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    again, last = station.subscribe(("Expires", "0"), to_tag=tag_of(accepted), cseq=2)
    assert (tag_of(again), told(last)) == (
        tag_of(accepted),
        ("terminated;reason=timeout", b"rome@192.0.2.1 20 v1"),
    )
    assert len(station.notifier) == 0
    (refused,) = station.subscribe(to_tag=tag_of(accepted), cseq=3)
    assert isinstance(refused, Response)
    assert refused.status == 481
    station.answer(last)
    station.assert_nothing_remains()


def test_a_fetch_leaves_nothing() -> None:
    """Section 4.4.3."""
    station = Station()
    _, only = station.subscribe(("Expires", "0"))
    assert told(only) == ("terminated;reason=timeout", b"rome@192.0.2.1 20 v0")
    assert len(station.notifier) == 0
    station.assert_nothing_remains()


@pytest.mark.parametrize(
    ("headers", "status", "header"),
    [
        ([("Event", "moods")], 489, ("Allow-Events", "weather")),
        ([("Event", "")], 489, ("Allow-Events", "weather")),
        ([("Expires", "59")], 423, ("Min-Expires", "60")),
        ([("Accept", "text/plain, text/html;q=0.5")], 406, None),
        ([("Contact", "*")], 400, None),
        ([("Expires", "soon")], 400, None),
    ],
)
def test_what_is_refused(headers: list[tuple[str, str]], status: int, header: tuple[str, str] | None) -> None:
    station = Station()
    (refused,) = station.subscribe(*headers)
    assert isinstance(refused, Response)
    assert refused.status == status
    assert header is None or refused.get(header[0]) == header[1]
    station.assert_nothing_remains()


def test_a_resource_that_is_not_there_is_not_found() -> None:
    station = Station()
    (refused,) = station.subscribe(town="atlantis")
    assert isinstance(refused, Response)
    assert refused.status == 404
    station.assert_nothing_remains()


@pytest.mark.parametrize("accept", ["*/*", "text/weather", "text/plain;q=0.1, TEXT/Weather"])
def test_what_is_accepted_is_sent(accept: str) -> None:
    assert len(Station().subscribe(("Accept", accept))) == 2


def test_a_brief_refresh_is_refused_and_changes_nothing() -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    (refused,) = station.subscribe(("Expires", "10"), to_tag=tag_of(accepted), cseq=2)
    assert isinstance(refused, Response)
    assert (refused.status, refused.get("Min-Expires")) == (423, "60")
    assert len(station.notifier) == 1


@pytest.mark.parametrize(
    ("headers", "method"),
    [([("Event", "weather;id=2")], "SUBSCRIBE"), ([], "BYE"), ([], "INVITE"), ([], "OPTIONS")],
)
def test_nothing_but_its_own_refresh_is_heard_in_the_dialog(
    headers: list[tuple[str, str]], method: str
) -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    fixed = {"Event": "weather", "Call-ID": "a", "CSeq": f"5 {method}", **dict(headers)}
    message = request(method, *fixed.items(), branch="other", to_tag=tag_of(accepted))
    *_, refused = station.perform(station.endpoint.receive(message, UDP, 0.0))
    assert isinstance(refused, Response)
    assert refused.status == 481
    assert len(station.notifier) == 1


def test_an_old_refresh_changes_nothing() -> None:
    station = Station()
    accepted, first = station.subscribe(cseq=5)
    station.answer(first)
    (refused,) = station.subscribe(("Expires", "0"), to_tag=tag_of(accepted), cseq=4)
    assert isinstance(refused, Response)
    assert refused.status == 500
    assert len(station.notifier) == 1


@pytest.mark.parametrize("status", [404, 405, 410, 416, 480, 481, 485, 489, 501, 604])
def test_a_notify_that_nobody_knows_ends_the_subscription(status: int) -> None:
    station = Station()
    _, first = station.subscribe()
    assert station.answer(first, status) == []
    station.assert_nothing_remains()


def test_a_notify_that_nobody_answers_ends_the_subscription() -> None:
    station = Station()
    station.subscribe()
    station.advance(TIMEOUT)
    station.assert_nothing_remains()


@pytest.mark.parametrize(
    ("headers", "seconds"), [([("Retry-After", "7 (busy);duration=1")], 7.0), ([], RETRY_SECONDS)]
)
def test_a_notify_that_cannot_be_taken_now_is_sent_later_with_the_newest_state(
    headers: list[tuple[str, str]], seconds: float
) -> None:
    station = Station()
    _, first = station.subscribe()
    assert station.answer(first, 503, *headers) == []
    assert station.change(30) == []
    assert station.advance(seconds - 0.1) == []
    (second,) = station.advance(0.2)
    assert told(second)[1] == b"rome@192.0.2.1 30 v1"


def test_a_last_notify_goes_before_one_that_is_on_its_way() -> None:
    station = Station()
    _, first = station.subscribe()
    (last,) = station.perform(station.endpoint.stop(0.0))
    assert last.cseq.number == first.cseq.number + 1
    station.answer(last)
    assert station.advance(TIMEOUT) == [], "the first is not repeated"
    station.assert_nothing_remains()


def test_a_request_from_elsewhere_is_not_heard() -> None:
    station = Station()
    accepted, first = station.subscribe()
    station.answer(first)
    stranger = Flow(UDP.transport, UDP.local, UDP.remote._replace(host="198.51.100.66"))
    (refused,) = station.subscribe(("Expires", "0"), to_tag=tag_of(accepted), cseq=2, flow=stranger)
    assert isinstance(refused, Response)
    assert refused.status == 481
    assert len(station.notifier) == 1


def test_an_extension_has_only_so_many() -> None:
    station = Station(max_per_identity=2)
    for call in "ab":
        station.subscribe(call=call)
    (refused,) = station.subscribe(call="c")
    assert isinstance(refused, Response)
    assert refused.status == 403
    station.advance(TIMEOUT)
    assert len(station.subscribe(call="d")) == 2


def test_there_are_only_so_many_in_all() -> None:
    station = Station(max_subscriptions=1)
    station.subscribe()
    (refused,) = station.subscribe(call="b")
    assert isinstance(refused, Response)
    assert refused.status == 503
    assert 10 <= int(refused.get("Retry-After") or 0) <= 30


def test_while_many_notifies_wait_nobody_new_is_let_in() -> None:
    station = Station(max_waiting=2)
    _, first = station.subscribe(call="a")
    station.subscribe(call="b")
    (refused,) = station.subscribe(call="c")
    assert isinstance(refused, Response)
    assert refused.status == 503
    station.answer(first)
    assert len(station.subscribe(call="c", cseq=2)) == 2
    station.advance(TIMEOUT)
    assert station.notifier.waiting == 0
    station.perform(station.endpoint.stop(station.now))
    station.assert_nothing_remains()


def test_a_system_that_stops_takes_no_more() -> None:
    station = Station()
    station.endpoint.stop(0.0)
    (refused,) = station.subscribe()
    assert isinstance(refused, Response)
    assert refused.status == 503
    station.assert_nothing_remains()


def test_lifetimes_are_cut_and_spread() -> None:
    station = Station(lifetimes=Lifetimes(60, 1000, 0.1))
    granted = [station.subscribe(("Expires", "5000"), call=str(call))[0].expires or 0 for call in range(50)]
    assert 900 <= min(granted) < max(granted) <= 1000
    assert len(set(granted)) > 20
    brief = station.subscribe(("Expires", "60"), call="brief")[0]
    assert brief.expires == 60
