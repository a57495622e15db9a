"""Structured header values: addresses, Via, CSeq, quoted strings and lists (RFC 3261 sections 7.3 and 20)."""

from __future__ import annotations

import pytest

from sipcore.errors import PeerError
from sipcore.syntax.headers import (
    CSeq,
    NameAddress,
    Via,
    format_parameters,
    parse_parameters,
    quote_string,
    split_values,
    unquote_string,
)
from sipcore.syntax.uri import Parameters, Uri

ALICE = Uri("sip", "alice", host="atlanta.com")


# -- quoted strings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quoted", "text"),
    [
        ('""', ""),
        ('"Alice"', "Alice"),
        ('"Watson, Thomas; \\"Tom\\""', 'Watson, Thomas; "Tom"'),
        ('"back\\\\slash"', "back\\slash"),
        ('"\\\\\\""', '\\"'),
        ('"Jürgen — 東京"', "Jürgen — 東京"),
    ],
)
def test_a_quoted_string_and_its_text(quoted: str, text: str) -> None:
    assert unquote_string(quoted) == text
    assert quote_string(text) == quoted


@pytest.mark.parametrize(
    ("quoted", "text"), [('"\\A\\l"', "Al"), ("token", "token"), ('"', '"'), ("", ""), ('"half', '"half')]
)
def test_quotes_and_escapes_that_nobody_needs_are_taken_off_and_other_text_is_left(
    quoted: str, text: str
) -> None:
    assert unquote_string(quoted) == text


# -- lists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        (" ", []),
        ("a", ["a"]),
        (" a ,b,\tc ", ["a", "b", "c"]),
        (",a,, ,b,", ["a", "b"]),
        ('"a, b" <sip:a@b>, <sip:c,d@e>;x="f,g"', ['"a, b" <sip:a@b>', '<sip:c,d@e>;x="f,g"']),
        ('"a\\", b", c', ['"a\\", b"', "c"]),
        ('"a\\\\", b', ['"a\\\\"', "b"]),
        ('"<", a', ['"<"', "a"]),
        ('"never closed, a', ['"never closed, a']),
        ("<never closed, a", ["<never closed, a"]),
    ],
)
def test_a_list_is_split_at_the_commas_outside_quotes_and_brackets(text: str, values: list[str]) -> None:
    assert split_values(text) == values


# -- parameters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", ()),
        (" \t", ()),
        (";lr", (("lr", None),)),
        (";x=", (("x", ""),)),
        (';x=""', (("x", ""),)),
        ("; TAG = aB ;\tx\r\n = y ", (("tag", "aB"), ("x", "y"))),
        (';x="a;b,c=\\"d\\"";y', (("x", 'a;b,c="d"'), ("y", None))),
        (";received=[2001:db8::9:255];maddr=::1", (("received", "[2001:db8::9:255]"), ("maddr", "::1"))),
        (";n!%*_+`'~.-=z9hG4bK/a=b@c", (("n!%*_+`'~.-", "z9hG4bK/a=b@c"),)),
    ],
)
def test_parameters_are_read_and_what_is_printed_is_read_alike(text: str, parameters: Parameters) -> None:
    assert parse_parameters(text) == parameters
    assert parse_parameters(format_parameters(parameters)) == parameters


@pytest.mark.parametrize(
    "text", [";", ";;x", "x", ";x y", ';x="a', ";x=a b", ";x=a<b", ";=y", ";x,y", "; ;", ";(a)=b"]
)
def test_what_is_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        parse_parameters(text)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ((("lr", None), ("x", "")), ';lr;x=""'),
        ((("received", "2001:db8::1"), ("maddr", "192.0.2.1")), ";received=2001:db8::1;maddr=192.0.2.1"),
        (
            (("+sip.instance", "<urn:uuid:0>"), ("methods", "INVITE, BYE")),
            ';+sip.instance="<urn:uuid:0>";methods="INVITE, BYE"',
        ),
        ((("tag", "a/b=@c"), ("branch", "z9hG4bK{1}")), ";tag=a/b=@c;branch=z9hG4bK{1}"),
        ((("tag", "a b"), ("x", "a/b=")), ';tag="a b";x="a/b="'),
    ],
)
def test_values_are_quoted_where_they_must_but_tags_and_branches_stay_as_their_owner_wrote_them(
    parameters: Parameters, text: str
) -> None:
    assert format_parameters(parameters) == text


# -- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<sip:alice@atlanta.com>", NameAddress(None, ALICE)),
        ("sip:alice@atlanta.com", NameAddress(None, ALICE)),
        ("sip:alice@atlanta.com;tag=1928", NameAddress(None, ALICE, (("tag", "1928"),))),
        (" sip:alice@atlanta.com ;\ttag = 1928 ", NameAddress(None, ALICE, (("tag", "1928"),))),
        (
            "<sip:alice@atlanta.com;lr>;tag=1",
            NameAddress(
                None, Uri("sip", "alice", host="atlanta.com", parameters=(("lr", None),)), (("tag", "1"),)
            ),
        ),
        ("Alice <sip:alice@atlanta.com>", NameAddress("Alice", ALICE)),
        ("Alice<sip:alice@atlanta.com>", NameAddress("Alice", ALICE)),
        ("  Alice of  Atlanta \t <sip:alice@atlanta.com>", NameAddress("Alice of  Atlanta", ALICE)),
        ('"Alice"<sip:alice@atlanta.com>', NameAddress("Alice", ALICE)),
        ('"" <sip:alice@atlanta.com>', NameAddress(None, ALICE)),
        (' "A, <B>; \\"C\\" \\\\" < sip:alice@atlanta.com > ', NameAddress('A, <B>; "C" \\', ALICE)),
        ('"Jürgen 東京" <sip:alice@atlanta.com>', NameAddress("Jürgen 東京", ALICE)),
        ("Jürgen <sip:alice@atlanta.com>", NameAddress("Jürgen", ALICE)),
        (
            '<sip:alice@atlanta.com?Subject=x>;q=0.7;+sip.instance="<urn:uuid:1>"',
            NameAddress(
                None,
                Uri("sip", "alice", host="atlanta.com", headers=(("subject", "x"),)),
                (("q", "0.7"), ("+sip.instance", "<urn:uuid:1>")),
            ),
        ),
        ("tel:+12;tag=1", NameAddress(None, Uri("tel", "+12"), (("tag", "1"),))),
        (
            "<tel:12;phone-context=+1>;tag=1",
            NameAddress(None, Uri("tel", "12", parameters=(("phone-context", "+1"),)), (("tag", "1"),)),
        ),
        (
            "<sip:a@[2001:db8::1]:5070>",
            NameAddress(None, Uri("sip", "a", host="2001:db8::1", port=5070)),
        ),
    ],
)
def test_an_address_is_read_and_what_is_printed_is_read_alike(text: str, address: NameAddress) -> None:
    assert NameAddress.parse(text) == address
    assert NameAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "<>",
        "Alice",
        "<sip:alice@atlanta.com",
        "sip:alice@atlanta.com>",
        '"Alice <sip:alice@atlanta.com>',
        'Ali"ce" <sip:alice@atlanta.com>',
        '"Alice" of Atlanta <sip:alice@atlanta.com>',
        "Bell, Alexander <sip:a.g.bell@example.com>",
        "<sip:alice@atlanta.com> tag=1",
        "<sip:alice@atlanta.com>;tag=1 x",
        "<sip:alice@atlanta.com>,<sip:bob@biloxi.com>",
        "<<sip:alice@atlanta.com>>",
        "sip:alice@atlanta.com?Route=%3Csip:example.com%3E",  # section 20.10: brackets are required around a "?"
    ],
)
def test_what_is_no_address_is_refused_with_400(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        NameAddress.parse(text)
    assert refused.value.status == 400


def test_the_tag_and_other_parameters_of_an_address() -> None:
    address = NameAddress.parse('"A" <sip:alice@atlanta.com>;TAG=aB;lr;x=""')
    assert address.tag == "aB"
    assert [address.parameter(name) for name in ("lr", "x", "y")] == ["", "", None]
    assert NameAddress.parse("<sip:alice@atlanta.com;tag=1>").tag is None
    assert str(address.with_tag("new")) == '"A" <sip:alice@atlanta.com>;tag=new'


# -- Via -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "via", "sent_by"),
    [
        (
            "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776",
            Via("UDP", "pc33.atlanta.com", None, (("branch", "z9hG4bK776"),)),
            "pc33.atlanta.com",
        ),
        ("SIP/2.0/tcp 192.0.2.1:5062", Via("TCP", "192.0.2.1", 5062), "192.0.2.1:5062"),
        (
            "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
            Via(
                "UDP",
                "first.example.com",
                4000,
                (("ttl", "16"), ("maddr", "224.2.0.1"), ("branch", "z9hG4bKa7c6a8dlze.1")),
            ),
            "first.example.com:4000",
        ),
        (
            "sip/2.0/TLS [2001:DB8::9:1]:5061;received=[2001:db8::9:255];rport",
            Via("TLS", "2001:db8::9:1", 5061, (("received", "[2001:db8::9:255]"), ("rport", None))),
            "[2001:db8::9:1]:5061",
        ),
        ("SIP/2.0/WS df7jal23ls0d.invalid", Via("WS", "df7jal23ls0d.invalid", None), "df7jal23ls0d.invalid"),
    ],
)
def test_a_via_is_read_and_what_is_printed_is_read_alike(text: str, via: Via, sent_by: str) -> None:
    assert Via.parse(text) == via
    assert Via.parse(str(via)) == via
    assert via.sent_by == sent_by


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 UDP host",
        "SIP/7.0/UDP host",
        "HTTP/2.0/UDP host",
        "SIP/2.0/UDP ;branch=1",
        "SIP/2.0/UDP host:",
        "SIP/2.0/UDP host:0",
        "SIP/2.0/UDP host:65536",
        "SIP/2.0/UDP host:99999",
        "SIP/2.0/UDP host:x",
        "SIP/2.0/UDP 2001:db8::9:1",
        "SIP/2.0/UDP host;;",
        "SIP/2.0/UDP host, SIP/2.0/UDP host",
    ],
)
def test_what_is_no_via_is_refused_with_400(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        Via.parse(text)
    assert refused.value.status == 400


def test_the_branch_and_other_parameters_of_a_via() -> None:
    via = Via.parse("SIP/2.0/UDP host;Branch=z9hG4bKaB;rport;x=1")
    assert via.branch == "z9hG4bKaB"
    assert [via.parameter(name) for name in ("rport", "x", "y")] == ["", "1", None]
    assert Via.parse("SIP/2.0/UDP host").branch == ""


# -- CSeq ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cseq"),
    [
        ("1 INVITE", CSeq(1, "INVITE")),
        ("0009 INVITE", CSeq(9, "INVITE")),
        ("0   x-Method", CSeq(0, "x-Method")),
        ("7\tBYE", CSeq(7, "BYE")),
        ("4294967295 ACK", CSeq(2**32 - 1, "ACK")),
    ],
)
def test_a_cseq_is_read_and_what_is_printed_is_read_alike(text: str, cseq: CSeq) -> None:
    assert CSeq.parse(text) == cseq
    assert CSeq.parse(str(cseq)) == cseq


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "1 ",
        "INVITE 1",
        "-1 INVITE",
        "+1 INVITE",
        "1.5 INVITE",
        "4294967296 INVITE",
        "٣ INVITE",
        "36893488147419103232 REGISTER",
    ],
)
def test_what_is_no_cseq_is_refused_with_400(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        CSeq.parse(text)
    assert refused.value.status == 400
