"""Messages keep their header fields in order, give them as values, and are copied from one another by the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipcore.errors import PeerError, UsageError
from sipcore.syntax.headers import CSeq, NameAddress, Via
from sipcore.syntax.message import Message, Request, Response, ack_for, cancel_for, response_to
from sipcore.syntax.uri import Uri

HEADERS = [
    ("Via", "SIP/2.0/UDP a.example.com;branch=z9hG4bK1, SIP/2.0/TCP b.example.com"),
    ("Via", "SIP/2.0/TLS c.example.com"),
    ("Route", "<sip:p1.example.com;lr>"),
    ("From", '"Alice" <sip:alice@example.com>;tag=from'),
    ("Route", "<sip:p2.example.com;lr>,<sip:p3.example.com;lr>"),
    ("To", "Bob <sip:bob@example.com>"),
    ("Call-ID", "call@example.com"),
    ("CSeq", "7 INVITE"),
    ("Max-Forwards", "68"),
    ("Contact", "<sip:alice@192.0.2.1>;q=0.5, sip:alice@192.0.2.2;expires=60"),
    ("Subject", "lunch"),
]


def invite(*more: tuple[str, str], without: str = "") -> Request:
    headers = [header for header in HEADERS if header[0] != without]
    return Request("INVITE", "sip:bob@example.com", [*headers, *more], b"body")


# -- header fields as text -----------------------------------------------------------------------------


def test_header_fields_keep_their_order() -> None:
    message = Message([("Route", "1"), ("To", "2"), ("Route", "3")])
    message.add("Route", "4")
    message.prepend("Via", "0")
    assert message.headers == [("Via", "0"), ("Route", "1"), ("To", "2"), ("Route", "3"), ("Route", "4")]
    assert message.get("Route") == "1"
    assert message.get_all("Route") == ["1", "3", "4"]
    message.set("To", "5")
    message.set("From", "6")
    message.remove("Route")
    assert message.headers == [("Via", "0"), ("To", "5"), ("From", "6")]


def test_a_header_field_that_is_not_there() -> None:
    message = Message([("To", "")])
    assert message.has("To")
    assert not message.has("Route")
    assert message.get("Route") is None
    assert message.get_all("Route") == []
    message.remove("Route")
    assert message.headers == [("To", "")]


@pytest.mark.parametrize("value", ["a\r\nVia: b", "a\rb", "a\nb", "a\0b", "\n", "a\r"])
@pytest.mark.parametrize("change", [Message.add, Message.prepend, Message.set])
def test_no_value_breaks_out_of_its_line(change: Callable[[Message, str, str], None], value: str) -> None:
    message = Message([("To", "bob")])
    for name in ("To", "Subject"):
        with pytest.raises(UsageError):
            change(message, name, value)
    assert message.headers == [("To", "bob")]


def test_no_request_uri_and_no_reason_breaks_out_of_its_line() -> None:
    with pytest.raises(UsageError):
        Request("INVITE", "sip:a@b SIP/2.0\r\nVia: x")
    with pytest.raises(UsageError):
        Response(200, "OK\r\nVia: x")


# -- header fields as values ---------------------------------------------------------------------------


def test_values_are_read_from_all_lines_and_commas() -> None:
    request = invite()
    assert [via.host for via in request.vias] == ["a.example.com", "b.example.com", "c.example.com"]
    assert request.via == Via("UDP", "a.example.com", None, (("branch", "z9hG4bK1"),))
    assert [route.uri.host for route in request.routes] == [f"p{number}.example.com" for number in (1, 2, 3)]
    assert [str(contact) for contact in request.contacts] == [
        "<sip:alice@192.0.2.1>;q=0.5",
        "<sip:alice@192.0.2.2>;expires=60",
    ]
    assert request.from_ == NameAddress("Alice", Uri("sip", "alice", host="example.com"), (("tag", "from"),))
    assert request.to == NameAddress("Bob", Uri("sip", "bob", host="example.com"))
    assert (request.call_id, request.cseq, request.max_forwards) == (
        "call@example.com",
        CSeq(7, "INVITE"),
        68,
    )
    assert request.uri == Uri("sip", "bob", host="example.com")


def test_what_is_absent_is_empty_where_it_may_be() -> None:
    message = Message()
    lists = [message.vias, message.routes, message.record_routes, message.paths, message.contacts]
    assert not any([*lists, message.require, message.supported])
    assert message.max_forwards is None
    assert message.expires is None
    assert message.content_type is None
    assert message.user_agent == ""
    assert not message.contact_star


def test_lists_may_be_empty_lines() -> None:
    message = Message([("Supported", ""), ("Require", "")])
    assert message.supported == message.require == []


@pytest.mark.parametrize("name", ["via", "from_", "to", "call_id", "cseq"])
def test_what_must_be_there_is_missed_with_400(name: str) -> None:
    with pytest.raises(PeerError) as missed:
        getattr(Message(), name)
    assert missed.value.status == 400


def test_option_tags_and_media_types_are_lower_case() -> None:
    message = Message(
        [
            ("Require", "100rel, Timer"),
            ("Supported", "GRUU"),
            ("Supported", "path"),
            ("Content-Type", "Application/SDP ;charset=UTF-8"),
        ]
    )
    assert message.require == ["100rel", "timer"]
    assert message.supported == ["gruu", "path"]
    assert message.content_type == "application/sdp"


def test_a_star_is_no_contact() -> None:
    message = Message([("Contact", "*")])
    assert message.contact_star
    assert message.contacts == []


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("0068", 68), ("4294967295", 2**32 - 1), ("9999999999", 2**32 - 1)]
)
def test_numbers_end_at_32_bits(text: str, number: int) -> None:
    message = Message([("Expires", text), ("Max-Forwards", text)])
    assert message.expires == message.max_forwards == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "x", "0x10", "٣", "²", "1_0", "10000000000"])
def test_what_is_no_number_is_refused_with_400(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        _ = Message([("Expires", text)]).expires
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.set("To", "<sip:carol@example.com>"),
        lambda message: message.prepend("To", "<sip:carol@example.com>"),
        lambda message: (message.remove("To"), message.add("To", "<sip:carol@example.com>")),
    ],
)
def test_values_and_bytes_follow_the_text(change: Callable[[Message], object]) -> None:
    request = invite()
    assert request.to.uri.user == "bob"
    assert b"carol" not in request.to_bytes()
    change(request)
    assert request.to.uri.user == "carol"
    assert b"\r\nTo: <sip:carol@example.com>\r\n" in request.to_bytes()


# -- printing ------------------------------------------------------------------------------------------


def test_what_is_changed_after_it_was_looked_for_is_found() -> None:
    message = Message([("Route", "<sip:one>"), ("To", "<sip:a@b>")])
    assert message.get("Subject") is None
    message.add("Route", "<sip:two>")
    message.add("Subject", "lunch")
    assert (message.get("Route"), message.get("Subject")) == ("<sip:one>", "lunch")
    message.prepend("Route", "<sip:zero>")
    message.set("To", "<sip:c@d>")
    message.set("Priority", "urgent")
    assert [message.get(name) for name in ("Route", "To", "Priority")] == ["<sip:zero>", "<sip:c@d>", "urgent"]
    message.set("Route", "<sip:first>")
    assert (message.get("Route"), len(message.get_all("Route"))) == ("<sip:first>", 3)


def test_a_request_is_printed_with_the_length_of_its_body_last() -> None:
    request = Request(
        "MESSAGE", "sip:bob@example.com", [("To", "bob"), ("Content-Length", "99")], "Grüße".encode()
    )
    assert request.to_bytes() == (
        b"MESSAGE sip:bob@example.com SIP/2.0\r\nTo: bob\r\nContent-Length: 7\r\n\r\nGr\xc3\xbc\xc3\x9fe"
    )


def test_a_response_is_printed_with_the_reason_of_its_status() -> None:
    assert Response(404).to_bytes() == b"SIP/2.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert Response(404, "Gone Fishing").to_bytes().startswith(b"SIP/2.0 404 Gone Fishing\r\n")
    assert Response(299).to_bytes().startswith(b"SIP/2.0 299 \r\n")


def test_bytes_that_are_no_utf8_are_printed_as_they_came() -> None:
    message = Response(200, headers=[("Subject", b"\xff\xe4".decode("utf-8", "surrogateescape"))])
    assert b"Subject: \xff\xe4\r\n" in message.to_bytes()


def test_what_is_neither_request_nor_response_is_not_printed() -> None:
    with pytest.raises(UsageError):
        Message().to_bytes()


def test_messages_with_the_same_bytes_are_equal() -> None:
    assert invite() == invite()
    assert hash(invite()) == hash(invite())
    assert invite() != invite(("Subject", "dinner"))
    assert Response(200) != Request("OPTIONS", "sip:a")


# -- copies --------------------------------------------------------------------------------------------


def test_a_response_copies_what_names_the_request() -> None:
    request = invite()
    response = response_to(request, 486, to_tag="ours", headers=[("Retry-After", "60")], body=b"busy")
    assert (response.status, response.reason, response.body) == (486, "Busy Here", b"busy")
    assert response.get_all("Via") == request.get_all("Via")
    assert [response.get(name) for name in ("From", "Call-ID", "CSeq")] == [
        request.get(name) for name in ("From", "Call-ID", "CSeq")
    ]
    assert response.get("To") == "Bob <sip:bob@example.com>;tag=ours"
    assert {name for name, _ in response.headers} == {"Via", "From", "To", "Call-ID", "CSeq", "Retry-After"}


@pytest.mark.parametrize("missing", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_response_has_nothing_of_what_the_request_lacks(missing: str) -> None:
    names = ["Via", "From", "To", "Call-ID", "CSeq"]
    request = Request("OPTIONS", "sip:a", [(name, name.lower()) for name in names if name != missing])
    answered = {name for name, _ in response_to(request, 400).headers}
    assert answered == {*names} - {missing}


def test_100_trying_has_no_tag() -> None:
    """RFC 3261 section 8.2.6.2 asks for one in any other response."""
    assert response_to(invite(), 100, to_tag="ours").to.tag is None
    assert response_to(invite(), 180, to_tag="ours").to.tag == "ours"
    assert response_to(invite(), 180).to.tag is None


@pytest.mark.parametrize(
    "to",
    [
        "<sip:bob@example.com>;tag=theirs",
        "sip:bob@example.com;TAG=theirs",
        "sip:bob@example.com ;   tag    = theirs",
        '"Bob" <sip:bob@example.com>;x=1;tag="theirs"',
    ],
)
def test_a_tag_that_is_there_stays(to: str) -> None:
    assert response_to(invite(("To", to), without="To"), 200, to_tag="ours").get("To") == to


@pytest.mark.parametrize(
    "to",
    [
        "sip:bob@example.com",
        '"Bob;tag=1" <sip:bob@example.com>',
        "<sip:bob@example.com;tag=1>",
        "<sip:bob@example.com>;x=1",
        '<sip:bob@example.com>;x=";tag=1"',
    ],
)
def test_a_tag_elsewhere_is_no_tag(to: str) -> None:
    assert response_to(invite(("To", to), without="To"), 200, to_tag="ours").to.tag == "ours"


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        ('"Bob <sip:bob@example.com>', '"Bob <sip:bob@example.com>;tag=ours'),
        ('"Bob <sip:bob@example.com>;tag=theirs', '"Bob <sip:bob@example.com>;tag=theirs'),
    ],
)
def test_a_request_whose_to_cannot_be_read_is_answered_all_the_same(to: str, answered: str) -> None:
    assert response_to(invite(("To", to), without="To"), 400, to_tag="ours").get("To") == answered


def own_invite() -> Request:
    """An INVITE as a client sends it: with a single Via."""
    request = invite(("Require", "100rel"), ("Authorization", "Digest x"), without="Via")
    request.prepend("Via", "SIP/2.0/UDP a.example.com;branch=z9hG4bK1")
    return request


def test_a_cancel_names_the_invite_and_nothing_else() -> None:
    request = own_invite()
    cancel = cancel_for(request)
    assert (cancel.method, cancel.uri_text, cancel.cseq) == (
        "CANCEL",
        "sip:bob@example.com",
        CSeq(7, "CANCEL"),
    )
    for name in ("Via", "From", "To", "Call-ID", "Route"):
        assert cancel.get_all(name) == request.get_all(name)
    assert {name for name, _ in cancel.headers} == {
        "Via",
        "Max-Forwards",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Route",
    }
    assert cancel.body == b""
    assert cancel_for(request, [("Reason", "SIP;cause=200")]).get("Reason") == "SIP;cause=200"


def test_an_ack_takes_to_from_the_response_and_the_rest_from_the_invite() -> None:
    request = own_invite()
    ack = ack_for(request, response_to(request, 486, to_tag="theirs"))
    assert (ack.method, ack.uri_text, ack.cseq) == ("ACK", "sip:bob@example.com", CSeq(7, "ACK"))
    assert ack.to.tag == "theirs"
    for name in ("Via", "From", "Call-ID", "Route"):
        assert ack.get_all(name) == request.get_all(name)
    assert ack.body == b""
