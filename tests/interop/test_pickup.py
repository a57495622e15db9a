"""Baresip takes by a code what rings at another baresip."""

from __future__ import annotations

import pytest

from tests.interop.baresip import assert_talk
from tests.interop.conftest import Softphones

CALLER_HZ, CALLED_HZ, PICKER_HZ = 350.0, 800.0, 1000.0


@pytest.mark.row("PICK-01", "PICK-02", "DC-01")
@pytest.mark.parametrize("code", ["*20*131", "*20*"])
def test_a_call_that_rings_is_taken_by_a_code(code: str, softphone: Softphones) -> None:
    """The phone that rang stops, and whoever dialled the code talks."""
    caller, called, picker = (
        softphone("130", CALLER_HZ),
        softphone("131", CALLED_HZ),
        softphone("132", PICKER_HZ),
    )
    caller.dial("131")
    called.wait_for("CALL_INCOMING")
    picker.dial(code)
    called.wait_for("CALL_CLOSED")
    assert_talk(caller, picker, without=called)
    caller.hang_up()
    picker.wait_for("CALL_CLOSED")
