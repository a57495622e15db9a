"""Two baresip softphones meet in a conference of `myphone serve`."""

from __future__ import annotations

import time

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import Softphones
from tests.interop.programs import PATIENCE_SECONDS

FIRST_HZ, SECOND_HZ = 440.0, 1000.0


def press_until_heard(phone: Baresip, keys: str, other: Baresip) -> None:
    """Press keys, one at a time, until the other phone hears this one; in a conference they do nothing."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    waiting = list(keys)
    while not other.hears(phone.tone_hz):
        assert time.monotonic() < deadline, f"{other.account.number} never heard {phone.account.number}"
        phone.press(waiting.pop(0) if waiting else "1")
        time.sleep(0.5)  # between one key and the next, as fingers have it


@pytest.mark.row("CONF-04", "CONF-05", "CONF-06", "CONF-18", "SFT-06")
def test_two_phones_meet_in_a_conference(softphone: Softphones) -> None:
    first, second = softphone("130", FIRST_HZ), softphone("131", SECOND_HZ)
    for phone in (first, second):
        phone.dial("700")
        phone.wait_for("CALL_ESTABLISHED")
    for key in "55#*":  # typed ahead: the prompts that these answer are not played
        first.press(key)
        time.sleep(0.5)
    press_until_heard(second, "55#", first)
    press_until_heard(first, "1", second)
    # The names are announced to all, and these are the tones: when that is over, nobody hears himself.
    first.wait_until_hears(SECOND_HZ, FIRST_HZ)
    second.wait_until_hears(FIRST_HZ, SECOND_HZ)
    first.hang_up()
    second.hang_up()
    first.wait_for("CALL_CLOSED")
