"""XML of strangers: what is refused, and that what we print is read as it was meant."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import PeerError
from sipcore.events.xml import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, escaped, parse

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<presence>&lol2;</presence>"""


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        b'<!DOCTYPE p SYSTEM "http://192.0.2.66/p.dtd"><p/>',
        b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>',
        b'<!DOCTYPE p [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><p/>',
        b"<!DOCTYPE p><p/>",
        b"<p>&undeclared;</p>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a>" * 10_000,
        b"",
        b"no xml",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b'<a x="1" x="2"/>',
        b'<?xml version="1.0" encoding="unheard-of"?><a/>',
        b'<?xml version="1.0" encoding="base64"?><a/>',
        b"\xff\xfe\x00\xd8<a/>",
        b"<a>\x00</a>",
        b"<x:a/>",
    ],
)
def test_what_hurts_or_is_no_xml_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        parse(data)
    assert refused.value.status == 400


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(PeerError) as refused:
        parse(b"<a>" + b" " * MAX_BYTES + b"</a>")
    assert refused.value.status == 413


def test_names_carry_their_namespace_whatever_the_prefix() -> None:
    root = parse(b'<x:a xmlns:x="urn:1" xmlns="urn:2"><b k="v"> text </b><x:b/></x:a>')
    assert (root.name, [child.name for child in root.children]) == ("urn:1 a", ["urn:2 b", "urn:1 b"])
    assert (root.text_of("urn:2 b"), root.children[0].attributes) == ("text", {"k": "v"})
    assert (root.text_of("urn:2 c"), root.child("urn:2 c")) == ("", None)


@given(st.text())
def test_what_is_escaped_is_read_as_it_was_but_for_what_xml_forbids(text: str) -> None:
    element = parse(f'<a k="{escaped(text)}">{escaped(text)}</a>'.encode())
    assert element.text == element.attributes["k"]
    kept = [character for character in text if character >= " " and character not in "\ufffe\uffff"]
    assert [character for character in element.text if character != " "] == [
        character for character in kept if character != " "
    ]


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        parse(data)
