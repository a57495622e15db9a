"""Timer values (RFC 3261 table 4, RFC 6026 section 7)."""

from __future__ import annotations

import pytest

from sipcore.transaction.timers import Timers


def test_the_defaults_are_those_of_the_rfc() -> None:
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4) == (0.5, 4.0, 5.0)
    assert timers.c == 180.0
    assert timers.timeout == 32.0
    assert timers.d == 32.0


@pytest.mark.parametrize(("t1", "timeout", "d"), [(0.1, 6.4, 32.0), (1.0, 64.0, 64.0)])
def test_what_follows_from_t1(t1: float, timeout: float, d: float) -> None:
    timers = Timers(t1=t1)
    assert timers.timeout == pytest.approx(timeout)
    assert timers.d == pytest.approx(d)
