"""What strangers may send: valid messages, and ways to break them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

BODY = """\
v=0\r
o=- 1 1 IN IP4 10.0.1.1\r
s=-\r
c=IN IP4 10.0.1.1\r
t=0 0\r
m=audio 4000 RTP/AVP 0 8 101\r
a=rtpmap:101 telephone-event/8000\r
a=sendrecv\r
"""

HEADERS = """\
Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK1;rport\r
Via: SIP/2.0/UDP 10.0.1.2:5070;branch=z9hG4bKx;received=10.0.1.3, SIP/2.0/TCP phone;branch=z9hG4bKy\r
Max-Forwards: 70\r
From: "Lee Parker" <sip:100@10.0.0.1>;tag=a1\r
t: <sip:101@10.0.0.1:5060;transport=udp>\r
Call-ID: 1@x\r
CSeq: 1 {method}\r
Contact: <sip:100@10.0.1.1:5060>;expires=300;q=0.5;+sip.instance="<urn:uuid:1>";reg-id=1\r
Authorization: Digest username="100", realm="myphone", nonce="5.1-ab", uri="sip:101@10.0.0.1",\r
 response="0123", algorithm=MD5, qop=auth, nc=00000001, cnonce="x"\r
Require: path\r
Path: <sip:10.0.9.9;lr>\r
Route: <sip:10.0.0.1;lr>\r
Record-Route: <sip:10.0.9.9;lr>\r
Expires: 300\r
Content-Type: application/sdp\r
Content-Length: {length}\r
\r
"""

SPANNERS = [
    *(character.encode() for character in "\0 \t\r\n,;:@<>[]\"'\\%*=\x0b\x85\xb2\u0663\uff11\u2028"),
    *(b"\r\n", b"\r\n\r\n", b"\xff", b"%00", b"%zz", b"-1", b"70000", b"4294967296", b"9" * 500),
    *(b"SIP/2.0", b"sips:", b"tel:+1", b"[::1]", b'"a,b"', b";lr;lr", b"\xc3\x28"),
]
"""What is thrown into the works."""

Mutation = Callable[[bytes], bytes]


def valid(method: str, *, response: bool = False) -> bytes:
    start = "SIP/2.0 200 OK" if response else f"{method} sip:101@10.0.0.1 SIP/2.0"
    return f"{start}\r\n{HEADERS.format(method=method, length=len(BODY))}{BODY}".encode()


def replaced(start: float, length: int, new: bytes) -> Mutation:
    """Bytes at a share of the message give way to others."""

    def mutate(data: bytes) -> bytes:
        at = int(start * len(data))
        return data[:at] + new + data[at + length :]

    return mutate


def lines_moved(taken: float, put: float, kept: bool) -> Mutation:
    """A line is moved to another place, or copied there."""

    def mutate(data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        line = lines[int(taken * len(lines))]
        if not kept:
            lines.remove(line)
        lines.insert(int(put * (len(lines) + 1)), line)
        return b"\r\n".join(lines)

    return mutate


def mutated(data: bytes, random: Random) -> bytes:
    """The message after a few mutations of any kind."""
    for _ in range(random.randint(1, 6)):
        place, other = random.random(), random.random()
        if random.random() < 0.3:
            data = lines_moved(place, other, random.random() < 0.5)(data)
        else:
            new = random.choice([*SPANNERS, random.randbytes(2)])
            data = replaced(place, random.randint(0, 20), new)(data)
    return data
