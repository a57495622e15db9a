"""A system that is made to be asked where calls would go, and never started.

To make one takes a while with thousands of extensions. So it is made before anything is changed, of what the change
would leave; the change itself is short, and made anew where somebody else was quicker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sqlalchemy import Connection

from myphone_api.live_commands import Change, Live, OutOfDate
from pbx.config import Config
from pbx.environment import Environment
from pbx.live_data import Report, told
from pbx.plugin import Feature
from pbx.reception import enter_numbers
from pbx.store import live
from pbx.store.errors import Conflict
from pbx.switch import Switch

MOST_ATTEMPTS = 5
"""So often somebody else may be quicker."""


def revise_supposing(
    system: Live,
    change: Change,
    also: Callable[[Switch, Connection], Iterable[str]],
    **options: Any,
) -> Report:
    """Change live data as `Live.revise` does; `also` is told what the system would be like then. Raises what that
    raises, and Conflict where others change live data again and again."""
    for _ in range(MOST_ATTEMPTS):
        revision, config = system.store.read(partial(_changed, system.config, change))
        switch = asyncio.run(supposed(config, system.features))
        try:
            return system.revise(change, revision=revision, also=partial(also, switch), **options)
        except OutOfDate:
            continue
    raise Conflict("others change the live data all the time")


def _changed(config: Config, change: Change, connection: Connection) -> tuple[int, Config]:
    """The revision of the live data, and the configuration that a change would leave. Raises what `change` raises, and
    ConfigError."""
    tables = told(connection)
    change(tables)
    return live.revision(connection), config.with_tables(tables)


async def supposed(config: Config, features: tuple[Feature, ...]) -> Switch:
    """The system that a configuration makes."""
    switch = Switch(Environment.real(), config, features)
    enter_numbers(switch)
    return switch
