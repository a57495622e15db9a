"""Numbers that come and go while the system runs."""

from __future__ import annotations

from typing import cast

import pytest

from pbx.config import ConfigError, parse
from pbx.dial_codes import dial_table
from pbx.directory import Directory
from pbx.plugin import Call, Feature, PluginError
from pbx.system_numbers import Entry, NumberTaken, SystemNumbers, system_numbers

PEOPLE = [{"number": number, "password": "secret of all"} for number in ("100", "101")]


def feature(name: str, *kinds: str) -> Feature:
    """One that serves some kinds, and the codes 60 and *77."""
    made = Feature(name)
    for kind in kinds:

        async def serve(call: Call, number: str) -> None:
            """Nothing."""

        made.destination(kind, summary="")(serve)

    @made.dial("60", summary="")
    async def sixty(call: Call) -> None:
        """Nothing."""

    return made


def numbers(*features: Feature) -> SystemNumbers:
    config = parse({"extensions": PEOPLE})
    codes = dial_table(features, config)
    return system_numbers(features, config, Directory(config.directory()), lambda: codes)


def test_a_number_is_there_until_it_is_removed() -> None:
    known = numbers(feature("queues", "queue"))
    known.add("804", "queue", "Hunt Queues")
    assert known.find("804") == Entry("804", "queue", "Hunt Queues")
    known.add("804", "queue", "Sales")
    assert [str(entry) for entry in known] == ["queue 804 (Sales)"]
    known.remove("804")
    known.remove("804")
    assert known.find("804") is None
    assert list(known) == []


@pytest.mark.row("DC-03")
@pytest.mark.parametrize(
    ("number", "owner"),
    [
        ("100", "extension 100"),
        ("60", "a dial code of queues.sixty"),
        ("999", "the voicemail number"),
        ("700", "the conference number"),
        ("800", "ring_group 800 \\(All\\)"),
    ],
)
def test_a_number_that_is_taken_is_refused(number: str, owner: str) -> None:
    known = numbers(feature("queues", "queue", "ring_group"))
    known.add("800", "ring_group", "All")
    with pytest.raises(NumberTaken, match=f"{number} is {owner} already"):
        known.add(number, "queue")
    assert [entry.number for entry in known] == ["800"]


@pytest.mark.parametrize("number", ["", "8 0", "*80", "+33", "8" * 16, "٨٠٤"])
def test_only_digits_are_a_number(number: str) -> None:
    with pytest.raises(ValueError, match="is no number of 1 to 15 digits"):
        numbers(feature("queues", "queue")).add(number, "queue")


def test_a_kind_that_nobody_serves_is_refused() -> None:
    with pytest.raises(ValueError, match="no feature serves the kind queue"):
        numbers(feature("other")).add("804", "queue")


def test_the_handler_is_told_the_number_by_the_name_of_its_parameter() -> None:
    voicemail = Feature("voicemail")

    @voicemail.destination("voicemail", summary="Leave a message")
    async def leave(call: Call, mailbox: str) -> None:
        """Nothing."""

    service = numbers(voicemail).services["voicemail"]
    assert service.handler.run is leave
    assert service.arguments("100") == {"mailbox": "100"}


def test_two_features_cannot_serve_one_kind() -> None:
    ours, theirs = feature("queues", "queue"), Feature("more_queues")
    theirs.destination("queue", summary="")(ours.destinations["queue"].handler.run)
    config = parse({"extensions": PEOPLE})
    with pytest.raises(ConfigError, match=r"queues\.serve and more_queues\.serve both serve queue"):
        system_numbers([ours, theirs], config, Directory(()), lambda: dial_table([], config))


def test_one_feature_serves_a_kind_once() -> None:
    with pytest.raises(PluginError, match="serves the kind queue twice"):
        feature("queues", "queue", "queue")


def test_a_handler_takes_the_call_and_one_number() -> None:
    async def none(call: Call) -> None:
        """Nothing."""

    with pytest.raises(PluginError, match="none should take the call and one number"):
        Feature("queues").destination("queue", summary="")(cast("object", none))  # type: ignore[type-var]
