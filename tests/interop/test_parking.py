"""Baresip parks a call by its own transfer key, and another one takes it: who is heard when."""

from __future__ import annotations

import pytest

from tests.interop.baresip import assert_talk
from tests.interop.conftest import Softphones
from tests.interop.server import MUSIC_HZ

CALLER_HZ, PARKER_HZ, TAKER_HZ = 350.0, 800.0, 1000.0
LATER_HZ, OTHER_HZ = 1300.0, 1700.0


@pytest.mark.row("PARK-01", "PARK-02", "PARK-07", "PARK-10", "CORE-15")
@pytest.mark.parametrize("by", ["callee", "caller"])
def test_a_parked_call_hears_music_until_another_phone_takes_it(by: str, softphone: Softphones) -> None:
    caller, callee = softphone("130", CALLER_HZ), softphone("131", PARKER_HZ, auto_answer=True)
    taker = softphone("132", TAKER_HZ)
    parker, parked = (callee, caller) if by == "callee" else (caller, callee)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    parked.wait_until_hears(parker.tone_hz, parked.tone_hz)
    parker.transfer("*03")
    parker.wait_for("CALL_CLOSED")
    parked.wait_until_hears(MUSIC_HZ, parker.tone_hz, parked.tone_hz)
    taker.dial("*13")
    assert_talk(parked, taker, without=parker)
    taker.hang_up()
    parked.wait_for("CALL_CLOSED")


@pytest.mark.row("PARK-03", "PARK-04", "PARK-10")
def test_of_two_calls_in_an_orbit_that_of_the_named_extension_is_taken(softphone: Softphones) -> None:
    first, later = softphone("130", CALLER_HZ), softphone("133", LATER_HZ)
    one, other = softphone("131", PARKER_HZ, auto_answer=True), softphone("134", OTHER_HZ, auto_answer=True)
    taker = softphone("132", TAKER_HZ)
    for parked, parker in ((first, one), (later, other)):
        parked.dial(parker.account.number)
        parked.wait_for("CALL_ESTABLISHED")
        parked.wait_until_hears(parker.tone_hz, parked.tone_hz)
        parker.transfer("*04")
        parked.wait_until_hears(MUSIC_HZ, parker.tone_hz)
    taker.dial("*14134")
    assert_talk(later, taker, without=other)
    taker.hang_up()
    later.wait_for("CALL_CLOSED")
    first.wait_until_hears(MUSIC_HZ, PARKER_HZ, CALLER_HZ)
