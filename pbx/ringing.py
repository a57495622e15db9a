"""The phones of an extension are called, all at once, on behalf of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.leg import Leg
from pbx.phone_models import alerting
from pbx.sips import reachable
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.uri import Uri

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.directory import Extension
    from pbx.forking import Fork
    from pbx.party import Party

ANONYMOUS = "anonymous"
"""The user part of a caller who withholds the number (RFC 3323 section 4.1)."""


def call_phones(call: Call, extension: Extension, fork: Fork, *, intercom: bool = False) -> None:
    """Send an INVITE to every phone registered at `extension`; what they answer comes to `fork`.

    Raises PortsExhausted.
    """
    switch, caller = call.switch, call.caller_leg
    for binding in reachable(switch.bindings(extension), caller.invitation):
        host = switch.media_host(binding.flow)
        sip_host = switch.nat.addresses.signalling(binding.flow).host
        leg = Leg(switch, extension, fork, host=host, beside=caller)
        leg.call_id = call.id
        leg.negotiation.opus_parameters = caller.negotiation.remote_opus_parameters
        fork.add(leg)
        leg.call(
            binding.contact,
            binding.flow,
            from_=_name_address(call.caller, sip_host),
            to=_name_address(extension, sip_host),
            codecs=caller.negotiation.offered_codecs,
            route_set=binding.path,
            headers=alerting(
                binding.user_agent,
                internal=call.internal,
                intercom=intercom,
                distinctive=call.config.sip.distinctive_ring,
            )
            + _referred_by(call, sip_host),
        )


def _referred_by(call: Call, host: str) -> tuple[tuple[str, str], ...]:
    """Who transfers (RFC 3892), as we know him: what his phone has written of that is not proven."""
    if not call.transfer_pending or call.transfer is None:
        return ()
    return (("Referred-By", str(_name_address(call.transfer.party, host))),)


def _name_address(party: Party, host: str) -> NameAddress:
    return NameAddress(party.full_name or None, Uri("sip", party.number or ANONYMOUS, host=host), ())
