"""What extensions spend outside."""

from __future__ import annotations

from datetime import date

import pytest

from pbx.trunks.ledger import Ledger, LimitReached

MONDAY, TUESDAY = date(2009, 9, 21), date(2009, 9, 22)


def test_calls_at_once_are_limited_for_each_extension() -> None:
    ledger = Ledger(1, 0)
    claim = ledger.claim("100", MONDAY)
    ledger.claim("101", MONDAY)
    with pytest.raises(LimitReached, match="At Once"):
        ledger.claim("100", MONDAY)
    claim.release()
    claim.release()
    ledger.claim("100", MONDAY)
    assert len(ledger) == 2


def test_calls_of_a_day_are_limited_until_midnight() -> None:
    ledger = Ledger(0, 2)
    for _ in range(2):
        ledger.claim("100", MONDAY).release()
    with pytest.raises(LimitReached, match="Today"):
        ledger.claim("100", MONDAY)
    ledger.claim("100", TUESDAY).release()
    assert len(ledger) == 0


def test_emergency_calls_have_no_limit_and_are_counted() -> None:
    ledger = Ledger(1, 1)
    ledger.claim("100", MONDAY)
    ledger.claim("100", MONDAY, unlimited=True)
    assert len(ledger) == 2


def test_zero_is_no_limit() -> None:
    ledger = Ledger(0, 0)
    assert [ledger.claim("100", MONDAY) for _ in range(1000)]
