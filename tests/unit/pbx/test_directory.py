"""Extensions are found by number and by SIP ID."""

from __future__ import annotations

import pytest

from pbx.directory import Directory, Extension

LEE = Extension("100", "Lee", "Parker", sip_id="ext100", outbound_caller_id="+33144556677")
RICHARDSON = Extension("101", "Richardson", sip_id="100")


@pytest.mark.row("CORE-24")
def test_finds_by_number_and_by_sip_id_in_any_case() -> None:
    directory = Directory([LEE])
    assert directory.find("100") is LEE
    assert directory.find("EXT100") is LEE
    assert directory.find("ext10") is None


def test_a_number_wins_over_another_extensions_sip_id() -> None:
    assert Directory([LEE, RICHARDSON]).find("100") is LEE
    assert Directory([RICHARDSON, LEE]).find("100") is LEE


@pytest.mark.row("CORE-16")
def test_external_calls_carry_the_outbound_caller_id_and_internal_ones_the_number() -> None:
    assert LEE.caller_id(external=True) == "+33144556677"
    assert LEE.caller_id(external=False) == "100"
    assert RICHARDSON.caller_id(external=True) == "101"


def test_full_name_needs_neither_name() -> None:
    assert LEE.full_name == "Lee Parker"
    assert RICHARDSON.full_name == "Richardson"
    assert Extension("9").full_name == ""
