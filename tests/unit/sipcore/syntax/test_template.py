"""Requests of a template are those that would have been built one by one."""

from __future__ import annotations

import pytest

from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from sipcore.syntax.template import Template
from sipcore.transport.flow import Address, Flow, Transport


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("body", [b"", b"text"])
def test_a_filled_template_is_what_it_prints(host: str, body: bytes) -> None:
    flow = Flow(Transport.TCP, Address(host, 5060), Address("192.0.2.9", 5061), 3)
    fixed = [
        ("Max-Forwards", "70"),
        ("Route", "<sip:a;lr>"),
        ("Route", "<sip:b;lr>"),
        ("From", "<sip:\udcff@c>;tag=1"),
    ]
    fixed += [("To", "<sip:d>;tag=2"), ("Call-ID", "e")]
    template = Template(Request("NOTIFY", "sip:f@g", [*fixed, ("CSeq", "0 NOTIFY")]), flow)
    more = [("Subscription-State", "active"), ("Content-Type", "text/plain")]
    made = template.fill("z9hG4bKh", 7, more, body)
    read = parse_message(made.to_bytes())
    assert isinstance(read, Request)
    assert (read.method, read.uri_text, read.body) == (made.method, made.uri_text, made.body)
    assert read.headers == made.headers
    assert (read.via, read.cseq) == (made.via, made.cseq)
    via = f"SIP/2.0/TCP {flow.local};branch=z9hG4bKh;rport"
    built = Request("NOTIFY", "sip:f@g", [("Via", via), *fixed, ("CSeq", "7 NOTIFY"), *more], body)
    assert built.to_bytes() == made.to_bytes()
    again = template.fill("z9hG4bKi", 8, [], b"")
    assert (again.via.branch, again.cseq.number, made.via.branch) == ("z9hG4bKi", 8, "z9hG4bKh")
