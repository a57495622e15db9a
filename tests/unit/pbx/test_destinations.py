"""Destinations and their text form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.destinations import (
    Address,
    Destination,
    End,
    ExtensionNumber,
    Number,
    SystemNumber,
    Voicemail,
    parse,
)

digits = st.text("0123456789", min_size=1, max_size=15)
destinations = st.one_of(
    st.builds(ExtensionNumber, digits),
    st.builds(Voicemail, digits),
    st.builds(SystemNumber, digits),
    st.builds(Number, st.from_regex(r"\A\+?[0-9*#]{1,20}\Z")),
    st.builds(Address, st.from_regex(r"\A(sip|skype):[a-z0-9.@]{1,40}\Z")),
    st.builds(End, st.booleans()),
)


@given(destinations)
def test_each_is_read_back_from_its_text(destination: Destination) -> None:
    assert parse(str(destination)) == destination


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "should be 'busy', 'end', or begin with one of extension:"),
        ("fax:100", "begin with one of"),
        ("extension:", "nothing behind extension:"),
        ("extension:12a", "nothing behind extension:"),
        ("voicemail:1000000000000000", "nothing behind voicemail:"),
        ("number:06 12", "nothing behind number:"),
        ("uri:threecx", "nothing behind uri:"),
        ("uri:sip:a\r\nVia: b", "nothing behind uri:"),
        ("system:٣", "nothing behind system:"),
    ],
)
def test_what_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_an_address_has_a_scheme_and_a_user() -> None:
    address = Address("skype:threecx")
    assert (address.scheme, address.user) == ("skype", "threecx")
