"""Offices and processes for the journeys. What a test leaves behind in an office is a failure too."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.journeys.commands import Command, Demo, Run
from tests.simulation.office import PBX, Office
from tests.simulation.simulation import Simulation


@pytest.fixture(autouse=True)
def _no_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Exceptions that the driver or a call survives are logged: here they fail the test."""
    yield
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def make_office(simulation: Simulation) -> Iterator[Callable[..., Office]]:
    """`make_office(extensions={"101": {"sip_id": "boss"}}, link=WIRELESS)`: an office to `open()`.

    It is closed at the end of the test.
    """

    def close(office: Office) -> None:
        if not simulation.failed:
            simulation.run(office.close())

    with ExitStack() as stack:

        def make(**settings: Any) -> Office:
            office = Office(simulation, **settings)
            stack.callback(close, office)
            return office

        yield make


@pytest.fixture
def office(make_office: Callable[..., Office], simulation: Simulation) -> Office:
    """A running office of the demo company on a perfect network."""
    office = make_office()
    simulation.run(office.open())
    return office


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """What the `[sip]` table of an office says that takes TLS too."""
    issued = trustme.CA().issue_cert(PBX)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return {"tls_port": 5061, "certificate": str(certificate), "key": str(key)}


# -- processes ---------------------------------------------------------------------------------------


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts commands; none outlives the test."""
    started: list[Command] = []

    def run(*arguments: object, password: str = "") -> Command:
        started.append(Command(*arguments, password=password))
        return started[-1]

    yield run
    for command in started:
        command.kill()


@pytest.fixture(scope="session")
def addresses() -> Iterator[str]:
    """Loopback addresses that nobody else uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw99").removeprefix("gw"))
    return (f"127.{100 + worker}.{high}.{low}" for high in range(256) for low in range(1, 255))


@pytest.fixture
def here(addresses: Iterator[str]) -> str:
    """The address of the system under test."""
    return next(addresses)


@pytest.fixture
def demo(run: Run, here: str, tmp_path: Path) -> Demo:
    return Demo(run, here, tmp_path / "demo")
