"""Live data that change while the system runs: whoever changes them, in which process ever, the switch follows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pbx.config_errors import ConfigError, Problem
from pbx.dead_ends import check_leads
from pbx.dial_codes import dial_table
from pbx.forwarding import kept
from pbx.happenings import ExtensionAdded, ExtensionChanged, ExtensionRemoved, TablesChanged
from pbx.live_data import TABLES, Report, merged, revise
from pbx.store import forwarding, live
from pbx.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.directory import Extension
    from pbx.switch import Switch

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is seen whether another process, such as `myphone ext`, has changed something."""


class LiveChanges:
    """What follows from a change for the rest of a switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._revision = switch.store.revision
        """That which is in force."""
        self._looking: asyncio.Task[None] | None = None
        self._applying = asyncio.Lock()

    def start(self) -> None:
        """Look at the store from time to time, if others can reach it."""
        if self._switch.store.durable:
            self._looking = self._switch.loop.create_task(self._keep_looking(), name="live data")

    def stop(self) -> None:
        """Follow no more."""
        if self._looking is not None:
            self._looking.cancel()

    async def revise(
        self, change: Callable[[dict[str, Any]], None], *, versions: Mapping[str, int] | None = None
    ) -> Report:
        """Change live data (see `pbx.live_data.revise`); on disk when this returns, and in force, unless the database
        has gone away just then: so it is as soon as that is back.

        Raises Conflict, ConfigError, StoreUnavailable; then nothing has changed.
        """
        config = self._switch.config
        report = await self._switch.store.write(
            partial(revise, config, change, versions=versions, check=self._check)
        )
        try:
            await self.refresh()
        except StoreUnavailable as error:
            logger.warning("what was changed is kept, and in force a little later: %s", error)
        return report

    async def refresh(self) -> None:
        """Follow what the store says now. Raises ConfigError if that cannot be, and StoreUnavailable."""
        async with self._applying:  # one after the other, or an older state could follow a newer one
            store = self._switch.store
            revision = await store.fetch(live.revision)
            if revision == self._revision:
                return
            try:
                await self._follow()
            except StoreUnavailable:
                raise  # and at the next look it is followed
            except Exception:
                self._revision = revision  # it will not do any better: that is said once
                raise
            self._revision = revision

    async def _follow(self) -> None:
        switch, store = self._switch, self._switch.store
        removed = await store.fetch(live.removed)  # before the rest, so that none of it is older
        config = await store.fetch(partial(merged, switch.config))
        rules = await store.fetch(forwarding.all_rows)
        try:
            await switch.mailboxes.clear(removed)
        except OSError as error:
            logger.error("files of removed extensions are removed at the next start: %s", error)
        self.apply(config, frozenset(removed.values()))
        kept.take(switch, rules)
        await switch.queues.follow()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.refresh()
            except StoreUnavailable as error:
                logger.debug("live data: %s", error)
            except ConfigError as error:
                logger.error("live data of the store are not in force, for they cannot be: %s", error)

    def _check(self, revised: Config, before: Callable[[], Config]) -> None:
        """What the configuration alone cannot tell. Raises ConfigError."""
        check_leads(self._switch.features, revised, before)
        for index, extension in enumerate(revised.extensions):
            taken = self._switch.system_numbers.find(extension.number)
            if taken is not None:
                raise ConfigError(
                    Problem(f"extensions[{index}].number", f"{extension.number} is {taken} already")
                )

    # -- what follows -----------------------------------------------------------------------------------------

    def apply(self, config: Config, removed: frozenset[str] = frozenset()) -> None:
        """Let a configuration be in force whose live data may be others: all in one stretch, so no call sees half.

        A number among the `removed` that is there nevertheless belongs to somebody else now. Raises ConfigError
        where dial codes clash; then nothing has changed.
        """
        switch = self._switch
        before, old = switch.config, {extension.number: extension for extension in switch.directory}
        codes = dial_table(switch.features, config)
        switch.config, switch.dial_table = config, codes
        switch.directory.replace(config.directory())
        tables = tuple(name for name in TABLES if getattr(before, name) != getattr(config, name))
        if tables:
            switch.trunks.refresh()
            switch.forwarding.hours = config.office_hours
            switch.reroute()
        for extension in switch.directory:
            known = old.pop(extension.number, None)
            if known is not None and extension.number in removed:
                self._removed(extension.number)
                known = None
            if known is None:
                self._added(extension)
            elif known is not extension:
                self._changed(known, extension)
        for number in old:
            self._removed(number)
        switch.board.refresh()
        if tables:
            logger.info("other %s are in force", ", ".join(tables))
            switch.happenings.tell(TablesChanged(at=switch.environment.wall(), tables=tables))

    def _added(self, extension: Extension) -> None:
        switch = self._switch
        logger.info("extension %s is added", extension.number)
        switch.events.changed(extension.number)
        switch.happenings.tell(
            ExtensionAdded(at=switch.environment.wall(), extension=extension.number, name=extension.full_name)
        )

    def _changed(self, before: Extension, extension: Extension) -> None:
        """Phones that logged in with a password of yesterday have to do so again; calls go on."""
        switch = self._switch
        if before.credentials != extension.credentials:
            switch.unregister(extension.number)
            switch.events.dismiss(extension.number)
        switch.happenings.tell(
            ExtensionChanged(
                at=switch.environment.wall(), extension=extension.number, name=extension.full_name
            )
        )

    def _removed(self, number: str) -> None:
        switch = self._switch
        logger.info("extension %s is removed", number)
        for leg in list(switch.legs_of(number)):
            leg.fail(480)
        switch.unregister(number)
        switch.events.forget(number)
        switch.presence.forget(number)
        switch.messages.forget(number)
        switch.forwarding.set(number, None)
        switch.happenings.tell(ExtensionRemoved(at=switch.environment.wall(), extension=number))
