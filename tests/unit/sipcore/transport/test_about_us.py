"""What is said about us is printed once for each who is told it differently."""

from __future__ import annotations

from itertools import product

from sipcore.syntax.message import print_fields
from sipcore.transport.about_us import AboutUs
from sipcore.transport.flow import Address, Transport

KEYS = list(
    product(
        (Transport.UDP, Transport.TLS),
        (Address("192.0.2.1", 5060), Address("192.0.2.1", 5061), Address("198.51.100.1", 5060)),
        ("100", "101", "", "u" * 300),
        ("sip", "sips"),
    )
)


def test_what_is_printed_is_what_the_headers_say() -> None:
    about_us = AboutUs(["INVITE", "REFER"], "MyPhone")
    for key in [*KEYS, *KEYS, *reversed(KEYS)]:  # unknown, and remembered
        assert about_us.fields(*key) == print_fields(about_us.headers(*key))
    contacts = {about_us.fields(*key).partition("\r\n")[0] for key in KEYS}
    assert len(contacts) == 36, "sips is said over TLS alone"
