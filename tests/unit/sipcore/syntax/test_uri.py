"""URIs are read, printed and compared as RFC 3261 section 19.1 and RFC 3966 say."""

from __future__ import annotations

import pytest

from sipcore.errors import PeerError
from sipcore.syntax.uri import Uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@atlanta.com", Uri("sip", "alice", host="atlanta.com")),
        ("sip:atlanta.com", Uri("sip", host="atlanta.com")),
        ("SIPS:alice@Atlanta.COM", Uri("sips", "alice", host="atlanta.com")),
        ("sip:alice:secretword@atlanta.com", Uri("sip", "alice", "secretword", "atlanta.com")),
        ("sip:alice:@atlanta.com", Uri("sip", "alice", "", "atlanta.com")),
        (
            "sip:alice:secretword@atlanta.com;transport=tcp",
            Uri("sip", "alice", "secretword", "atlanta.com", None, (("transport", "tcp"),)),
        ),
        ("sip:alice@192.0.2.4:5070", Uri("sip", "alice", host="192.0.2.4", port=5070)),
        ("sip:alice@192.0.2.4:05070", Uri("sip", "alice", host="192.0.2.4", port=5070)),
        ("sip:[2001:DB8::10]", Uri("sip", host="2001:db8::10")),
        ("sip:alice@[::ffff:192.0.2.1]:5061", Uri("sip", "alice", host="::ffff:192.0.2.1", port=5061)),
        ("sip:192.0.2.4;LR", Uri("sip", host="192.0.2.4", parameters=(("lr", None),))),
        ("sip:a@b;x=;y=Z;y", Uri("sip", "a", host="b", parameters=(("x", ""), ("y", "Z"), ("y", None)))),
        (
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com&x=",
            Uri(
                "sip",
                host="atlanta.com",
                parameters=(("method", "REGISTER"),),
                headers=(("to", "alice@atlanta.com"), ("x", "")),
            ),
        ),
        ("sip:alice;day=tuesday@atlanta.com", Uri("sip", "alice;day=tuesday", host="atlanta.com")),
        ("sip:a?b/c,d@atlanta.com", Uri("sip", "a?b/c,d", host="atlanta.com")),
        ("sip:%2A777@pbx", Uri("sip", "*777", host="pbx")),
        ("sip:j%40s0n:p%3aw@pbx", Uri("sip", "j@s0n", "p:w", "pbx")),
        ("sip:null-%00-null@pbx", Uri("sip", "null-\0-null", host="pbx")),
        ("sip:J%C3%BCrgen@pbx", Uri("sip", "Jürgen", host="pbx")),
        ("sip:Jürgen@pbx", Uri("sip", "Jürgen", host="pbx")),
        (
            "sip:a@b;%6C%72;n%61me=v%61lue%25",
            Uri("sip", "a", host="b", parameters=(("lr", None), ("name", "value%"))),
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            Uri("sip", "+1-212-555-1212", "1234", "gateway.com", None, (("user", "phone"),)),
        ),
        ("tel:+1-201-555-0123", Uri("tel", "+1-201-555-0123")),
        (
            "TEL:7042;phone-context=example.com",
            Uri("tel", "7042", parameters=(("phone-context", "example.com"),)),
        ),
        ("tel:*777#", Uri("tel", "*777#")),
        ("urn:service:sos", Uri("urn", "service:sos")),
        ("http://www.example.com/a?b=c", Uri("http", "//www.example.com/a?b=c")),
    ],
)
def test_a_uri_is_read_and_what_is_printed_is_read_alike(text: str, uri: Uri) -> None:
    assert Uri.parse(text) == uri
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sips:alice:secretword@atlanta.com:5061;transport=tcp;lr?subject=project%20x&priority=urgent",
        "sip:[2001:db8::10]:5060",
        "sip:a@b?x",
        "sip:a%40b;c?d/e@host",
        "tel:+1-201-555-0123;ext=12",
        "tel:*31#",
        "urn:service:sos.fire",
    ],
)
def test_a_canonical_uri_is_printed_as_it_was_written(text: str) -> None:
    assert str(Uri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "alice@atlanta.com",
        "sip:",
        "sip:@atlanta.com",
        "sip::secret@atlanta.com",
        "sip:alice@",
        "sip:alice@atlanta.com:",
        "sip:alice@atlanta.com:0",
        "sip:alice@atlanta.com:65536",
        "sip:alice@atlanta.com:5060x",
        "sip:alice@bob@atlanta.com",
        "sip:al ice@atlanta.com",
        "sip:alice@atlanta.com ",
        "<sip:alice@atlanta.com>",
        'sip:"alice"@atlanta.com',
        "sip:2001:db8::10",
        "sip:alice@2001:db8::10",
        "sip:[2001:db8::10",
        "sip:2001:db8::10]",
        "sip:[atlanta.com]",
        "sip:alice@atlanta.com\r\nVia: x",
        "sip:alice@atlanta.com\n",
        "tel:",
        "tel:;ext=1",
        "tel:1 2",
        "1tel:12",
    ],
)
def test_what_is_no_uri_is_refused_with_400(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        Uri.parse(text)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "uri",
    [
        Uri("sip", 'a@b:c d<>"%\r\n\0', "p@:;w", "host"),
        Uri("sip", "a", host="b", parameters=(("x;=\r\n", "v;?&=>\n"), ("?&", None))),
        Uri("sip", "a", host="b", headers=(("s&=\r\n", "v;?&=>\n"), ("t", ""), ("u", None))),
        Uri("tel", '1;2<>"% \r\n\0'),
        Uri("tel", "1", parameters=(("x ;", "\r\n;"),)),
    ],
)
def test_what_would_break_out_of_a_uri_is_printed_escaped(uri: Uri) -> None:
    text = str(uri)
    assert not any(character in text for character in ' <>"\r\n\0')
    assert Uri.parse(text) == uri


@pytest.mark.parametrize("text", ["sip:%ff%fe@host", "sip:a@host;x=%ff", "tel:%ff", "sip:\udcff@host"])
def test_bytes_that_are_no_utf8_come_out_as_they_went_in(text: str) -> None:
    uri = Uri.parse(text)
    assert str(uri).lower() == text.replace("\udcff", "%ff")
    assert Uri.parse(str(uri)) == uri


# RFC 3261 section 19.1.4 and its examples.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::1]"),  # RFC 5954 section 4.2
    ],
)
def test_equivalent_uris_match(one: str, other: str) -> None:
    assert Uri.parse(one).matches(Uri.parse(other))
    assert Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:secret@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=phone"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=1"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;method=INVITE"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.4"),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]"),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:db8::1::]"),
        ("tel:12", "tel:13"),
    ],
)
def test_other_uris_do_not(one: str, other: str) -> None:
    assert not Uri.parse(one).matches(Uri.parse(other))
    assert not Uri.parse(other).matches(Uri.parse(one))


def test_equivalence_is_not_transitive() -> None:
    """The RFC says so of its own rule."""
    plain, on, off = (
        Uri.parse(f"sip:carol@chicago.com{end}") for end in ("", ";security=on", ";security=off")
    )
    assert plain.matches(on)
    assert plain.matches(off)
    assert not on.matches(off)


def test_a_parameter_is_found_by_its_name_whatever_its_value() -> None:
    uri = Uri.parse("sip:a@b;lr;x=;Y=Z")
    assert [uri.parameter(name) for name in ("lr", "x", "y", "z")] == ["", "", "Z", None]
    assert [uri.has_parameter(name) for name in ("lr", "x", "y", "z")] == [True, True, True, False]


def test_a_uri_without_some_parameters_is_otherwise_the_same() -> None:
    assert str(Uri.parse("sip:a:p@b:5070;lr;x=1;y?h=1").without("lr", "y")) == "sip:a:p@b:5070;x=1?h=1"
