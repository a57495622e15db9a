"""What all tests share: seeds, requirement rows, virtual time for coroutine tests, skips that may fail."""

from __future__ import annotations

import inspect
import os
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import rows
from tests.databases import Cluster, cluster
from tests.simulation.simulation import Simulation

SKIPS_FAIL = bool(os.environ.get("MYPHONE_SKIPS_FAIL"))
"""Continuous integration has every program installed: there, what is skipped is broken."""
EXCUSED = "the kernel offers no "
"""So begins the reason of a skip that nobody can mend by installing something."""

# Machines differ in speed, so there is neither a deadline nor a least speed; a failure prints the blob that replays it.
hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
DEFAULT = hypothesis.settings.get_profile("default")
hypothesis.settings.register_profile("ci", DEFAULT, derandomize=True)
hypothesis.settings.register_profile("explore", DEFAULT, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="seed of the simulated network (default: per test)")


# -- seeds and simulated time ----------------------------------------------------------------------


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number that differs from test to test and stays from run to run, unless `--seed` says otherwise."""
    chosen = request.config.getoption("--seed")
    return chosen if chosen is not None else zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def simulation(seed: int) -> Iterator[Simulation]:
    """A virtual clock and a simulated network. `async def` tests run on it, whether they name it or not."""
    with Simulation(seed) as simulation:
        yield simulation


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.fixturenames.insert(0, "simulation")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests to their end in virtual time."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    simulation = pyfuncitem.funcargs["simulation"]
    assert isinstance(simulation, Simulation)
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    simulation.run(pyfuncitem.obj(**arguments))
    return True


# -- databases -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests of the process that ask for it."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty database is, the path of a file or a URL: who asks for it runs twice."""
    if request.param == "sqlite":
        return tmp_path / "myphone.db"
    running: Cluster = request.getfixturevalue("postgresql")
    return running.new()


# -- reports ---------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On failure show the message ladder and the seed that replays it; count skips as failures if told to."""
    report = yield
    simulation = getattr(item, "funcargs", {}).get("simulation")
    told = call.excinfo is not None and hasattr(call.excinfo.value, "__notes__")
    if report.failed and simulation is not None and not told:
        title = f"message ladder (replay with --seed {simulation.seed})"
        report.sections.append((title, str(simulation.ladder)))
    if report.skipped and SKIPS_FAIL and not hasattr(report, "wasxfail"):
        fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file that is skipped counts like a single test."""
    report = yield
    if report.skipped and SKIPS_FAIL:
        fail_instead(report)
    return report


def fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that keeps the reason, unless it is excused."""
    skipped: Any = report.longrepr
    reason = skipped[2] if isinstance(skipped, tuple) else skipped
    if EXCUSED in str(reason):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped where no skip is allowed: {reason}"


# -- requirement rows ------------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a row mark that the table of requirements does not know: most likely a slip of the pen."""
    known = rows.known()
    for item in items:
        for row in rows.of(item):
            if row not in known:
                raise pytest.UsageError(f"{item.nodeid}: row {row!r} is not in {rows.TABLE.name}")
