"""A message that is written as usual is read by a few looks as it is line by line; whatever is odd is left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.errors import ParseError, PeerError
from sipcore.syntax import usual
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import LIMITS, read_message
from tests.hostile import SPANNERS, lines_moved, replaced

LINES = {
    "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1;rport",
    "Max-Forwards": "70",
    "From": '"Lee Parker" <sip:100@pbx.example>;tag=a-1',
    "To": "<sip:101@pbx.example>;tag=b.2",
    "Call-ID": "1@phone",
    "CSeq": "7 INVITE",
    "Contact": "<sip:100@192.0.2.1:5060>",
    "User-Agent": "Desk 3",
    "X-Serial-Number": "0004",
}
ODD = st.text(' \t"\\,;<>:=%[]\0\r\n\x0b\x1c\x85\xa0\u2028é\udcffaV1٣', max_size=5)
OTHERWISE = {
    "Via": [
        "SIP/2.0/UDP [2001:db8::1];rport;branch=z9hG4bK-2",
        "SIP/2.0/TLS phone.example;branch=z9hG4bK-3;alias",
        "SIP/2.0/UDP 192.0.2.1;rport=5062;branch=z9hG4bK-4;received=192.0.2.9",
        "SIP/2.0/UDP 192.0.2.1:70000;branch=z9hG4bK-5;rport",
        "SIP/2.0/UDP 192.0.2.1;branch=;rport",
        "SIP/2.0/UDP 192.0.2.1;branch=a,b;rport",
        'SIP/2.0/UDP 192.0.2.1;branch=a;x="b,c"',
        "SIP / 2.0 / UDP 192.0.2.1 ;branch=a;rport",
        "SIP/2.0/UDP a;branch=b, SIP/2.0/UDP c;branch=d",
        "SIP/2.0/UDP",
    ],
    "Max-Forwards": ["0", "69", "070", "-1", "x", "99999999999", "٣"],
    "From": [
        "<sip:100@pbx.example>",
        "Zoé <sip:100@pbx.example>;tag=1",
        '"Zoé \\" ,;>;tag=2" <sip:100@pbx.example>;tag=1',
        "<sip:100@pbx.example;user=phone>;tag=1;x=2",
        "<sip:100@pbx.example>;TAG=1",
        "<sip:100@pbx.example>;tag=",
        "<sip:100@pbx.example>;tag=a b",
        "<sip:100@pbx.example>;tag=1>;tag=2",
        "<sip:100@pbx.example>>;tag=1",
        "sip:100@pbx.example;tag=1",
        "tel:+33;tag=1",
        "nobody",
    ],
    "To": ["<sip:101@pbx.example>", "<tel:101>", "sip:101@pbx.example", "<sip:a>, <sip:b>;tag=1", "<>"],
    "Call-ID": ["x", "é", "a b"],
    "CSeq": [
        "7 ACK",
        "007 INVITE",
        "7  INVITE",
        "7\tINVITE",
        "4294967295 INVITE",
        "4294967296 INVITE",
        "7",
        "٣ INVITE",
    ],
    "Contact": ["*", "<sip:a@b>, <sip:c>", "sip:a@b;expires=5"],
    "User-Agent": ["a: b", "\u2028", "Téléphone", "é", "a\x0bb", "a\x1f", "\xa0a", "a\xa0"],
    "X-Serial-Number": ["x", "a\rb", "a\nb"],
}
MORE = st.sampled_from(
    [
        "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK3",
        "v: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK4;rport",
        "VIA: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK4;rport",
        "f: <sip:somebody>",
        "from: <sip:somebody>",
        "CSeq: 4 INVITE",
        "Content-Length: 0",
        "content-length: 0",
        "l: 0",
        "Supported: ",
        "Supported:",
        "Supported : timer",
        "Supported:timer",
        "X",
        "X_Y: z",
        ": y",
        " folded",
        "\tfolded: 1",
        "",
        f"Route: {'<sip:a>,' * 69}<sip:b>",
        f"Route: {'<sip:a>,' * 70}<sip:b>",
        f"Route: {'<sip:a>,' * 71}<sip:b>",
        "Route: <sip:pbx;lr>",
        *[f"Authorization: {value}" for value in ('Digest username="100"', "", " x", "x ", "a\nb", "a\rb", "a\0b")],
        "authorization: Digest",
        *[f"Date: {value}" for value in ("now", "", " x", "x ", "a\nb", "a\rb", "a\0b", "x\r\nDate: y")],
        "date: now",
        "Session-ID: 1",
        "session-id: 2",
        "Max-Forwards: 7",
        "Contact: <sip:a>\nDate: x",
        f"X-Long: {'x' * 8000}",
        f"X-Longer: {'x' * 8190}",
    ]
)
STARTS = st.sampled_from(
    [
        *["INVITE sip:101@pbx.example SIP/2.0", "SIP/2.0 200 OK"] * 4,
        *[
            "SIP/2.0 180 ",
            "SIP/2.0 200 C'est accepté",
            "SIP/2.0 200 OK ",
            "SIP/2.0 200 OK\x1f",
            "SIP/2.0 200",
        ],
        *[
            "SIP/2.0 099 x",
            "SIP/2.0 700 x",
            "SIP/2.0 2000 x",
            "SIP/2.0 ٣٣٣ x",
            "sip/2.0 200 OK",
            "SIP/2.0  200 OK",
        ],
        *[
            "INVITE sip:a sip:b SIP/2.0",
            "INVITE <sip:a> SIP/2.0",
            "INVITE sip:a\xa0b SIP/2.0",
            "INVITE  SIP/2.0",
        ],
        *["INVITE sip:é SIP/2.0", "INVITE sip:a SIP/2.0 ", "INVITE sip:a sip/2.0", "INVITE sip:a SIP/3.0"],
        *[
            "invite sip:a SIP/2.0",
            "INVITE",
            "INVITE sip:a",
            "",
            "\rINVITE sip:a SIP/2.0",
            "INVITE sip:\x01 SIP/2.0",
        ],
    ]
)
VALUES = [
    "via", "vias", "branch", "sent_by", "sole_via", "from_", "from_tag", "to", "to_tag", "call_id", "cseq",
    "cseq_number", "cseq_method", "contacts", "routes", "max_forwards", "supported", "uri",
]  # fmt: skip
shares = st.floats(0, 1, exclude_max=True)
MUTATIONS = st.lists(
    st.builds(replaced, shares, st.integers(0, 5), st.sampled_from(SPANNERS))
    | st.builds(
        replaced, shares, st.integers(0, 3), ODD.map(lambda text: text.encode("utf-8", "surrogateescape"))
    )
    | st.builds(lines_moved, shares, shares, st.booleans()),
    max_size=2,
)


def written(start: str, lines: list[str], body: bytes = b"", end: str = "\r\n") -> bytes:
    return (end.join([start, *lines]) + end * 2).encode("utf-8", "surrogateescape") + body


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Mostly usual in all but one thing or two."""
    fields = dict(LINES)
    for name in draw(st.lists(st.sampled_from(list(LINES)), max_size=2)):
        fields[name] = draw(st.sampled_from(OTHERWISE[name]) | ODD)
    body = draw(st.sampled_from([b"", b"abc", b"\r\n\r\n", b"a\r\n\r\nb", b"x" * 100]))
    lines = [f"{name}: {value}" for name, value in fields.items()]
    length = draw(st.sampled_from([len(body)] * 8 + [0, 1, 200, "000", "", "x", "٣", 10**6, None]))
    if length is not None:
        lines.append(f"Content-Length: {length}")
    order = draw(st.integers(0, 3))
    if order == 0:
        lines = draw(st.permutations(lines))
    elif order == 1:
        lines[:6] = draw(st.permutations(lines[:6]))
    for line in draw(st.lists(MORE, max_size=1)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    data = written(draw(STARTS), lines, body, draw(st.sampled_from(["\r\n"] * 9 + ["\n"])))
    for mutate in draw(MUTATIONS):
        data = mutate(data)
    return data


def all_of(message: Request | Response) -> list[object]:
    found: list[object] = [isinstance(message, Request), message.to_bytes(), message.headers]
    found += [message.first, message.body]
    found += [message.via, message.via.branch, message.vias, message.from_, message.from_.tag, message.to]
    found += [message.to.tag, message.call_id, message.cseq]
    found += (
        [message.method, message.uri_text]
        if isinstance(message, Request)
        else [message.status, message.reason]
    )
    return found + values_of(message)


def values_of(message: Request | Response) -> list[object]:
    found: list[object] = []
    for name in VALUES:
        try:
            found.append(getattr(message, name, None))
        except PeerError as error:
            found.append((error.status, error.reason))
    return found


PLAIN = written("INVITE sip:101@pbx.example SIP/2.0", [f"{name}: {value}" for name, value in LINES.items()])


@given(messages(), st.booleans())
@example(
    PLAIN.replace(b"User-Agent: Desk 3\r\n", b"User-Agent: Desk\r3\nTo: <sip:102@pbx.example>\r\n"), False
)
@example(PLAIN.replace(b"SIP/2.0\r\n", b"SIP/2.0\n") + b"\r", False)
@example(PLAIN.replace(b"Desk 3\r\n", b"Desk\r3\n"), False)
@example(PLAIN + b"x" * LIMITS.message_bytes, False)
def test_what_is_read_quickly_is_read_alike_line_by_line(data: bytes, stream: bool) -> None:
    quickly = usual.read(data, stream=stream)
    if quickly is not None:
        assert all_of(quickly) == all_of(read_message(data, stream=stream))


CHANGES = st.lists(
    st.sampled_from(
        ["get_all", "add", "prepend", "set", "remove", "replace_via", "stamp", "repeated", "headers"]
    ).flatmap(
        lambda change: st.tuples(st.just(change), st.sampled_from(["Via", "To", "Contact", "X-New"]))
    ),
    max_size=4,
)


@given(messages(), CHANGES)
def test_what_was_read_quickly_is_changed_alike(data: bytes, changes: list[tuple[str, str]]) -> None:
    quickly = usual.read(data, stream=False)
    if quickly is None:
        return
    plainly = read_message(data)
    for change, name in changes:
        told = []
        for message in quickly, plainly:
            if change in ("add", "prepend", "set"):
                told.append(getattr(message, change)(name, "<sip:new@pbx>"))
            elif change in ("replace_via", "stamp"):
                before = message.get("Via")
                via = "SIP/2.0/UDP new;branch=z9hG4bKnew" if change == "replace_via" else f"{before}=5060;received=a"
                told.append(None if before is None else message.replace_via(via))
            elif change == "repeated":
                told.append(sorted(message.repeated()))
            elif change == "headers":
                told.append(message.headers.copy())
            else:
                told.append(getattr(message, change)(name))
        assert told[0] == told[1]
    assert quickly.has_each_once() == plainly.has_each_once()
    assert (quickly.first, quickly.headers) == (plainly.first, plainly.headers)
    assert quickly.to_bytes() == plainly.to_bytes()
    assert values_of(quickly) == values_of(plainly)


def test_strangers_fill_no_more_than_the_memory_holds() -> None:
    usual._ENDS.clear()
    for index in range(2000):
        assert usual.read(PLAIN.replace(b"Desk 3", b"Desk %d" % index), stream=False) is not None
    assert len(usual._ENDS) <= 512
    assert len(usual._ENDS._before) <= 512
    usual._ENDS.clear()
    for more in b"x" * usual.MAX_KEPT_CHARACTERS, b"Desk 3\r\n" + b"\r\n".join(b"X-%d: y" % n for n in range(50)):
        assert usual.read(PLAIN.replace(b"Desk 3", more), stream=False) is not None
    assert not usual._ENDS
    assert usual.read(PLAIN.replace(b"tag=a-1", b"tag=a-1" + b";a" * 100), stream=False) is None


@pytest.mark.parametrize("name", LINES)
def test_each_value_by_itself_is_read_alike(name: str) -> None:
    for value in OTHERWISE[name]:
        for start in "INVITE sip:101@pbx.example SIP/2.0", "SIP/2.0 200 OK":
            fields = LINES | {name: value}
            data = written(start, [f"{key}: {text}" for key, text in fields.items()])
            quickly = usual.read(data, stream=False)
            try:
                plainly = read_message(data)
            except ParseError:
                assert quickly is None
            else:
                assert quickly is None or all_of(quickly) == all_of(plainly)


USUAL = [
    PLAIN,
    PLAIN.replace(b";tag=b.2", b""),
    PLAIN.replace(b"INVITE", b"BYE"),
    PLAIN.replace(b'"Lee Parker"', '"Zoé"'.encode()),
    PLAIN.replace(b"-1;rport", b".a~b;rport").replace(b"a-1", b"a~1").replace(b"<sip:101@pbx.example>;", b"sip:101@a;"),
    PLAIN.replace(b"CSeq", b"Max-Forwards: 70\r\nSession-ID: 0a\r\nDate: Sat, 28 Nov 2026\r\nCSeq").replace(
        b"Max-Forwards: 70\r\nFrom", b"From"
    ),
    PLAIN.replace(b"Contact: <sip:100@192.0.2.1:5060>\r\n", b"").replace(b"From", b"Contact: <sip:100@pbx>\r\nFrom"),
    PLAIN.replace(b"Contact: <sip:100@192.0.2.1:5060>\r\n", b"").replace(b"Max", b"Contact: <sip:100@pbx>\r\nMax"),
    PLAIN.replace(b";branch=z9hG4bK-1;rport", b";rport;branch=z9hG4bK-1"),
    PLAIN.replace(b"rport", b"rport=5060;received=192.0.2.9").replace(
        b"INVITE sip:101@pbx.example SIP/2.0", b"SIP/2.0 200 OK"
    ),
    PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"),
    PLAIN.replace(b"\r\nUser", b"\r\nContent-Length: 0\r\nUser").replace(b": 70", b": 69"),
    PLAIN.replace(b"\r\nUser", b"\r\nRoute: <sip:pbx;lr>\r\nUser"),
    PLAIN.replace(b"\r\nMax-Forwards: 70", b"").replace(b"\r\nUser", b"\r\nMax-Forwards: 70\r\nUser"),
    PLAIN.replace(b"Contact: <sip:100@192.0.2.1:5060>\r\n", b"").replace(b"Call", b"Contact: <sip:100@pbx>\r\nCall"),
    PLAIN.replace(b"To: <sip:101@pbx.example>;tag=b.2\r\n", b"").replace(b"From", b"To: <sip:a>;tag=b.2\r\nFrom"),
    PLAIN.replace(b"CSeq: 7 INVITE\r\n", b"").replace(b"Call-ID", b"CSeq: 7 INVITE\r\nCall-ID"),
    PLAIN.replace(b"Contact: ", b"m:").replace(b"User-Agent: ", b"USER-AGENT : "),
    PLAIN.replace(b"\r\nUser", b'\r\nAuthorization: Digest username="100"\r\nUser'),
]


@pytest.mark.parametrize("data", USUAL)
def test_most_are_read_quickly(data: bytes) -> None:
    quickly = usual.read(data, stream=False)
    assert quickly is not None
    assert all_of(quickly) == all_of(read_message(data))


@pytest.mark.parametrize(
    "lines",
    [
        f"Via: SIP/2.0/UDP a;branch={'b' * 7900}",
        f"Via: SIP/2.0/UDP a;branch={'b' * 3900}\r\nFrom: {'c' * 3900}",
        f"Via: SIP/2.0/UDP a;branch={'b' * 2600}\r\nFrom: {'c' * 2600}\r\nTo: {'d' * 2600}",
    ],
    ids=["branch", "From", "To"],
)
def test_whatever_a_stranger_writes_takes_linear_time(lines: str) -> None:
    """No clock is read: a pattern that tries each way to split a text takes hours for so many, this one no second."""
    data = written("INVITE sip:101@pbx.example SIP/2.0", [lines])
    for _ in range(20_000):
        assert usual.read(data, stream=False) is None


def test_the_pattern_gives_nothing_back() -> None:
    """So that no two parts of it can share a text in many ways."""
    without_sets = re.sub(r"\[[^\]]+\]", "x", usual._TOP.pattern)
    assert re.findall(r"[*+](?!\+)", without_sets.replace("*+", "").replace("++", "")) == []
