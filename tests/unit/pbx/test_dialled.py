"""What was dialled, whatever the phone has made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.dialled import dialled, readings
from sipcore.syntax.uri import Uri

KNOWN = {"101", "*777", "*20*101", "#31#", "a;b"}


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("sip:101@pbx", "101"),
        ("sip:101@pbx;user=phone", "101"),
        ("sip:101;phone-context=local@pbx", "101"),
        ("sip:101;phone-context=local@pbx;user=phone", "101"),
        ("tel:101;phone-context=pbx.example", "101"),
        ("sip:101%23@pbx", "101"),
        ("sip:*20*101@pbx", "*20*101"),
        ("sip:%2A20%2A101@pbx", "*20*101"),
        ("sip:%2a20%2a101@pbx", "*20*101"),
        ("sip:%252A20%252A101@pbx", "*20*101"),
        ("sip:*20*101%23@pbx", "*20*101"),
        ("sip:%2A20%2A101%23@pbx;user=phone", "*20*101"),
        ("tel:*20*101;phone-context=pbx.example", "*20*101"),
        ("tel:%2A777;phone-context=pbx.example", "*777"),
        ("sip:%2331%23@pbx", "#31#"),
        ("sip:a%3Bb@pbx", "a;b"),
        ("sip:0123456%23@pbx", "0123456"),
        ("sip:%23@pbx", "#"),
        ("sip:boss@pbx", "boss"),
        ("sip:x%2Fy@pbx", "x/y"),
        ("sip:pbx", ""),
    ],
)
def test_what_is_meant(uri: str, meant: str) -> None:
    assert dialled(Uri.parse(uri), KNOWN.__contains__) == meant


def test_what_is_known_is_taken_as_it_is() -> None:
    assert dialled(Uri.parse("sip:101%23@pbx"), {"101#", "101"}.__contains__) == "101#"


@given(st.text(max_size=200))
def test_there_are_few_readings_and_the_first_is_the_text(text: str) -> None:
    found = readings(Uri("sip", text, host="pbx"))
    assert found[0] == text
    assert 1 <= len(found) <= 4
