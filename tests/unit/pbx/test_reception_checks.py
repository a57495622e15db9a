"""Mistakes in queues, ring groups and receptionists are told with their key and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.config import ConfigError, parse
from pbx.queues.settings import Agent
from tests.unit.pbx.test_config import problems

PEOPLE = [{"number": "100", "password": "a long one"}, {"number": "101", "password": "another one"}]
QUEUE = {"number": "804", "agents": ["100"]}
HUNDRED = {"number": "100", "name": "x"}


@pytest.mark.row("ADM-11", "ADM-12", "ADM-13")
@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        (
            {"queues": [{"number": "804", "agents": ["107"]}]},
            "queues[0].agents: 107 is no extension, add it or leave it out",
        ),
        (
            {"queues": [QUEUE | {"agents": ["100", {"extension": "100", "level": 2}]}]},
            "queues[0]: agents should name each extension once",
        ),
        (
            {"queues": [QUEUE | {"hears": "ringing", "announce_seconds": 20}]},
            "queues[0]: greeting, music and announce_seconds need an answered call, "
            'set hears = "music" or leave them out',
        ),
        ({"queues": [HUNDRED]}, "queues[0].number: 100 is extension 100 already, choose another"),
        (
            {"queues": [QUEUE], "ring_groups": [{"number": "804"}]},
            "ring_groups[0].number: 804 is queues[0] already, choose another",
        ),
        (
            {"receptionists": [{"number": "700"}]},
            "receptionists[0].number: 700 is the conference number already, choose another",
        ),
        (
            {"queues": [{"number": "112"}], "dialing": {"emergency": ["112"]}},
            "queues[0].number: 112 is an emergency number, choose another",
        ),
        (
            {"ring_groups": [{"number": "810", "members": ["100", "100"]}]},
            "ring_groups[0]: members should name each extension once",
        ),
        (
            {"ring_groups": [{"number": "810", "members": ["100", "102"]}]},
            "ring_groups[0].members: 102 is no extension, add it or leave it out",
        ),
        (
            {"receptionists": [{"number": "800", "closed": {}}]},
            "receptionists[0].closed: is never used, set times in office_hours",
        ),
    ],
)
def test_a_mistake_is_named(tables: dict[str, Any], problem: str) -> None:
    assert problems({"extensions": PEOPLE} | tables) == [problem]


@pytest.mark.parametrize("key", ["11", "a", ""])
def test_a_key_is_one_of_a_telephone(key: str) -> None:
    with pytest.raises(ConfigError):
        parse({"extensions": PEOPLE, "receptionists": [{"number": "800", "keys": {key: "100"}}]})


def test_agents_are_numbers_or_tables_and_targets_are_destinations() -> None:
    queue = QUEUE | {"agents": ["100", {"extension": "101", "level": 2}], "overflow": "100"}
    [made] = parse({"extensions": PEOPLE, "queues": [queue]}).queues
    assert made.agents == (Agent(extension="100"), Agent(extension="101", level=2))
    assert made.overflow == "number:100"
    with pytest.raises(ConfigError):
        parse({"extensions": PEOPLE, "queues": [QUEUE | {"overflow": "nowhere:1"}]})
