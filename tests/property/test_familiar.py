"""A request whose like was read before is read as if it were the first."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.errors import ParseError, PeerError
from sipcore.syntax import familiar
from sipcore.syntax.message import Request, Response
from sipcore.syntax.parser import parse_message, read_message

VALUES = ("method", "uri_text", "headers", "first", "body", "via", "vias", "from_", "to", "call_id", "cseq", "branch",
          "sent_by", "sole_via", "from_tag", "to_tag", "cseq_number", "cseq_method")  # fmt: skip
ODD = st.text(' \t"\\,;<>:=%[]\0\r\n\x0b\x1c\x85\xa0é\udcffaV1', max_size=6)
BRANCHES = st.sampled_from(["z9hG4bK1", "z9hG4bK-2", "", "a=b", "a,b"]) | ODD
VIAS = st.builds(
    "Via: SIP/2.0/UDP {}{};branch={}{}".format,
    st.sampled_from(["192.0.2.1", "192.0.2.1:5060", "[2001:db8::1]", "192.0.2.1:70000", ""]),
    st.sampled_from(["", "", ";rport", ";alias"]),
    BRANCHES,
    st.sampled_from([";rport", ";rport", "", ";rport=1", ", SIP/2.0/UDP b;branch=c;rport"]),
)
CSEQS = st.builds(
    "CSeq: {}{}{}".format,
    st.integers(0, 3) | st.sampled_from([2**31, 2**32, "x"]),
    st.sampled_from([" ", "  ", "\t", ""]),
    st.sampled_from(["REGISTER", "INVITE", "REGISTER "]),
)
CREDENTIALS = st.sampled_from(["Authorization", "authorization", "Proxy-Authorization"]).flatmap(
    lambda name: st.sampled_from([": Digest a=1", ": Digest b=2", ":Digest a=1", ": ", ": é"]).map(
        name.__add__
    )
)
OTHERS = st.sampled_from(
    [
        "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK3;rport",
        "v: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK4;rport",
        "CSeq: 4 REGISTER",
        "Content-Length: 0",
        "l: 0",
        "X",
        " folded",
        "",
        "Contact: *",
        "Contact: <sip:a@b>, <sip:c>",
        "Contact: \0",
        "Max-Forwards: x",
        "Route: <sip:proxy>",
    ]
)
LINES = {
    "via": "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK0;rport",
    "from": "From: <sip:100@pbx>;tag=1",
    "to": "To: <sip:100@pbx>",
    "id": "Call-ID: familiar",
    "cseq": "CSeq: 1 REGISTER",
    "length": "Content-Length: 0",
}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Mostly one and the same, with another Via, CSeq and Authorization."""
    lines = dict(LINES)
    if draw(st.booleans()):
        lines["via"] = draw(VIAS)
    if draw(st.booleans()):
        lines["cseq"] = draw(CSEQS)
    names = list(lines)
    if draw(st.integers(0, 4)) == 0:
        names = draw(st.permutations(names))
    written = [lines[name] for name in names]
    for line in draw(st.lists(CREDENTIALS, max_size=2)) + draw(st.just([]) | st.lists(OTHERS, max_size=2)):
        written.insert(draw(st.integers(0, len(written))), line)
    ends = draw(st.sampled_from(["\r\n"] * 6 + ["\n"]))
    body = draw(st.sampled_from([b""] * 4 + [b"abc", b"\r\n\r\n", b"CSeq: 9 REGISTER\r\n\r\n"]))
    if draw(st.booleans()):
        written = [line if line != LINES["length"] else f"Content-Length: {len(body)}" for line in written]
    start = (
        draw(st.sampled_from(["REGISTER"] * 4 + ["INVITE", "register", "\r\nREGISTER"])) + " sip:pbx SIP/2.0"
    )
    text = ends.join([start, *written]) + draw(st.sampled_from([ends * 2] * 4 + ["", ends]))
    return text.encode("utf-8", "surrogateescape") + body


def outcome(message: Request | Response | ParseError) -> object:
    if isinstance(message, ParseError):
        return message.status, message.reason, message.request
    found: list[object] = [isinstance(message, Request), message.to_bytes()]
    found += [getattr(message, name) for name in VALUES]
    for name in "contacts", "uri":
        try:
            found.append(getattr(message, name))
        except PeerError as error:
            found.append((error.status, error.reason))
    return found


def read(how: object, data: bytes, *, stream: bool) -> object:
    try:
        return outcome(how(data, stream=stream))  # type: ignore[operator]
    except ParseError as error:
        return outcome(error)


PLAIN = ("\r\n".join(["REGISTER sip:pbx SIP/2.0", *LINES.values()]) + "\r\n\r\n").encode()


@given(st.lists(requests(), min_size=1, max_size=6), st.booleans())
@example(
    [PLAIN, PLAIN.replace(b"K0", b"K1"), PLAIN.replace(b"CSeq: 1", b"Authorization: Digest\r\nCSeq: 2")],
    False,
)
def test_whatever_was_read_before_a_request_is_read_as_it_is(datagrams: list[bytes], stream: bool) -> None:
    for data in [PLAIN, *datagrams, *datagrams]:
        assert read(parse_message, data, stream=stream) == read(read_message, data, stream=stream)


def test_most_are_familiar() -> None:
    parse_message(PLAIN)
    assert familiar.read(PLAIN) is not None
    assert familiar.read(PLAIN.replace(b"K0", b"K1").replace(b"CSeq: 1", b"CSeq: 2")) is not None
