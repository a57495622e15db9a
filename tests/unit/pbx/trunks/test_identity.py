"""How each kind of trunk is told who calls."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pbx.directory import Extension
from pbx.numbers import NumberingPlan
from pbx.party import ExternalParty, Party
from pbx.trunks.identity import Identity, outgoing_identity
from pbx.trunks.settings import Trunk as Settings
from pbx.trunks.trunk import Trunk
from sipcore.syntax.uri import Uri

CALLED = Uri.parse("sip:+33612345678@gw")
LEE = Extension("100", "Lee", "Parker", outbound_caller_id="0140000001")
HIDDEN = Extension("101", outbound_caller_id="0140000001", withhold_number=True)
STRANGER = ExternalParty("+33700000001", "Durand", "lines")


class FakeTrunk:
    """Its settings, and the domain of a provider."""

    def __init__(self, **keys: Any) -> None:
        gateway = {"name": "t", "addresses": ["gw"]}
        provider = {"name": "t", "type": "provider", "registrar": "sip.voip", "user": "me", "password": "x"}
        self.domain = "sip.voip" if keys.pop("provider", False) else ""
        self.settings = Settings.model_validate((provider if self.domain else gateway) | keys)
        self.plan = NumberingPlan("FR")


def identity(caller: Party, *, emergency: bool = False, **keys: Any) -> Identity:
    trunk = cast(Trunk, FakeTrunk(**keys))
    return outgoing_identity(trunk, caller, "pbx", None, CALLED, emergency=emergency)


@pytest.mark.row("CORE-16")
@pytest.mark.parametrize(
    ("caller", "keys", "from_", "headers", "shown"),
    [
        (
            LEE,
            {},
            '"Lee Parker" <sip:+33140000001@pbx>',
            [("P-Asserted-Identity", '"Lee Parker" <sip:+33140000001@pbx>')],
            "+33140000001",
        ),
        (
            LEE,
            {"caller_id": "remote-party-id", "number_format": "national"},
            '"Lee Parker" <sip:0140000001@pbx>',
            [("Remote-Party-ID", '"Lee Parker" <sip:0140000001@pbx>;party=calling;privacy=off')],
            "0140000001",
        ),
        (LEE, {"caller_id": "from"}, '"Lee Parker" <sip:+33140000001@pbx>', [], "+33140000001"),
        (
            LEE,
            {"provider": True},
            '"Lee Parker" <sip:me@sip.voip>',
            [("P-Asserted-Identity", '"Lee Parker" <sip:+33140000001@sip.voip>')],
            "+33140000001",
        ),
        (
            LEE,
            {"provider": True, "from_user": "caller", "caller_id": "from"},
            '"Lee Parker" <sip:+33140000001@sip.voip>',
            [],
            "+33140000001",
        ),
        (Extension("102"), {"caller_id": "from"}, "<sip:102@pbx>", [], "102"),
        (
            HIDDEN,
            {},
            '"Anonymous" <sip:anonymous@anonymous.invalid>',
            [("P-Asserted-Identity", "<sip:+33140000001@pbx>"), ("Privacy", "id")],
            "",
        ),
        (
            HIDDEN,
            {"caller_id": "remote-party-id"},
            '"Anonymous" <sip:anonymous@anonymous.invalid>',
            [("Remote-Party-ID", "<sip:+33140000001@pbx>;party=calling;privacy=full"), ("Privacy", "id")],
            "",
        ),
        (
            HIDDEN,
            {"provider": True},
            '"Anonymous" <sip:me@sip.voip>',
            [("P-Asserted-Identity", "<sip:+33140000001@sip.voip>"), ("Privacy", "id")],
            "",
        ),
        (
            STRANGER,
            {},
            '"Durand" <sip:+33700000001@pbx>',
            [("P-Asserted-Identity", '"Durand" <sip:+33700000001@pbx>')],
            "+33700000001",
        ),
        (
            ExternalParty("", trunk="lines"),
            {},
            '"Anonymous" <sip:anonymous@anonymous.invalid>',
            [("Privacy", "id")],
            "",
        ),
    ],
)
def test_who_is_said_to_call(
    caller: Party, keys: dict[str, Any], from_: str, headers: list[tuple[str, str]], shown: str
) -> None:
    made = identity(caller, **keys)
    assert (str(made.from_), list(made.headers), made.shown) == (from_, headers, shown)


def test_who_calls_for_help_is_not_hidden() -> None:
    made = identity(HIDDEN, emergency=True)
    assert made.shown == "+33140000001"
    assert ("Privacy", "id") not in made.headers
