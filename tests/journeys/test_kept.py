"""What outlives a restart of the system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from pbx.store.extensions import extensions
from tests.simulation.office import COMPANY, Office


async def test_extensions_are_kept_over_a_restart(make_office: Callable[..., Office], tmp_path: Path) -> None:
    office = make_office(database=tmp_path / "myphone.db")
    await office.open()
    await office.restart()
    kept = await office.switch.store.fetch(
        lambda connection: list(connection.scalars(select(extensions.c.number)))
    )
    assert sorted(kept) == sorted(COMPANY)


async def test_without_a_place_nothing_is_kept(office: Office) -> None:
    kept = await office.switch.store.fetch(
        lambda connection: list(connection.scalars(select(extensions.c.number)))
    )
    assert sorted(kept) == sorted(COMPANY)
    assert not office.switch.store.durable
