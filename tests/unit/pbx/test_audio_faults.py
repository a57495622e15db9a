"""Why nothing is heard, told from what was agreed on and what has been counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.messages import Statistics
from media.plan import Codec, Direction, StreamPlan
from pbx.addresses import is_private
from pbx.audio_faults import audio_fault
from pbx.happenings import AudioCause, AudioDirection

PHONE, HOME = "203.0.113.7", "192.168.1.7"
PLAN = StreamPlan(Codec.PCMA, 8, 8, (PHONE, 4000))
AT_HOME = replace(PLAN, remote=(HOME, 4000))
FROM, TO, BOTH = AudioDirection.FROM_PHONE, AudioDirection.TO_PHONE, AudioDirection.BOTH
NOTHING = Statistics(packets_sent=200)


@pytest.mark.parametrize(
    ("plan", "counted", "direction", "cause"),
    [
        (PLAN, NOTHING, FROM, AudioCause.NOTHING_RECEIVED),
        (AT_HOME, NOTHING, BOTH, AudioCause.PRIVATE_ADDRESS),
        (replace(PLAN, remote=("2001:db8::7", 4000)), NOTHING, FROM, AudioCause.NOTHING_RECEIVED),
        (PLAN, replace(NOTHING, packets_forged=9), FROM, AudioCause.SRTP_KEYS),
        (AT_HOME, replace(NOTHING, packets_forged=9), FROM, AudioCause.SRTP_KEYS),
        (PLAN, replace(NOTHING, packets_of_other_types=1), FROM, AudioCause.OTHER_CODEC),
        (
            PLAN,
            replace(NOTHING, packets_from_strangers=3, stranger=("198.51.100.9", 4000)),
            FROM,
            AudioCause.OTHER_ADDRESS,
        ),
        (
            PLAN,
            replace(NOTHING, reports_received=1, remote_packets_sent=150),
            FROM,
            AudioCause.NOTHING_RECEIVED,
        ),
        (PLAN, replace(NOTHING, packets_received=200, heard_by_remote=False), TO, AudioCause.NOT_HEARD),
    ],
)
def test_a_fault(plan: StreamPlan, counted: Statistics, direction: AudioDirection, cause: AudioCause) -> None:
    fault = audio_fault(plan, PHONE, counted)
    assert fault is not None
    assert (fault.direction, fault.cause) == (direction, cause)
    assert fault.detail


@pytest.mark.parametrize(
    ("plan", "counted"),
    [
        pytest.param(PLAN, replace(NOTHING, packets_received=1), id="it is heard"),
        pytest.param(PLAN, replace(NOTHING, packets_received=1, heard_by_remote=True), id="both are"),
        pytest.param(PLAN, replace(NOTHING, comfort_noise=1), id="comfort noise"),
        pytest.param(PLAN, replace(NOTHING, reports_received=1), id="muted: reports without sound"),
        pytest.param(
            PLAN, replace(NOTHING, reports_received=1, remote_packets_sent=0), id="muted, by its own account"
        ),
        pytest.param(replace(PLAN, direction=Direction.INACTIVE), NOTHING, id="on hold"),
        pytest.param(replace(PLAN, direction=Direction.RECVONLY), NOTHING, id="holds, and may play music"),
        pytest.param(replace(PLAN, direction=Direction.SENDONLY), NOTHING, id="held, and silent"),
        pytest.param(replace(PLAN, remote=None), NOTHING, id="holds in the old way"),
    ],
)
def test_no_fault(plan: StreamPlan, counted: Statistics) -> None:
    assert audio_fault(plan, PHONE, counted) is None


def test_a_phone_in_our_own_network_is_no_stranger_to_it() -> None:
    fault = audio_fault(AT_HOME, HOME, NOTHING)
    assert fault is not None
    assert fault.cause is AudioCause.NOTHING_RECEIVED


def test_a_private_address_is_named() -> None:
    fault = audio_fault(AT_HOME, PHONE, NOTHING)
    assert fault is not None
    assert HOME in fault.detail
    assert PHONE in fault.detail


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("192.168.0.1", True),
        ("100.64.0.1", True),
        ("169.254.1.1", True),
        ("127.0.0.1", True),
        ("8.8.8.8", False),
        ("fd00::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("example.com", False),
    ],
)
def test_which_addresses_are_private(host: str, private: bool) -> None:
    assert is_private(host) is private
