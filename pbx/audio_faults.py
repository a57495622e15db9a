"""Why nothing is heard, as a pure function of what was agreed on and what has been counted."""

from __future__ import annotations

from media.messages import Statistics
from media.plan import StreamPlan
from pbx.addresses import is_private
from pbx.happenings import AudioCause, AudioDirection
from values import dataclass


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
