"""What is kept of phones and users, in both databases, whatever bytes somebody sends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, delete

from pbx.store.bindings import bindings_at, replace_bindings
from pbx.store.database import Database
from pbx.store.extensions import extensions
from pbx.store.external_calls import count_external_call, external_calls_of
from pbx.store.page_messages import add_page_message, page_messages_at, remove_page_message
from pbx.store.statuses import clear_status, every_login, every_status, log_in, set_status
from tests.unit.pbx.store.test_store import add

NOW = datetime(2009, 9, 21, 8, 0, tzinfo=UTC)
HOSTILE = "'; DROP TABLE bindings; --\x00\udcff\N{PILE OF POO}"

BINDING: dict[str, Any] = {
    "contact": f"sip:{HOSTILE}@10.0.0.1",
    "transport": "UDP",
    "host": "10.0.0.1",
    "port": 5060,
    "expires_at": NOW + timedelta(seconds=60),
    "q": 0.5,
    "instance": HOSTILE,
    "reg_id": None,
    "path": "",
    "call_id": HOSTILE,
    "cseq": 2**32 - 1,
    "user_agent": HOSTILE,
}


@pytest.fixture
def people(database: Database) -> Database:
    """A database that knows extensions 100 and 101."""
    for number in ("100", "101"):
        database.transact(partial(add, number))
    return database


def remove(number: str, connection: Connection) -> None:
    connection.execute(delete(extensions).where(extensions.c.number == number))


def test_bindings_come_back_as_they_were(people: Database) -> None:
    later = BINDING | {"contact": "sip:101@10.0.0.2", "expires_at": NOW + timedelta(seconds=90)}
    people.transact(partial(replace_bindings, [("101", [BINDING])]))
    people.transact(partial(replace_bindings, [("101", [BINDING, later])]))
    found = people.query(partial(bindings_at, NOW))
    assert found == [
        BINDING | {"extension": "101", "position": 0},
        later | {"extension": "101", "position": 1},
    ]
    assert len(people.query(partial(bindings_at, NOW + timedelta(seconds=60)))) == 1
    people.transact(partial(replace_bindings, [("101", [])]))
    assert people.query(partial(bindings_at, NOW)) == []


def test_what_belongs_to_an_extension_goes_with_it(people: Database) -> None:
    people.transact(partial(replace_bindings, [("101", [BINDING])]))
    people.transact(partial(set_status, "101", "away", ""))
    people.transact(partial(log_in, "804", "101"))
    people.transact(partial(add_page_message, message("1", receiver="101")))
    people.transact(partial(remove, "101"))
    assert people.query(partial(bindings_at, NOW)) == []
    assert people.query(every_status) == []
    assert people.query(every_login) == []
    assert people.query(partial(page_messages_at, NOW)) == []
    people.transact(partial(replace_bindings, [("101", [BINDING])]))  # a note that comes late
    assert people.query(partial(bindings_at, NOW)) == []


def test_statuses(people: Database) -> None:
    people.transact(partial(set_status, "100", "away", "first"))
    people.transact(partial(set_status, "100", "away", "\N{PILE OF POO}'"))
    assert people.query(every_status) == [("100", "away", "\N{PILE OF POO}'")]
    people.transact(partial(clear_status, "100"))
    assert people.query(every_status) == []


def message(id_: str, **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id_,
        "sender": "100",
        "receiver": "101",
        "content_type": HOSTILE,
        "body": b"\x00\xff",
        "expires_seconds": 2**32 - 1,
        "sent_at": NOW,
        "kept_until": NOW + timedelta(days=7),
    }
    return row | changed


def test_messages_come_back_in_their_order_until_they_are_of_no_use(people: Database) -> None:
    second = message("1", sent_at=NOW + timedelta(seconds=1))
    brief = message("3", kept_until=NOW + timedelta(seconds=5))
    for row in (second, message("2"), brief):
        people.transact(partial(add_page_message, row))
    assert [row["id"] for row in people.query(partial(page_messages_at, NOW))] == ["2", "3", "1"]
    assert people.query(partial(page_messages_at, NOW + timedelta(seconds=5))) == [message("2"), second]
    people.transact(partial(remove_page_message, "2"))
    assert [row["id"] for row in people.query(partial(page_messages_at, NOW))] == ["3", "1"]


def test_a_moment_is_the_same_in_every_time_zone(people: Database) -> None:
    paris = NOW.astimezone(timezone(timedelta(hours=2)))
    people.transact(partial(add_page_message, message("1", sent_at=paris)))
    [found] = people.query(partial(page_messages_at, paris))
    assert found["sent_at"] == NOW
    assert found["sent_at"].tzinfo is UTC
    with pytest.raises(Exception, match="time zone"):
        people.transact(partial(add_page_message, message("2", sent_at=NOW.replace(tzinfo=None))))


def test_calls_are_counted_by_day(people: Database) -> None:
    monday, tuesday = date(2009, 9, 21), date(2009, 9, 22)
    for calls in (1, 2, 3):
        people.transact(partial(count_external_call, "100", monday, calls))
    people.transact(partial(count_external_call, "101", monday, 1))
    assert people.query(partial(external_calls_of, monday)) == {"100": 3, "101": 1}
    people.transact(partial(count_external_call, "100", tuesday, 1))
    assert people.query(partial(external_calls_of, tuesday)) == {"100": 1}
    assert people.query(partial(external_calls_of, monday)) == {"101": 1}
