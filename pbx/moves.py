"""Calls follow their phone when it registers by another flow: a new connection, or another port of its NAT.

A registration is digest-authenticated, so nobody but the owner of the extension can move a call by it; of the owner's
phones, the one that has the call is known by what it registered with before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipcore.effects import Effect
from sipcore.registrar.registrar import Binding, BindingChange, Change, Registrar

if TYPE_CHECKING:
    from pbx.leg import Leg
    from sipcore.endpoint import Endpoint
    from sipcore.transport.flow import Flow

MAX_LOST = 10
"""Bindings of an extension that are remembered after their connection has gone."""


class Moves:
    """Looks at what changes in the registrar."""

    def __init__(
        self,
        legs_of: Callable[[str], Iterable[Leg]],
        registrar: Registrar,
        endpoint: Endpoint,
        perform: Callable[[list[Effect]], None],
    ) -> None:
        self._legs_of = legs_of
        self._registrar = registrar
        self._endpoint = endpoint
        self._perform = perform
        self._lost: dict[str, deque[tuple[float, Binding]]] = {}
        """Extension -> since when a phone is without its connection."""

    def note(self, changes: Iterable[BindingChange], now: float) -> None:
        """See which calls have to follow."""
        for change in changes:
            binding = change.binding
            if change.change in (Change.REPLACED, Change.FLOW_CLOSED):
                self._lost.setdefault(binding.aor, deque(maxlen=MAX_LOST)).append((now, binding))
                for new in self._registrar.bindings(binding.aor, now):  # it may be back already
                    self._follow(binding, new)
            elif change.change is Change.ADDED:
                for old in self._missing(binding.aor, now):
                    self._follow(old, binding)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone that a phone has used for a call alone, as for a request too large for UDP: it is still
        reached by what it has registered over."""
        for session in self._endpoint.sessions_on(flow):
            for binding in self._registrar.bindings(session.identity, now):
                if (
                    session.dialog is not None
                    and binding.contact.host == session.dialog.remote_target.host
                    and binding.flow.host == flow.host
                    and not (flow.transport.secure and not binding.flow.transport.secure)
                ):
                    self._perform(self._endpoint.move(session, binding.flow))
                    break

    def _missing(self, aor: str, now: float) -> list[Binding]:
        """What an extension has lost not long ago."""
        lost = self._lost.get(aor, ())
        recent = [(since, old) for since, old in lost if since > now - self._endpoint.settings.adrift_seconds]
        if recent:
            self._lost[aor] = deque(recent, maxlen=MAX_LOST)
        else:
            self._lost.pop(aor, None)
        return [old for _, old in recent]

    def _follow(self, old: Binding, new: Binding) -> None:
        if not _same_phone(old, new) or (old.flow.transport.secure and not new.flow.transport.secure):
            return
        for leg in list(self._legs_of(old.aor)):
            if leg.session is not None and leg.session.flow == old.flow:
                self._perform(self._endpoint.move(leg.session, new.flow))


def _same_phone(old: Binding, new: Binding) -> bool:
    """Whether two bindings are of one phone. The instance tells; without one, the contact, or the Call-ID, which a
    phone keeps until it is switched off (RFC 3261 section 10.2)."""
    if old.aor != new.aor:
        return False
    if old.instance and new.instance:
        return old.instance == new.instance
    return old.contact.matches(new.contact) or (bool(old.call_id) and old.call_id == new.call_id)
