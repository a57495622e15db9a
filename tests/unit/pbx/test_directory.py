"""Extensions are found by number and by SIP ID."""

from __future__ import annotations

import pytest

from pbx.directory import Directory, Extension
from sipcore.registrar.digest import Credentials

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


@pytest.mark.row("CORE-23", "CORE-24")
def test_every_name_of_an_extension_leads_to_its_own_credentials() -> None:
    first, second = (Credentials.of(number, "myphone", "same password") for number in ("100", "101"))
    directory = Directory(
        [
            Extension("100", sip_id="Ext100", credentials=first),
            Extension("101", sip_id="ext101", credentials=second),
            Extension("102", sip_id="ext102"),
        ]
    )
    found = {
        name: directory.find(name) for name in ("100", "ext100", "EXT100", "101", "eXt101", "102", "ext102")
    }
    credentials = [extension and extension.credentials for extension in found.values()]
    assert credentials == [first, first, first, second, second, None, None]


@pytest.mark.parametrize(
    "name",
    ["", " 100", "100 ", "0100", "ext", "sip:100", "\uff11\uff10\uff10", "100\0", "\udcff", "1" * 10_000],
)
def test_a_name_that_is_almost_one_leads_nowhere(name: str) -> None:
    assert Directory([LEE, Extension("7")]).find(name) is None


def test_an_extension_that_is_given_twice_is_the_last_one_under_every_name() -> None:
    old, new = Extension("100", "Old", sip_id="old"), Extension("100", "New", sip_id="new")
    directory = Directory([old, new])
    assert (directory.find("100"), directory.find("new"), directory.find("old")) == (new, new, None)
    assert (list(directory), len(directory)) == ([new], 1)


@pytest.mark.row("CORE-23")
def test_an_extension_does_not_show_its_credentials() -> None:
    credentials = Credentials.of("100", "myphone", "secret")
    shown = repr(Extension("100", credentials=credentials))
    assert "redentials" not in shown
    assert credentials.md5 not in shown
