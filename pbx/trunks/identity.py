"""Who calls, as a trunk is told: From, P-Asserted-Identity, Privacy, Diversion and History-Info."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.party import ExternalParty, Party
from pbx.trunks.settings import CallerIdStyle
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri
from values import dataclass

if TYPE_CHECKING:
    from pbx.directory import Extension
    from pbx.trunks.trunk import Trunk

ANONYMOUS = NameAddress("Anonymous", Uri("sip", "anonymous", host="anonymous.invalid"))
"""RFC 3323 section 4.1."""

_CAUSES = {"unconditional": 302, "user-busy": 486, "no-answer": 408, "unavailable": 503, "deflection": 302}
"""Reasons of Diversion (RFC 5806 section 4), and what History-Info calls them (RFC 4458)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is sent."""

    from_: NameAddress
    headers: tuple[tuple[str, str], ...]
    shown: str
    """The number that the carrier was asked to show; empty where it was asked to show none."""


def outgoing_identity(
    trunk: Trunk,
    caller: Party,
    host: str,
    diverted: tuple[Extension, str] | None,
    called: Uri,
    *,
    emergency: bool = False,
) -> Identity:
    """How a call is announced. `host` is our address there; `diverted` is who forwarded, and why (RFC 5806).

    Who calls for help is not hidden.
    """
    domain = trunk.domain or host
    number, withheld = _number(trunk, caller)
    hidden = withheld and not emergency
    user = trunk.settings.user if trunk.settings.shows_account else number
    ours = NameAddress(caller.full_name or None, Uri("sip", number or None, host=domain))
    from_ = NameAddress(caller.full_name or None, Uri("sip", user or None, host=domain))
    headers: list[tuple[str, str]] = []
    style = trunk.settings.caller_id
    if style is CallerIdStyle.ASSERTED and number:
        headers.append(("P-Asserted-Identity", str(ours)))
    elif style is CallerIdStyle.REMOTE_PARTY_ID and number:
        headers.append(("Remote-Party-ID", f"{ours};party=calling;privacy={'full' if hidden else 'off'}"))
    if hidden or not number:
        headers.append(("Privacy", "id"))
        from_ = NameAddress("Anonymous", from_.uri) if trunk.settings.shows_account else ANONYMOUS
    if diverted is not None:
        headers += _diversion(trunk, *diverted, domain, called)
    return Identity(from_, tuple(headers), "" if hidden else number)


def _number(trunk: Trunk, caller: Party) -> tuple[str, bool]:
    """The caller's number as this trunk writes numbers, and whether it is to be hidden."""
    if isinstance(caller, ExternalParty):
        return _written(trunk, caller.number), not caller.number
    return _written(trunk, caller.caller_id(external=True)), caller.withhold_number


def _written(trunk: Trunk, number: str) -> str:
    return trunk.plan.read(number).formatted(trunk.settings.number_format) if number else ""


def _diversion(
    trunk: Trunk, extension: Extension, reason: str, domain: str, called: Uri
) -> list[tuple[str, str]]:
    """Who forwarded the call: in the old header, and in the one of RFC 7044."""
    first = Uri("sip", _written(trunk, extension.caller_id(external=True)), host=domain)
    second = Uri("sip", called.user, host=called.host, parameters=(("cause", str(_CAUSES.get(reason, 302))),))
    return [
        ("Diversion", f"<{first}>;reason={reason}"),
        ("History-Info", f"<{first}>;index=1, <{second}>;index=1.1"),
    ]
