"""Publications (RFC 3903): made, refreshed, changed, taken back, expired."""

from __future__ import annotations

from random import Random

import pytest

from sipcore.errors import PeerError
from sipcore.events.publication import Publications, PublicationSettings
from sipcore.events.subscription import Lifetimes
from sipcore.syntax.message import Response
from tests.unit.sipcore.lone import request


class Moods:
    """A package: how people feel."""

    event = "mood"
    content_type = "text/mood"

    def __init__(self) -> None:
        self.told: list[str] = []

    def read(self, body: bytes) -> str:
        if body == b"!":
            raise PeerError("no mood")
        return body.decode()

    def published(self, resource: str) -> None:
        self.told.append(resource)


class Desk:
    """A user's publications."""

    def __init__(self) -> None:
        self.moods = Moods()
        settings = PublicationSettings(Lifetimes(60, 3600, 0.0), 2)
        self.publications = Publications(settings, self.moods, Random(1))
        self.now = 0.0

    def publish(self, body: bytes, *more: tuple[str, str]) -> Response:
        headers = {"Event": "mood", "Content-Type": "text/mood", "Expires": "600", **dict(more)}
        return self.publications.publish(request("PUBLISH", *headers.items(), body=body), "100", self.now)

    @property
    def states(self) -> list[str]:
        return self.publications.states("100")


def etag(response: Response) -> tuple[str, str]:
    assert response.status == 200
    return "SIP-If-Match", response.get("SIP-ETag") or ""


def test_a_publication_is_made_changed_refreshed_and_taken_back() -> None:
    desk = Desk()
    made = desk.publish(b"glad")
    assert (made.expires, desk.states) == (600, ["glad"])
    changed = desk.publish(b"sad", etag(made))
    assert desk.states == ["sad"]
    assert etag(changed) != etag(made)
    desk.now = 500.0
    refreshed = desk.publish(b"", etag(changed))
    desk.publications.tick(1000.0)
    assert desk.states == ["sad"]
    desk.publish(b"", etag(refreshed), ("Expires", "0"))
    assert (desk.states, len(desk.publications), desk.publications.deadline) == ([], 0, None)
    assert desk.moods.told == ["100"] * 4


def test_it_expires() -> None:
    desk = Desk()
    desk.publish(b"glad")
    assert desk.publications.deadline == 600.0
    desk.publications.tick(599.0)
    assert desk.states == ["glad"]
    desk.publications.tick(600.0)
    assert (desk.states, desk.moods.told) == ([], ["100", "100"])
    assert desk.publications._by_resource == {}


@pytest.mark.parametrize(
    ("body", "headers", "status", "header"),
    [
        (b"glad", [("SIP-If-Match", "unknown")], 412, None),
        (b"glad", [("Event", "weather")], 489, ("Allow-Events", "mood")),
        (b"glad", [("Expires", "30")], 423, ("Min-Expires", "60")),
        (b"glad", [("Content-Type", "text/plain")], 415, ("Accept", "text/mood")),
        (b"glad", [("Content-Encoding", "gzip")], 415, ("Accept", "text/mood")),
        (b"!", [], 400, None),
        (b"", [], 400, None),
    ],
)
def test_what_is_refused(
    body: bytes, headers: list[tuple[str, str]], status: int, header: tuple[str, str] | None
) -> None:
    desk = Desk()
    response = desk.publish(body, *headers)
    assert response.status == status
    assert header is None or response.get(header[0]) == header[1]
    assert (desk.states, desk.moods.told) == ([], [])


def test_a_refusal_leaves_what_there_was() -> None:
    desk = Desk()
    made = desk.publish(b"glad")
    assert desk.publish(b"!", etag(made)).status == 400
    assert desk.publish(b"", etag(made), ("Expires", "1")).status == 423
    assert desk.states == ["glad"]
    assert desk.publish(b"sad", etag(made)).status == 200


def test_an_old_tag_is_worth_nothing() -> None:
    desk = Desk()
    made = desk.publish(b"glad")
    desk.publish(b"sad", etag(made))
    assert desk.publish(b"cross", etag(made)).status == 412
    assert desk.states == ["sad"]


def test_there_are_only_so_many_and_the_latest_is_the_last() -> None:
    desk = Desk()
    first = desk.publish(b"glad")
    desk.publish(b"sad")
    assert desk.publish(b"cross").status == 403
    desk.publish(b"", etag(first))
    assert desk.states == ["sad", "glad"]
