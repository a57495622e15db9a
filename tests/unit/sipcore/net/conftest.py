"""A client for the servers of these tests."""

from __future__ import annotations

import pytest

from tests.simulation.network import HostNetwork
from tests.simulation.simulation import Simulation
from tests.unit.sipcore.net.serving import CLIENT


@pytest.fixture
def client(simulation: Simulation) -> HostNetwork:
    return simulation.network.host(CLIENT, "client")
