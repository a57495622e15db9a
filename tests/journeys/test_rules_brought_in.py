"""Rules of users that come from a file are in force at once, beside a running system too."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.config_errors import ConfigError
from pbx.destinations import Voicemail
from pbx.forwarding.file import brought_in_rules, exported_rules
from pbx.happenings import CallBlocked
from pbx.phone import CallFailed
from tests.journeys.test_live_changes import removed
from tests.simulation.office import Office

FILE: dict[str, Any] = {
    "user_rules": [
        {"extension": "101", "advanced": {"rules": [{"type": "forward_all", "action": "extension:102"}]}},
        {"extension": "103", "black_list": {"numbers": ["100"]}},
        {"extension": "555", "black_list": {"numbers": ["100"]}},
    ]
}


async def test_rules_of_a_file_are_in_force_when_the_system_has_looked(office: Office) -> None:
    lee, taylor = await office.phone("100"), await office.phone("102")
    richardson = await office.phone("101")
    await office.switch.store.write(brought_in_rules(FILE))
    await office.switch.live_changes.refresh()
    outgoing = lee.dial("101")
    (await taylor.incoming()).answer()
    await outgoing.answered()
    assert not richardson.calls
    assert [told.extension for told in await blocked(office)] == ["103"]
    kept = await office.switch.store.fetch(exported_rules)
    assert [entry["extension"] for entry in kept] == ["101", "103"]  # there is no 555


async def test_rules_that_lead_to_who_is_removed_lead_to_the_voicemail_at_once(office: Office) -> None:
    lee, richardson = await office.phone("100"), await office.phone("101")
    await office.switch.store.write(brought_in_rules(FILE))
    report = await office.switch.live_changes.revise(removed("102"))
    assert [(led.extension, led.rule, led.before) for led in report.rules] == [("101", "rule 1", "extension:102")]
    extension = office.switch.directory.find("101")
    assert extension is not None
    [rule] = office.switch.forwarding.settings(extension).rules("101").rules
    assert rule.action == Voicemail("101")
    with pytest.raises(CallFailed) as failure:
        await lee.call("101")
    assert failure.value.status == 480  # nothing serves mailboxes in this office
    assert not richardson.calls


async def blocked(office: Office) -> list[Any]:
    with pytest.raises(CallFailed):
        await office.phones[0].call("103")
    return office.told_of(CallBlocked)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"extension": "101", "simple": {}, "advanced": {}}, "user_rules[0]"),
        (
            {"extension": "101", "advanced": {"rules": [{"type": "sometimes"}]}},
            "user_rules[0].advanced.rules[0]",
        ),
        ({"extension": "x"}, "user_rules[0].extension"),
        ({"extension": "101", "black_list": {"numbers": ["1"] * 16}}, "user_rules[0].black_list.numbers"),
    ],
)
def test_what_is_no_rule_is_named(entry: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        brought_in_rules({"user_rules": [entry]})
    assert key in str(error.value)


def test_what_is_no_list_is_named() -> None:
    with pytest.raises(ConfigError):
        brought_in_rules({"user_rules": "none"})
