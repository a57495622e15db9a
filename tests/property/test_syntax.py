"""What is printed is read alike, whatever it is; and whatever is read ends as a message or as an error of the peer."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcore.errors import ParseError, PeerError
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
from sipcore.syntax.message import Message, Request, Response, response_to
from sipcore.syntax.parser import Limits, parse_message, read_message
from sipcore.syntax.remember import Recent, kept
from sipcore.syntax.uri import Parameters, Uri
from sipcore.transport.flow import Address, Flow, Transport
from sipcore.transport.response_routing import stamp_via

# -- values --------------------------------------------------------------------------------------------

LETTERS = "abcXYZ019-.!%*_+`'~"
TOKENS = st.text(LETTERS, min_size=1, max_size=12)
LOWER_TOKENS = TOKENS.map(str.lower)
ANYTHING = st.text(
    st.one_of(st.sampled_from(' \t"\\,;<>:@?&=%[]()/#\0\r\n'), st.characters(codec="utf-8")), max_size=12
)
SOMETHING = ANYTHING.filter(bool)
ONE_LINE = ANYTHING.map(lambda text: text.replace("\r", "").replace("\n", ""))
HOSTS = st.sampled_from(
    ["example.com", "pbx", "192.0.2.1", "2001:db8::1", "::", "::ffff:192.0.2.1", "a_b-c.d"]
)
PORTS = st.none() | st.integers(1, 65535)


def pairs(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Parameters]:
    return st.lists(st.tuples(names, st.none() | values), max_size=3).map(tuple)


URI_PAIRS = pairs(SOMETHING.map(str.lower).filter(lambda text: text == text.lower()), ANYTHING)
HEADER_PAIRS = pairs(LOWER_TOKENS | st.sampled_from(["tag", "branch"]), ONE_LINE)


@st.composite
def uris(draw: st.DrawFn) -> Uri:
    if draw(st.integers(0, 3)) == 0:
        scheme = draw(st.sampled_from(["tel", "urn", "http", "x+y.z-1"]))
        return Uri(scheme, draw(SOMETHING), parameters=draw(URI_PAIRS))
    user = draw(st.none() | SOMETHING)
    password = None if user is None else draw(st.none() | ANYTHING)
    scheme, host, port = draw(st.sampled_from(["sip", "sips"])), draw(HOSTS), draw(PORTS)
    return Uri(scheme, user, password, host, port, draw(URI_PAIRS), draw(URI_PAIRS))


ADDRESSES = st.builds(NameAddress, st.none() | ONE_LINE.filter(bool), uris(), HEADER_PAIRS)
VIAS = st.builds(Via, TOKENS.map(str.upper), HOSTS, PORTS, HEADER_PAIRS)
CSEQS = st.builds(CSeq, st.integers(0, 2**32 - 1), TOKENS)


@given(uris())
def test_a_uri_is_read_as_it_was(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri
    assert uri.matches(Uri.parse(str(uri)))


@given(uris(), uris())
def test_uris_match_both_ways_or_not_at_all(one: Uri, other: Uri) -> None:
    assert one.matches(one)
    assert one.matches(other) == other.matches(one)


@given(ADDRESSES)
def test_an_address_is_read_as_it_was(address: NameAddress) -> None:
    assert NameAddress.parse(str(address)) == address


@given(VIAS)
def test_a_via_is_read_as_it_was(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(CSEQS)
def test_a_cseq_is_read_as_it_was(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@given(HEADER_PAIRS)
def test_parameters_are_read_as_they_were(parameters: Parameters) -> None:
    assert parse_parameters(format_parameters(parameters)) == parameters


@given(ANYTHING)
def test_a_quoted_string_holds_what_was_put_in(text: str) -> None:
    assert unquote_string(quote_string(text)) == text
    assert split_values(f"{quote_string(text)},x") == [quote_string(text), "x"]


@given(st.lists(ADDRESSES, max_size=4))
def test_a_list_is_split_where_it_was_joined(addresses: list[NameAddress]) -> None:
    values = [str(address) for address in addresses]
    assert split_values(", ".join(values)) == values


# -- messages ------------------------------------------------------------------------------------------

LINES = st.binary(max_size=30).map(lambda data: data.translate(None, b"\r\n\0"))
VALUES = LINES.map(lambda data: data.decode("utf-8", "surrogateescape").strip())
EXTENSIONS = st.tuples(TOKENS.map("X-{}".format), VALUES)
CALL_IDS = TOKENS


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    """Messages that hold what a transaction needs, in any order, and more."""
    method = draw(TOKENS)
    headers = [
        *(("Via", str(via)) for via in draw(st.lists(VIAS, min_size=1, max_size=3))),
        ("From", str(draw(ADDRESSES))),
        ("To", str(draw(ADDRESSES))),
        ("Call-ID", draw(CALL_IDS)),
        ("CSeq", str(CSeq(draw(st.integers(0, 2**32 - 1)), method))),
        ("Contact", ", ".join(map(str, draw(st.lists(ADDRESSES, max_size=3))))),
        *draw(st.lists(EXTENSIONS, max_size=4)),
    ]
    headers, body = draw(st.permutations(headers)), draw(st.binary(max_size=40))
    if draw(st.booleans()):
        return Request(method, draw(uris()), headers, body)
    return Response(draw(st.integers(100, 699)), draw(VALUES), headers, body)


@given(messages(), st.booleans())
def test_a_message_is_read_as_it_was(message: Request | Response, stream: bool) -> None:
    read = parse_message(message.to_bytes(), stream=stream)
    assert read == message
    assert read.headers == message.headers
    assert read.body == message.body
    assert (read.vias, read.from_, read.to) == (message.vias, message.from_, message.to)
    assert (read.call_id, read.cseq, read.contacts) == (message.call_id, message.cseq, message.contacts)
    if isinstance(read, Request):
        assert isinstance(message, Request)
        assert (read.method, read.uri) == (message.method, message.uri)
    else:
        assert isinstance(message, Response)
        assert (read.status, read.reason) == (message.status, message.reason)


@settings(max_examples=50)
@given(messages(), st.binary(max_size=30))
def test_what_follows_the_body_of_a_datagram_is_no_part_of_it(
    message: Request | Response, rest: bytes
) -> None:
    assert parse_message(message.to_bytes() + rest) == message


@settings(max_examples=50)
@given(messages(), st.sampled_from(["\r\n ", "\r\n\t", "\n  ", " \r\n \t"]))
def test_a_folded_message_is_the_same_message(message: Request | Response, fold: str) -> None:
    """Folds of our own, after each colon; nothing in the values is touched."""
    start, *lines = message.to_bytes().removesuffix(message.body).split(b"\r\n")
    folded = [line.replace(b": ", b":" + fold.encode(), 1) for line in lines]
    assert parse_message(b"\r\n".join([start, *folded]) + message.body) == message


@given(
    VIAS,
    st.sampled_from([(), (("rport", None),), (("rport", ""),), (("received", "192.0.2.9"), ("rport", None))]),
    st.booleans(),
)
def test_a_via_is_stamped_alike_in_its_text_and_its_values(via: Via, asked: Parameters, first: bool) -> None:
    others = tuple(pair for pair in via.parameters if pair[0] not in ("rport", "received"))
    via = via._replace(parameters=asked + others if first else others + asked)
    request = Request(
        "OPTIONS", "sip:pbx", [("To", "<sip:a@b>"), ("Via", str(via)), ("Via", "SIP/2.0/TCP b")]
    )
    flow = Flow(Transport.UDP, Address("192.0.2.200", 5060), Address("192.0.2.1", 5062))
    stamp_via(request, flow)
    told: Parameters = (("rport", "5062"),) if "rport" in dict(asked) else ()
    told += (("received", "192.0.2.1"),) if told or via.host != "192.0.2.1" else ()
    kept = others if told else via.parameters
    assert request.via == via._replace(parameters=kept + told)
    assert request.vias == Request("OPTIONS", "sip:pbx", request.headers).vias


# -- rubbish -------------------------------------------------------------------------------------------

PROPERTIES = [
    name for name in dir(Message) if isinstance(getattr(Message, name), property | kept)
]  # each parses a header field when it is asked for


def read_all(message: Message) -> None:
    """Ask for everything; only errors of the peer may come."""
    for name in PROPERTIES:
        with contextlib.suppress(PeerError):
            getattr(message, name)
    if isinstance(message, Request):
        with contextlib.suppress(PeerError):
            assert Uri.parse(str(message.uri)) == message.uri


EDITED = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route", "Path", "Require"]
NAMED = st.sampled_from([*EDITED, "Supported", "Max-Forwards", "Expires", "Content-Type", "User-Agent"])
ROUTED = ["SIP/2.0/UDP a;branch=z", "SIP/2.0/UDP b, SIP/2.0/TCP c", "<sip:a@b>;tag=x", "<sip:c>, <sip:d>"]
WRITTEN = st.sampled_from([*ROUTED, "*", "7", "7 ACK", "100rel, path", "text/plain;x", ""])
EDITS = st.one_of(
    st.tuples(st.sampled_from(["add", "prepend", "set"]), NAMED, WRITTEN),
    st.tuples(st.just("remove"), NAMED),
    st.tuples(st.just("replace_via"), VIAS.map(str)),
)


def all_values(message: Message) -> list[object]:
    values: list[object] = [message.to_bytes()]
    for name in PROPERTIES:
        try:
            values.append(getattr(message, name))
        except PeerError as error:
            values.append((error.status, error.reason))
    return values


@given(messages(), st.lists(EDITS, max_size=6))
def test_values_are_those_of_the_header_fields_however_they_were_changed(
    message: Request | Response, edits: list[tuple[Any, ...]]
) -> None:
    for how, *arguments in edits:
        with contextlib.suppress(PeerError, KeyError):  # no Via, or none that can be read, to be replaced
            getattr(message, how)(*arguments)
        if isinstance(message, Request):
            anew: Message = Request(message.method, message.uri_text, message.headers, message.body)
        else:
            anew = Response(message.status, message.reason, message.headers, message.body)
        assert all_values(message) == all_values(anew)



def read_refused(error: ParseError) -> None:
    assert error.status in (400, 505, 513)
    if error.request is not None:
        read_all(error.request)
        response_to(error.request, error.status, to_tag="ours").to_bytes()


def read_and_answer(data: bytes) -> None:
    for stream in (False, True):
        try:
            message = parse_message(data, stream=stream)
        except ParseError as error:
            read_refused(error)
            continue
        assert parse_message(message.to_bytes()) == message
        read_all(message)
        if isinstance(message, Request):
            read_all(parse_message(response_to(message, 200, to_tag="ours").to_bytes()))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error_of_the_peer(data: bytes) -> None:
    read_and_answer(data)


MEMORIES = [memory for memory in gc.get_objects() if isinstance(memory, Recent)]


def outcome(data: bytes) -> object:
    """All that comes of it: the message as it is printed and its values, or what is told of the error."""
    try:
        message = parse_message(data)
    except ParseError as error:
        return error.status, error.reason, error.request
    return all_values(message)


PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b"\r\n ", b'"', b"\\", b"<", b">", b",", b";", b":", b"="]
    ),
    st.sampled_from(
        [
            b"Via:",
            b"To:",
            b"l: 1\r\n",
            b"\xff",
            b"SIP/2.0",
            b";tag=",
            b"%0d%0a",
            b"[::1]",
            b"99999999999",
            b" ",
        ]
    ),
)


FAULTS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 12), PIECES), min_size=1, max_size=4)


def with_faults(data: bytes, faults: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, piece in faults:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + length :]
    return data


@given(messages(), st.lists(FAULTS, min_size=1, max_size=4))
def test_what_is_read_does_not_depend_on_what_was_read_before(
    message: Request | Response, each: list[list[tuple[int, int, bytes]]]
) -> None:
    whole = message.to_bytes()
    datagrams = [whole, whole.lower(), *(with_faults(whole, faults) for faults in each)]
    alone = []
    for data in datagrams:
        for memory in MEMORIES:
            memory.clear()
            memory._before.clear()
        alone.append(outcome(data))
    assert [outcome(data) for data in datagrams * 2] == alone * 2


@settings(max_examples=100)
@given(messages(), FAULTS)
def test_a_message_with_faults_is_a_message_or_an_error_of_the_peer(
    message: Request | Response, faults: list[tuple[int, int, bytes]]
) -> None:
    read_and_answer(with_faults(message.to_bytes(), faults))


@given(st.text('sipTEL:@[];?&=%0aF#\0\r\n"<>,. ü\udcff', max_size=30))
def test_any_text_is_a_value_or_an_error_of_the_peer(text: str) -> None:
    for parse in (Uri.parse, NameAddress.parse, Via.parse, CSeq.parse):
        try:
            value = parse(text)
        except PeerError:
            continue
        assert parse(str(value)) == value


# -- linear time: what is quadratic takes minutes here, or for ever ------------------------------------

SIZE = 60 * 1024
READERS: list[tuple[Callable[[str], object], list[str]]] = [
    (Uri.parse, ["", "sip:", "sip:a@b;", "sip:a@b?", "tel:"]),
    (NameAddress.parse, ["", '"', "a", "<sip:a>", "<sip:a>;x="]),
    (Via.parse, ["", "SIP/2.0/UDP", "SIP/2.0/UDP a", "SIP/2.0/UDP a;x="]),
    (CSeq.parse, ["", "1 "]),
    (split_values, ["", 'a,"']),
    (parse_parameters, ["", ";x=", ';x="']),
    (unquote_string, ["", '"']),
    (quote_string, [""]),
]
"""What reads text, and how the text may begin."""
MARKS = ['"', "\\", ",", ";", "<", ">", "@", ":", "%", "[", "&", "=", "/", ".", "a", "1"]
CLUSTERS = [
    '\\"',
    '"\\',
    ";a",
    ";a=",
    '="',
    "%41",
    '<"',
    '">',
    ';a="b"',
    "a.",
    "&a=",
    "a=b;",
    '"a"',
    '"\\"',
    "<>",
    ',"',
]
SPACED = [" ", "\t", " ;", "; ", " = ", "a ", " a", '"" ', " /", " <", "\r\n "]


def read_long(unit: str, tail: str) -> None:
    for read, heads in READERS:
        for head in heads:
            with contextlib.suppress(PeerError):
                read(head + unit * (SIZE // len(unit)) + tail)


@pytest.mark.parametrize("unit", MARKS + CLUSTERS + SPACED)
def test_values_without_sense_are_read_in_linear_time(unit: str) -> None:
    read_long(unit, "x")


@settings(max_examples=15)
@given(st.text('"\\,;<> =:@%[]a?&1', min_size=1, max_size=6), st.sampled_from(["", '"', ">", "x", "<"]))
def test_values_of_any_pattern_are_read_in_linear_time(unit: str, tail: str) -> None:
    read_long(unit, tail)


@pytest.mark.parametrize("name", ["Via", "From", "To", "Contact", "Route", "Supported", "X"])
@pytest.mark.parametrize(
    "unit", [b'"', b"\\", b",", b";", b" ", b"<", b"\r\n ", b"\r\n \t", b"\n ", b", ,", b" ;", b"\r", b"\0"]
)
def test_messages_without_sense_are_read_in_linear_time(name: str, unit: bytes) -> None:
    line = name.encode() + b": a" + unit * (SIZE // len(unit)) + b"a"
    start = b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n"
    for read in (parse_message, partial(read_message, limits=Limits(line_characters=2 * SIZE))):
        for data in (start + line + b"\r\n\r\n", start + line, line):
            try:
                message = read(data)
            except ParseError as error:
                read_refused(error)
                continue
            read_all(message)


CONTACTS = st.sampled_from(
    ["<sip:a@b>", "sip:a@b;expires=1", '"a, b" <sip:a@b>', "<sip:a>, <sip:b>", "*", "", ",", "<", "Other <sip:x>"]
)
SUPPORTED = st.sampled_from(["100rel", "timer, 100REL", "100rel2", "x100rel,timer", "", " ,", "replaces"])


@given(st.lists(CONTACTS, max_size=2), st.lists(SUPPORTED, max_size=2), st.booleans())
def test_what_a_dialog_asks_of_a_message_is_what_its_values_say(
    contacts: list[str], supported: list[str], repeats: bool
) -> None:
    """Without a list of them all."""
    headers = [("Contact", text) for text in contacts] + [("Supported", text) for text in supported]
    headers += [("X", "1"), ("X", "2")] if repeats else []
    message, plain = Message(headers), Message(headers)
    try:
        values = plain.contacts
    except PeerError:
        with pytest.raises(PeerError):
            _ = message.sole_contact
    else:
        assert message.sole_contact == (values[0] if len(values) == 1 else None)
    for option in ("100rel", "timer"):
        assert message.supports(option) == (option in plain.supported)
