"""Telephone numbers by the rules of countries."""

from __future__ import annotations

import pytest

from pbx.numbers import NumberFormat, NumberingPlan, is_country

FRANCE = NumberingPlan("FR")
AMERICA = NumberingPlan("US")


@pytest.mark.parametrize(
    ("plan", "dialled", "e164", "country"),
    [
        (FRANCE, "0612345678", "+33612345678", "FR"),
        (FRANCE, "0033612345678", "+33612345678", "FR"),
        (FRANCE, "+33612345678", "+33612345678", "FR"),
        (FRANCE, "00442079460000", "+442079460000", "GB"),
        (FRANCE, "3631", "", "FR"),
        (FRANCE, "17", "", "FR"),
        (FRANCE, "+99912345678", "", ""),
        (FRANCE, "+80012345678", "+80012345678", "001"),
        (FRANCE, "", "", ""),
        (FRANCE, "anonymous", "", ""),
        (AMERICA, "2025550123", "+12025550123", "US"),
        (AMERICA, "18095551234", "+18095551234", "DO"),
        (AMERICA, "8095551234", "+18095551234", "DO"),
        (AMERICA, "80955512345678", "", "DO"),
        (AMERICA, "0112079460000", "+2079460000", "EG"),
        (AMERICA, "99955512345678", "", ""),
        (NumberingPlan("US", "00"), "00442079460000", "+442079460000", "GB"),
        (NumberingPlan(), "+442079460000", "+442079460000", "GB"),
        (NumberingPlan(), "02079460000", "", ""),
    ],
)
def test_numbers_are_made_out(plan: NumberingPlan, dialled: str, e164: str, country: str) -> None:
    number = plan.read(dialled)
    assert (number.digits, number.e164, number.country) == (dialled, e164, country)
    assert str(number) == (e164 or dialled)


@pytest.mark.parametrize(
    ("dialled", "forms"),
    [
        ("0033612345678", ["+33612345678", "33612345678", "0612345678", "0033612345678"]),
        ("+442079460000", ["+442079460000", "442079460000", "00442079460000", "+442079460000"]),
        ("3631", ["3631"] * 4),
    ],
)
def test_each_trunk_has_its_way_of_writing_numbers(dialled: str, forms: list[str]) -> None:
    number = FRANCE.read(dialled)
    assert [number.formatted(form) for form in NumberFormat] == forms


def test_emergency_numbers_are_those_of_the_country() -> None:
    assert [digits for digits in ("112", "15", "911", "999", "0112") if FRANCE.is_emergency(digits)] == [
        "112",
        "15",
    ]
    assert AMERICA.is_emergency("911")
    assert not NumberingPlan().is_emergency("112")


@pytest.mark.parametrize(
    "text", ["*15", "#112", "112#", "112/x0033612345678", "x112", "1-1-2", "112@voip", "١١٢", ""]
)
def test_what_is_not_all_digits_is_no_emergency_number(text: str) -> None:
    """Dial codes such as *15 call nobody for help, and nothing else goes out under that name."""
    assert not FRANCE.is_emergency(text)


def test_countries() -> None:
    assert [code for code in ("FR", "fr", "XX", "001", "") if is_country(code)] == ["FR"]
