"""What outlives a restart without anybody asking for it: registrations, statuses, counts of external calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pbx.presence import UserStatus
from pbx.store.bindings import bindings_at, replace_bindings
from pbx.store.external_calls import count_external_call, external_calls_of
from pbx.store.statuses import clear_status, every_status, set_status
from pbx.store.store import OneOf
from sipcore.registrar.registrar import Binding, BindingChange
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pbx.switch import Switch


BATCH_SECONDS = 0.5
"""How long a registration may wait to be noted: a phone that comes again meanwhile is noted once."""


class Keeping:
    """Notes what changes, and brings it back at the start.

    A phone that registered within the last moment before the process was killed has to do so again.
    """

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._durable = switch.store.durable
        """In memory there is nothing to come back from."""
        self._registered: set[str] = set()
        """Extensions whose registrations have changed, and are not noted yet."""
        self._timer: asyncio.TimerHandle | None = None
        if self._durable:
            switch.presence.on_said = self._note_status
            switch.trunks.ledger.on_claim = self._note_call

    def restore(self) -> Sequence[BindingChange]:
        """Bring all back; the ports have to be open. Returns the registrations. Raises StoreUnavailable."""
        if not self._durable:
            return ()
        switch, today = self._switch, self._switch.environment.wall()
        for number, status, note in switch.store.read(every_status):
            switch.presence.restore(number, UserStatus(status), note)
        switch.trunks.ledger.restore(
            today.date(), switch.store.read(partial(external_calls_of, today.date()))
        )
        rows = switch.store.read(partial(bindings_at, today)) if switch.config.sip.udp_port else []
        now = switch.loop.time()
        found = (self._binding(row, now - today.timestamp()) for row in rows if row["transport"] == "UDP")
        return switch.registrar.restore((binding for binding in found if binding is not None), now)

    # -- registrations ----------------------------------------------------------------------------------------

    def registrations(self, extensions: Iterable[str]) -> None:
        """The bindings of some extensions have come, gone, or been refreshed."""
        if not self._durable:
            return
        self._registered.update(extensions)
        if self._registered and self._timer is None:
            self._timer = self._switch.loop.call_later(BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand over to the store what waits to be noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        extensions, self._registered = self._registered, set()
        now, wall = self._switch.loop.time(), self._switch.environment.wall()
        for extension in extensions:
            oldest_first = self._switch.registrar.bindings(extension, now)[::-1]
            rows = [
                _row(binding, wall + timedelta(seconds=binding.expires_at - now)) for binding in oldest_first
            ]
            self._switch.store.note(OneOf(replace_bindings, (extension, rows)))

    def _binding(self, row: dict[str, Any], loop_time: float) -> Binding | None:
        """A binding as it was, on the socket of today; None if that knows no such addresses.

        A connection is gone with the process: its phone notices, and registers anew.
        """
        flow = self._switch.driver.udp_flow(Address(row["host"], row["port"]))
        if (":" in flow.local.host) != (":" in flow.host):
            return None
        return Binding(
            row["extension"],
            Uri.parse(row["contact"]),
            flow,
            row["expires_at"].timestamp() + loop_time,
            row["q"],
            row["instance"],
            row["reg_id"],
            tuple(NameAddress.parse(line) for line in row["path"].splitlines()),
            row["call_id"],
            row["cseq"],
            row["user_agent"],
        )

    # -- statuses, counts -------------------------------------------------------------------------------------

    def _note_status(self, number: str, status: UserStatus, note: str) -> None:
        self._switch.store.note(partial(enter_status, number, status, note))

    def _note_call(self, payer: str, day: date, calls: int) -> None:
        self._switch.store.note(partial(count_external_call, payer, day, calls))


def _row(binding: Binding, expires_at: datetime) -> dict[str, Any]:
    remote = binding.flow.remote
    return {
        "contact": str(binding.contact),
        "transport": binding.flow.transport.value,
        "host": remote.host,
        "port": remote.port,
        "expires_at": expires_at,
        "q": binding.q,
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "path": "\n".join(map(str, binding.path)),
        "call_id": binding.call_id,
        "cseq": binding.cseq,
        "user_agent": binding.user_agent,
    }


def enter_status(number: str, status: UserStatus, note: str, connection: Connection) -> None:
    """Keep what a user says."""
    if (status, note) == (UserStatus.AVAILABLE, ""):
        clear_status(number, connection)
    else:
        set_status(number, status.value, note, connection)
