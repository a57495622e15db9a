"""Extensions and people outside, looked at alike."""

from __future__ import annotations

import pytest

from pbx.directory import Extension
from pbx.party import ExternalParty, Party, line_of, trunk_of


@pytest.mark.row("CORE-11")
@pytest.mark.parametrize(
    ("party", "line", "trunk"),
    [
        (Extension("100"), "100", ""),
        (ExternalParty("+33140000001", "Durand", "isdn"), "isdn", "isdn"),
        (ExternalParty("", trunk="isdn"), "isdn", "isdn"),
    ],
)
def test_whose_line_a_call_takes(party: Party, line: str, trunk: str) -> None:
    assert (line_of(party), trunk_of(party)) == (line, trunk)
