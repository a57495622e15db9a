"""Two baresip softphones meet in a conference of `myphone serve`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.interop.baresip import Account, Baresip
from tests.interop.programs import PATIENCE_SECONDS
from tests.interop.server import PASSWORD, Server
from tests.interop.tones import AMPLITUDE, level

FIRST_HZ, SECOND_HZ = 440.0, 1000.0
FIRST_PORT = 24700
WINDOW_SECONDS = 1.0


def hears(phone: Baresip, hertz: float) -> bool:
    """Whether a tone has sounded for the whole of the last second."""
    samples = phone.heard_lately(WINDOW_SECONDS)
    return len(samples) >= WINDOW_SECONDS * 8000 and level(samples, hertz) > AMPLITUDE / 2


def press_until(phone: Baresip, keys: str, hertz: float, other: Baresip) -> None:
    """Press keys, one at a time, until the other phone hears this one; in a conference they do nothing."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    waiting = list(keys)
    while not hears(other, hertz):
        assert time.monotonic() < deadline, f"{other.account.number} never heard {phone.account.number}"
        phone.press(waiting.pop(0) if waiting else "1")
        time.sleep(0.5)  # between one key and the next, as fingers have it


def wait_until_alone(phone: Baresip, other_hz: float, own_hz: float) -> None:
    """Wait until a phone hears the other's tone, and nothing of its own."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not hears(phone, other_hz) or level(phone.heard_lately(WINDOW_SECONDS), own_hz) > AMPLITUDE / 50:
        assert time.monotonic() < deadline, f"{phone.account.number} does not hear the other alone"
        time.sleep(0.2)


@pytest.mark.row("CONF-04", "CONF-05", "CONF-06", "CONF-18", "SFT-06")
def test_two_phones_meet_in_a_conference(server: Server, tmp_path: Path) -> None:
    address = f"{server.address}:5060"
    with (
        Baresip(
            tmp_path / "first", Account("130", PASSWORD, address), first_port=FIRST_PORT, tone_hz=FIRST_HZ
        ) as first,
        Baresip(
            tmp_path / "second",
            Account("131", PASSWORD, address),
            first_port=FIRST_PORT + 40,
            tone_hz=SECOND_HZ,
        ) as second,
    ):
        first.wait_until_registered()
        second.wait_until_registered()
        for phone in (first, second):
            phone.dial("700")
            phone.wait_for("CALL_ESTABLISHED")
        for key in "55#*":  # typed ahead: the prompts that these answer are not played
            first.press(key)
            time.sleep(0.5)
        press_until(second, "55#", SECOND_HZ, first)
        press_until(first, "1", FIRST_HZ, second)
        # The names are announced to all, and these are the tones: when that is over, nobody hears himself.
        wait_until_alone(first, SECOND_HZ, FIRST_HZ)
        wait_until_alone(second, FIRST_HZ, SECOND_HZ)
        first.hang_up()
        second.hang_up()
        first.wait_for("CALL_CLOSED")
