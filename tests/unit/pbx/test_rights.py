"""Roles, and what they do not give."""

from __future__ import annotations

import pytest

from pbx.config import Config, parse
from pbx.rights import Rights, Role, rights

PEOPLE = {
    "100": {"manager": True},
    "101": {"manager": True, "barge_in": True},
    "102": {},
    "103": {"barge_in": True},
    "104": {},
}
GROUPS = [
    {"name": "Secretary", "extensions": ["102"], "heads": ["103"]},
    {"name": "Testing Department", "extensions": ["104"], "heads": ["103", "100"]},
]


def company() -> dict[str, Rights]:
    extensions = [{"number": number, "password": "a long one", **keys} for number, keys in PEOPLE.items()]
    config: Config = parse({"extensions": extensions, "groups": GROUPS})
    return rights(config.extensions, config.groups)


@pytest.mark.row("ADM-05", "ADM-04")
def test_users_see_their_own_calls_heads_those_of_their_groups_and_managers_all() -> None:
    everybody = set(PEOPLE)
    seen = {number: (each.role, set(each.sees)) for number, each in company().items()}
    assert seen == {
        "100": (Role.MANAGER, everybody),
        "101": (Role.MANAGER, everybody),
        "102": (Role.USER, {"102"}),
        "103": (Role.HEAD, {"102", "103", "104", "100"}),
        "104": (Role.USER, {"104"}),
    }


@pytest.mark.row("ADM-06")
def test_the_right_to_barge_in_goes_with_no_role() -> None:
    assert [number for number, each in company().items() if each.barges_in] == ["101", "103"]
