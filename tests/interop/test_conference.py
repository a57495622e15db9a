"""Baresip and SIPp meet in a conference of `myphone serve`."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import Phones, Softphones
from tests.interop.programs import PATIENCE_SECONDS
from tests.interop.server import MUSIC_HZ

FIRST_HZ, SECOND_HZ = 440.0, 1000.0


def press_until(phone: Baresip, keys: str, done: Callable[[], bool]) -> None:
    """Press keys, one at a time, and then 1 until it is `done`; in a conference keys do nothing."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    waiting = list(keys)
    while not done():
        assert time.monotonic() < deadline, f"{phone.account.number} pressed {keys} in vain"
        phone.press(waiting.pop(0) if waiting else "1")
        time.sleep(0.5)  # between one key and the next, as fingers have it


@pytest.mark.row("CONF-04", "CONF-05", "CONF-06", "CONF-18", "SFT-06")
def test_phones_of_two_makes_meet_in_a_conference(softphone: Softphones, phone: Phones) -> None:
    first, second, third = softphone("130", FIRST_HZ), softphone("131", SECOND_HZ), phone("129", 129)
    for caller in (first, second):
        caller.dial("700")
        caller.wait_for("CALL_ESTABLISHED")
    press_until(first, "55#*", lambda: first.hears(MUSIC_HZ))
    press_until(second, "55#", lambda: first.hears(SECOND_HZ))
    # The names are announced to all, and these are the tones: when that is over, nobody hears himself.
    first.wait_until_hears(SECOND_HZ, FIRST_HZ, MUSIC_HZ)
    second.wait_until_hears(FIRST_HZ, SECOND_HZ, MUSIC_HZ)
    with third.start("caller_presses", dial="700"):  # it echoes what it hears
        for caller in (first, second):
            caller.wait_until_hears(FIRST_HZ)
            caller.wait_until_hears(SECOND_HZ)
    first.hang_up()
    second.hang_up()
    first.wait_for("CALL_CLOSED")
