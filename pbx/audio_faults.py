"""Why nothing is heard, as a pure function of what was agreed on and what has been counted."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from media.messages import Statistics
from media.plan import StreamPlan
from pbx.happenings import AudioCause, AudioDirection


@dataclass(frozen=True, slots=True)
class AudioFault:
    """Sound that does not arrive."""

    direction: AudioDirection
    """The one without sound."""
    cause: AudioCause
    """The most likely one."""
    detail: str
    """In words."""


def audio_fault(plan: StreamPlan, signalling_host: str, counted: Statistics) -> AudioFault | None:
    """What is wrong with a stream that has been open for some seconds; None if nothing is known to be.

    A phone that holds, is held, or is muted is not at fault: that it sends nothing shows in comfort noise, or in
    reports by which it has sent nothing.
    """
    if plan.holds or not plan.direction.receives:
        return None
    if counted.packets_received:
        return _unheard(counted)
    if counted.packets_forged:
        return _from_phone(
            AudioCause.SRTP_KEYS,
            f"{counted.packets_forged} packets were not made with the key that was agreed on",
        )
    if counted.packets_of_other_types:
        return _from_phone(AudioCause.OTHER_CODEC, "it sends in a payload type that was not agreed on")
    if counted.comfort_noise or (counted.reports_received and not counted.remote_packets_sent):
        return None
    if counted.stranger is not None:
        return _from_phone(
            AudioCause.OTHER_ADDRESS,
            f"sound comes from {counted.stranger[0]}, which is neither in its description nor where its SIP comes from",
        )
    return _silent(plan, signalling_host)


def _silent(plan: StreamPlan, signalling_host: str) -> AudioFault:
    """Nothing at all has come."""
    written = plan.remote[0] if plan.remote is not None else signalling_host
    if written != signalling_host and is_private(written):
        return AudioFault(
            AudioDirection.BOTH,
            AudioCause.PRIVATE_ADDRESS,
            f"it asks for sound at {written}, a private address, while its SIP comes from {signalling_host}, and"
            " nothing has come by which its real address could be known",
        )
    return _from_phone(
        AudioCause.NOTHING_RECEIVED,
        "nothing at all has come: a firewall, or a port range that is not let through",
    )


def _unheard(counted: Statistics) -> AudioFault | None:
    if counted.heard_by_remote is not False:
        return None
    return AudioFault(
        AudioDirection.TO_PHONE,
        AudioCause.NOT_HEARD,
        f"its reports say that none of {counted.packets_sent} packets has come to it: a firewall on its side, or keys"
        " that do not match",
    )


def _from_phone(cause: AudioCause, detail: str) -> AudioFault:
    return AudioFault(AudioDirection.FROM_PHONE, cause, detail)


def is_private(host: str) -> bool:
    """Whether an address means something only in the network that it is in (RFC 1918, 4193, 6598)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in PRIVATE_NETWORKS if network.version == address.version)


PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
"""Addresses that are not routed on the Internet."""
