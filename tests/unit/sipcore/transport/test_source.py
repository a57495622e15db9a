"""Limits count an IPv4 address, and the /64 of an IPv6 address."""

from __future__ import annotations

import pytest

from sipcore.transport.source import source_of


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.20", "192.0.2.20"),
        ("2001:db8:0:7::20", "2001:db8:0:7::/64"),
        ("2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:db8:0:7::/64"),
        ("2001:db8:0:8::20", "2001:db8:0:8::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.20", "192.0.2.20"),
    ],
)
def test_what_is_counted_as_one_source(host: str, source: str) -> None:
    assert source_of(host) == source
