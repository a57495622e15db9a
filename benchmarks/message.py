"""What does it cost to read and to write a SIP message, in this process and on one thread?

python -m benchmarks.message [--messages 20000] [--rounds 5]

The yardstick does the least that any Python could: it splits the same bytes into names and values, and joins them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from benchmarks.harness import print_table
from sipcore.syntax.message import response_to
from sipcore.syntax.parser import parse_message

INVITE = """\
INVITE sip:101@pbx.example.com SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{number:x}74bf9;rport\r
Max-Forwards: 70\r
From: "Lee Parker" <sip:100@pbx.example.com>;tag=9fxced{number:x}\r
To: <sip:101@pbx.example.com>\r
Call-ID: 3848276298220188511{number}@192.0.2.10\r
CSeq: 2 INVITE\r
Contact: <sip:100@192.0.2.10:5060>\r
Authorization: Digest username="100", realm="myphone", nonce="6553.1-0123456789abcdef", \
uri="sip:101@pbx.example.com", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="0a4f113b", \
response="7587245234b3434cc3412213e5f113a5432"\r
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY, UPDATE\r
Supported: replaces, timer\r
User-Agent: Desk Phone 1.0\r
Content-Type: application/sdp\r
Content-Length: {length}\r
\r
{body}"""

BODY = """\
v=0\r
o=- 8000 8000 IN IP4 192.0.2.10\r
s=-\r
c=IN IP4 192.0.2.10\r
t=0 0\r
m=audio 16384 RTP/AVP 8 0 101\r
a=rtpmap:101 telephone-event/8000\r
a=ptime:20\r
a=sendrecv\r
"""


def invites(count: int) -> list[bytes]:
    """So many INVITEs that differ where those of different calls do."""
    texts = (INVITE.format(number=number, length=len(BODY), body=BODY) for number in range(count))
    return [text.encode() for text in texts]


def read(messages: list[bytes]) -> None:
    """Parse each, and use what every layer looks at."""
    for data in messages:
        message = parse_message(data)
        _ = message.branch, message.sent_by, message.cseq_number, message.from_tag, message.to_tag, message.call_id


def write(messages: list[bytes]) -> Callable[[], None]:
    """A function that answers each with a new 200 and prints that."""
    requests = [parse_message(data) for data in messages]
    headers = [("Contact", "<sip:192.0.2.1:5060>"), ("Server", "MyPhone PBX")]

    def answer() -> None:
        for request in requests:
            response_to(request, 200, to_tag="314159", headers=headers).to_bytes()  # type: ignore[arg-type]

    return answer


def split_and_join(messages: list[bytes]) -> None:
    """The yardstick."""
    for data in messages:
        head, _, body = data.partition(b"\r\n\r\n")
        fields = [line.partition(b":")[::2] for line in head.split(b"\r\n")]
        _ = b"\r\n".join([name + b":" + value for name, value in fields]) + body


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000, help="a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default: %(default)s)")
    options = parser.parse_args()
    messages = invites(options.messages)
    answer = write(messages)
    reading, writing, yardsticks = [], [], []
    for _ in range(options.rounds):  # interleaved: what slows the machine slows all three
        yardsticks.append(seconds(lambda: split_and_join(messages)) / options.messages)
        reading.append(seconds(lambda: read(messages)) / options.messages)
        writing.append(seconds(answer) / options.messages)
    yardstick = statistics.median(yardsticks)
    rows = [("split and join the bytes (yardstick)", f"{yardstick * 1e6:.1f} us")]
    for name, figures in (("parse an INVITE", reading), ("answer it and print that", writing)):
        figure = statistics.median(figures)
        rows.append((name, f"{figure * 1e6:.1f} us, {figure / yardstick:.1f} yardsticks"))
    print_table(f"SIP messages, an INVITE of {len(messages[0])} bytes with SDP", rows)


if __name__ == "__main__":
    main()
