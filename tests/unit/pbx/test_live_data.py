"""Live data: taken over once, then the store's; changed as a whole or not at all; two who change at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from pbx.config import Config, ConfigError, parse
from pbx.live_data import Report, merged, revise, take_over, told, write
from pbx.live_file import brought_in, exported
from pbx.store import live, pins
from pbx.store.errors import Conflict, StoreUnavailable
from pbx.store.extensions import extensions
from pbx.store.store import Change, Store

ROUNDS = 15
OF_DIAL_CODES = live.live_tables.c.name == "dial_codes"

FILE: dict[str, Any] = {
    "extensions": [
        {"number": "100", "password": "correct horse", "first_name": "Lee", "manager": True},
        {"number": "101", "password": "battery staple", "pin": "4711", "forward": {"busy": "100"}},
    ],
    "groups": [{"name": "Management", "extensions": ["100"], "heads": ["100"], "sees_ports": True}],
    "office_hours": {"time_zone": "Europe/Paris", "monday": ["08:30-12:00"]},
    "dialing": {"country": "FR"},
    "trunks": [
        {"name": "box", "addresses": ["192.0.2.1"], "max_calls": 2},
        {
            "name": "provider",
            "type": "provider",
            "registrar": "voip.example",
            "user": "us",
            "password": "TRUNK",
        },
    ],
    "outbound_rules": [{"prefix": "0", "strip": 1, "trunks": ["provider", "box"]}],
    "inbound_rules": [{"did": "+33140000001", "target": "100"}],
}


def store_of(config: Config) -> Store:
    store = Store.in_memory()
    take_over(config, store)
    return store


def versions(connection: Connection) -> dict[str, int]:
    return {row.number: row.version for row in connection.execute(select(extensions))}


def dropped(number: str) -> Callable[[dict[str, Any]], None]:
    """The change that removes an extension."""

    def change(tables: dict[str, Any]) -> None:
        tables["extensions"] = [each for each in tables["extensions"] if each["number"] != number]

    return change


def renamed(number: str, name: str) -> Callable[[dict[str, Any]], None]:
    """The change that gives an extension another first name."""

    def change(tables: dict[str, Any]) -> None:
        next(each for each in tables["extensions"] if each["number"] == number)["first_name"] = name

    return change


@pytest.mark.row("ADM-02")
def test_a_new_store_takes_over_what_the_file_says() -> None:
    config = parse(FILE)
    store = Store.in_memory()
    known, differing = take_over(config, store)
    assert known.directory() == config.directory()
    assert (known.groups, known.office_hours, known.trunks) == (
        config.groups,
        config.office_hours,
        config.trunks,
    )
    assert (known.outbound_rules, known.inbound_rules) == (config.outbound_rules, config.inbound_rules)
    assert differing == ()
    assert store.read(partial(pins.check_pin, "101", "4711"))
    assert store.read(partial(pins.check_pin, "100", "100"))


def test_from_then_on_the_store_is_in_force() -> None:
    store = store_of(parse(FILE))
    file = parse(FILE | {"extensions": [*FILE["extensions"], {"number": "102", "password": "new here"}]})
    known, differing = take_over(file, store)
    assert [extension.number for extension in known.extensions] == ["100", "101"]
    assert differing == ("extensions",)
    assert take_over(parse(FILE), store)[1] == ()


def test_no_password_and_no_pin_is_kept() -> None:
    store = store_of(parse(FILE))
    kept = str(store.read(lambda connection: [*connection.execute(select(extensions)), *facts(connection)]))
    assert not any(secret in kept for secret in ("correct horse", "battery staple", "4711"))


def facts(connection: Connection) -> list[object]:
    return list(connection.execute(select(live.facts)))


def test_what_is_written_and_told_is_the_same() -> None:
    config = parse(FILE)
    store = store_of(config)
    again = config.with_tables(store.read(told))
    assert store.begin(partial(write, again)) == Report()
    other = Store.in_memory()
    other.begin(partial(write, again))
    kept = {name: table for name, table in store.read(told).items() if table}
    assert other.read(told) == kept


def test_a_revision_touches_only_what_differs() -> None:
    config = parse(FILE)
    store = store_of(config)
    before = store.read(live.revision)
    report = store.begin(partial(revise, config, renamed("101", "Richardson")))
    assert report == Report(changed=("101",))
    assert store.read(versions) == {"100": 1, "101": 2}
    assert store.read(live.revision) > before
    assert store.read(partial(merged, config)).extensions[1].first_name == "Richardson"
    assert store.read(partial(pins.check_pin, "101", "4711"))


def test_a_revision_that_cannot_be_changes_nothing() -> None:
    """Extension 101 forwards to 100, a rule leads there, and the management is made of it."""
    config = parse(FILE)
    store = store_of(config)
    with pytest.raises(ConfigError) as failure:
        store.begin(partial(revise, config, dropped("100")))
    keys = {problem.key for problem in failure.value.problems}
    assert keys == {"extensions[0].forward.busy", "groups[0].extensions"}
    assert store.read(versions) == {"100": 1, "101": 1}


def test_what_does_not_pass_the_callers_check_changes_nothing() -> None:
    config = parse(FILE)
    store = store_of(config)

    def refuse(revised: Config, before: Callable[[], Config]) -> None:
        names = [each.first_name for each in revised.extensions], [each.first_name for each in before().extensions]
        assert names[0][0] == "X" != names[1][0]
        raise ConfigError

    with pytest.raises(ConfigError):
        store.begin(partial(revise, config, renamed("100", "X"), check=refuse))
    assert store.read(versions) == {"100": 1, "101": 1}


@pytest.mark.parametrize("name", ["101", "groups"])
def test_the_second_of_two_who_change_at_once_is_told(name: str) -> None:
    config = parse(FILE)
    store = store_of(config)

    def empty(tables: dict[str, Any]) -> None:
        tables["groups"] = []

    change = empty if name == "groups" else renamed("101", "X")
    store.begin(partial(revise, config, change, versions={name: 1}))
    with pytest.raises(
        Conflict, match=f"somebody else has changed .*{name} meanwhile, it is of version 2 now"
    ):
        store.begin(partial(revise, config, renamed("101", "Y"), versions={name: 1}))
    store.begin(partial(revise, config, renamed("101", "Y"), versions={name: 2}))
    with pytest.raises(Conflict, match="no extension 555"):
        store.begin(partial(revise, config, renamed("101", "Z"), versions={"555": 1}))


def test_an_extension_that_is_removed_takes_its_row_along() -> None:
    config = parse(FILE)
    store = store_of(config)
    assert store.begin(partial(revise, config, dropped("101"))) == Report(removed=("101",))
    assert store.read(versions) == {"100": 1}
    assert not store.read(partial(pins.check_pin, "101", "4711"))


def test_a_pin_is_changed_alone() -> None:
    store = store_of(parse(FILE))
    store.begin(partial(pins.set_pin, "100", "2580"))
    assert store.read(partial(pins.check_pin, "100", "2580"))
    assert not store.read(partial(pins.check_pin, "100", "100"))
    store.begin(partial(pins.set_pin, "100", "100"))
    assert store.read(partial(pins.check_pin, "100", "100"))
    with pytest.raises(Conflict, match="no extension 555"):
        store.begin(partial(pins.set_pin, "555", "1"))


def test_another_realm_does_not_go_with_the_passwords_that_are_kept() -> None:
    store = store_of(parse(FILE))
    with pytest.raises(ConfigError, match=r"sip\.realm: there are passwords .* the realm 'myphone'"):
        take_over(parse(FILE | {"sip": {"realm": "elsewhere"}}), store)


def insist(store: Store, change: Change[object]) -> None:
    """Change something, however long others keep it locked: on a slow machine that is longer than a store waits."""
    while True:
        try:
            store.begin(change)
            return
        except StoreUnavailable:
            pass


def test_of_two_administrators_at_once_neither_loses_what_the_other_sets(location: Path | str) -> None:
    """Each changes another key of the extension and of a table, again and again, in a connection of its own."""
    config = parse(FILE)
    keys = ("first_name", "last_name")
    stores = [Store.open(location) for _ in keys]
    take_over(config, stores[0])

    def administrate(store: Store, key: str) -> list[str]:
        lost = []
        for turn in range(ROUNDS):

            def change(tables: dict[str, Any], turn: int = turn) -> None:
                extension, hours = tables["extensions"][0], tables["office_hours"]
                day = "tuesday" if key == "first_name" else "friday"
                if turn and (extension[key], hours[day]) != (f"{key} {turn - 1}", [f"08:{turn - 1:02}-12:00"]):
                    lost.append(f"{turn}: {extension[key]}, {hours[day]}")
                extension[key], hours[day] = f"{key} {turn}", [f"08:{turn:02}-12:00"]

            insist(store, partial(revise, config, change))
        return lost

    try:
        with ThreadPoolExecutor(len(keys)) as both:
            assert list(both.map(administrate, stores, keys)) == [[], []]
        assert stores[0].read(versions)["100"] == 1 + ROUNDS * len(keys)
    finally:
        for store in stores:
            store.abandon()


def test_what_its_user_sets_meanwhile_is_not_lost_either(location: Path | str) -> None:
    """A PIN is set at the phone while an administrator changes the name: other columns of one row."""
    config = parse(FILE)
    stores = [Store.open(location) for _ in range(2)]
    take_over(config, stores[0])

    def administrate() -> None:
        for turn in range(ROUNDS):

            def change(tables: dict[str, Any], turn: int = turn) -> None:
                tables["extensions"][1]["first_name"] = f"name {turn}"

            insist(stores[0], partial(revise, config, change))

    def use() -> list[int]:
        lost = []
        for turn in range(ROUNDS):
            insist(stores[1], partial(live.change_extension, "101", {"pin_hash": f"$argon2id${turn}"}))
            if stores[1].read(told)["extensions"][1]["pin_hash"] != f"$argon2id${turn}":
                lost.append(turn)
        return lost

    try:
        with ThreadPoolExecutor(2) as both:
            administration, lost = both.submit(administrate), both.submit(use)
            administration.result()
            assert lost.result() == []
    finally:
        for store in stores:
            store.abandon()


def test_an_import_takes_whole_extensions_and_the_later_one_counts(location: Path | str) -> None:
    config = parse(FILE)
    store = Store.open(location)
    try:
        take_over(config, store)
        exported_before = store.read(exported)
        store.begin(partial(live.change_extension, "100", {"last_name": "Parker", "email": "lee@example.org"}))
        store.begin(partial(revise, config, brought_in(exported_before)))
        row = store.read(told)["extensions"][0]
        assert "last_name" not in row
        assert store.read(versions)["100"] == 3  # whoever has seen 2 and says so is told
        with pytest.raises(Conflict):
            store.begin(partial(revise, config, lambda tables: None, versions={"100": 2}))
    finally:
        store.abandon()


def test_a_table_that_an_older_version_left_in_the_file_is_in_force_from_there_until_it_is_changed() -> None:
    config = parse(FILE | {"dial_codes": {"echo": "*43"}})
    store = store_of(config)
    store.begin(lambda connection: connection.execute(live.live_tables.delete().where(OF_DIAL_CODES)))
    known = store.read(partial(live.fact, live.TAKEN_OVER))
    del known["dial_codes"]
    store.begin(partial(live.remember, live.TAKEN_OVER, known))  # as that one has left it
    merged_config, differing = take_over(config, store)
    assert (merged_config.dial_codes, differing) == ({"echo": "*43"}, ())
    store.begin(partial(revise, config, lambda tables: tables.update(dial_codes={"echo": "*44"})))
    merged_config, differing = take_over(config, store)
    assert (merged_config.dial_codes, differing) == ({"echo": "*44"}, ("dial_codes",))
