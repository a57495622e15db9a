"""The machine's own network: names, and the address that faces a peer."""

from __future__ import annotations

import pytest

from sipcore.net.network import SystemNetwork
from tests.unit.sipcore.net.loopback import run


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8::0:1", "2001:db8::1"), ("127.1.2.3", "127.1.2.3")],
)
def test_an_address_is_its_own_name(host: str, address: str) -> None:
    assert run(SystemNetwork().resolve(host)) == [address]


def test_this_machine_has_a_name() -> None:
    addresses = run(SystemNetwork().resolve("localhost"))
    assert addresses
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert len(set(addresses)) == len(addresses)


def test_a_name_that_means_nothing_is_an_error() -> None:
    async def story() -> None:
        with pytest.raises(OSError, match=r".+"):
            await SystemNetwork().resolve("pbx.invalid")  # RFC 6761: never resolves

    run(story())


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_a_name_that_cannot_be_one_is_the_same_error(host: str) -> None:
    """Whoever redirects us may write anything."""

    async def story() -> None:
        with pytest.raises(OSError, match="is no name"):
            await SystemNetwork().resolve(host)

    run(story())


def test_the_way_to_this_machine_is_by_its_loopback() -> None:
    network = SystemNetwork()
    assert network.local_host_towards("127.0.0.1") == "127.0.0.1"


def test_addresses_towards_many_peers_are_not_remembered_without_bound() -> None:
    network = SystemNetwork()
    for number in range(10_000):
        network.local_host_towards(f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(network._towards) <= 4097
