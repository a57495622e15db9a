"""The phones of an extension are called, all at once, on behalf of a call."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from pbx.directory import Extension
from pbx.leg import Leg
from pbx.phone_models import alerting
from pbx.sips import secure
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.forking import Fork
    from pbx.party import Party
    from sipcore.registrar.registrar import Binding

ANONYMOUS = "anonymous"
"""The user part of a caller who withholds the number (RFC 3323 section 4.1)."""
ADDRESSES_REMEMBERED = 2048
"""Of extensions; an address knows how it is written once it has been."""


def call_phones(
    call: Call, extension: Extension, fork: Fork, *, intercom: bool = False, prefix: str = ""
) -> None:
    """Send an INVITE to every phone registered at `extension`; what they answer comes to `fork`. `prefix`: what they
    show in front of the caller's name.

    Raises PortsExhausted.
    """
    caller, switch = call.leg, call.switch
    assert caller is not None, "somebody is served"
    assert caller.session is not None, "by a call of his, or to him"
    bindings = switch.registrar.bindings(extension.number, switch.environment.now())
    if caller.session.request.uri.scheme == "sips":
        bindings = secure(bindings)
    _call(call, extension, fork, bindings, call.caller, caller, intercom, prefix)


def call_own_phones(
    call: Call, extension: Extension, fork: Fork, shown: Party, *, beside: Leg | None, intercom: bool
) -> None:
    """Call the phones of the extension that is to be the caller of `call`; they show whom it is for.

    The one that answers is to be carried by the media worker of `beside`. Raises PortsExhausted.
    """
    bindings = call.switch.bindings(extension)
    _call(call, extension, fork, bindings, shown, beside, intercom)


def _call(
    call: Call,
    extension: Extension,
    fork: Fork,
    bindings: Iterable[Binding],
    shown: Party,
    beside: Leg | None,
    intercom: bool,
    prefix: str = "",
) -> None:
    switch = call.switch
    addresses, distinctive = switch.nat.addresses, switch.distinctive_ring
    codecs = () if beside is None else beside.negotiation.offered_codecs
    opus_parameters = "" if beside is None else beside.negotiation.remote_opus_parameters
    for binding in bindings:
        flow = binding.flow
        sip_host = addresses.signalling(flow).host
        leg = Leg(switch, extension, fork, addresses.media(flow), beside, call.id)
        leg.negotiation.opus_parameters = opus_parameters
        fork.add(leg)
        headers: tuple[tuple[str, str], ...] = ()
        if intercom or distinctive:
            agent = binding.user_agent
            headers = alerting(agent, internal=call.internal, intercom=intercom, distinctive=distinctive)
        if call.transfer is not None:
            headers += _referred_by(call, sip_host)
        leg.call(
            binding.contact,
            flow,
            from_=(
                _name_address(shown, sip_host, prefix)
                if prefix or not isinstance(shown, Extension)
                else _remembered_address(shown.full_name, shown.number, sip_host)
            ),
            to=_remembered_address(extension.full_name, extension.number, sip_host),
            codecs=codecs,
            route_set=binding.path,
            headers=headers,
        )


def _referred_by(call: Call, host: str) -> tuple[tuple[str, str], ...]:
    """Who transfers (RFC 3892), as we know him: what his phone has written of that is not proven."""
    if not call.transfer_pending or call.transfer is None:
        return ()
    return (("Referred-By", str(_name_address(call.transfer.party, host))),)


def _name_address(party: Party, host: str, prefix: str = "") -> NameAddress:
    name = f"{prefix} {party.full_name}".strip() if prefix else party.full_name
    ours = isinstance(party, Extension)  # what strangers write is not remembered
    return (_remembered_address if ours else _address)(name, party.number, host)


def _address(name: str, number: str, host: str) -> NameAddress:
    return NameAddress(name or None, Uri("sip", number or ANONYMOUS, host=host), ())


_remembered_address = lru_cache(ADDRESSES_REMEMBERED)(_address)
