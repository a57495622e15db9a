"""The gate for those who call from outside: what comes from a trunk's address is that trunk's, and may little."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipcore.registrar.gate import Admitted, Ignored, Judge, Refused
from sipcore.syntax.message import Request
from sipcore.transport.flow import Flow

if TYPE_CHECKING:
    from pbx.trunks.trunk import Trunk

METHODS = ("INVITE", "OPTIONS")
"""What trunks may ask for outside calls."""
_TRUNK = "trunk "


class TrunkGate:
    """Admits trunks by address, never by what they say in From; everybody else meets the gate behind."""

    def __init__(self, source: Callable[[Request, Flow], Trunk | None], behind: Judge) -> None:
        self._source = source
        self._behind = behind

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        """Look at a request that belongs to no transaction or dialog, or comes from elsewhere than its dialog did."""
        trunk = self._source(request, flow)
        if trunk is not None:
            return _admit(trunk, request)
        credentials = request.get_all("Authorization") if "Authorization" in request.first else ()
        return self._behind.judge(request, credentials, flow, now)

    def judge(
        self, request: Request, credentials: Iterable[str], flow: Flow, now: float
    ) -> Admitted | Refused | Ignored:
        """The same, of one that is like `request` but for its Via, CSeq and credentials."""
        trunk = self._source(request, flow)
        if trunk is None:
            return self._behind.judge(request, credentials, flow, now)
        return _admit(trunk, request)


def _admit(trunk: Trunk, request: Request) -> Admitted | Refused:
    if request.method not in METHODS and not request.to_tag:
        return Refused(405, (("Allow", ", ".join(METHODS)),))
    return Admitted(identity_of(trunk.name))


def identity_of(name: str) -> str:
    """What the sessions of a trunk are admitted as."""
    return _TRUNK + name


def trunk_named(identity: str) -> str | None:
    """The name of the trunk that was admitted; None for an extension, whose number has no letters."""
    return identity.removeprefix(_TRUNK) if identity.startswith(_TRUNK) else None
