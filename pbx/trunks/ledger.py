"""What each extension spends outside: calls at the same time, and calls on one day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date


class LimitReached(Exception):
    """The extension has spent what it may; the text says what."""


class Claim:
    """One external call, until `release`; twice is harmless."""

    def __init__(self, ledger: Ledger, payer: str) -> None:
        self._ledger: Ledger | None = ledger
        self._payer = payer

    def release(self) -> None:
        """The call is over, or was never answered."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.release(self._payer)


class Ledger:
    """The books. A claim is made before anything is sent, in one stretch with the look at the limits."""

    def __init__(self, max_calls: int, max_calls_a_day: int) -> None:
        """0: no limit."""
        self.on_claim: Callable[[str, date, int], None] = lambda payer, day, calls: None
        """Told who makes which call of the day."""
        self._max_calls = max_calls
        self._max_calls_a_day = max_calls_a_day
        self._open: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._date: date | None = None

    def __len__(self) -> int:
        """How many claims are open."""
        return self._open.total()

    def claim(self, payer: str, today: date, *, unlimited: bool = False) -> Claim:
        """Enter a call that is about to be made; `unlimited` ones are counted all the same. Raises LimitReached."""
        if today != self._date:
            self._date = today
            self._today.clear()
        if not unlimited and 0 < self._max_calls <= self._open[payer]:
            raise LimitReached("Too Many External Calls At Once")
        if not unlimited and 0 < self._max_calls_a_day <= self._today[payer]:
            raise LimitReached("Too Many External Calls Today")
        self._open[payer] += 1
        self._today[payer] += 1
        self.on_claim(payer, today, self._today[payer])
        return Claim(self, payer)

    def restore(self, today: date, calls: Mapping[str, int]) -> None:
        """Go on counting from what was made of a day before a restart."""
        self._date = today
        self._today = Counter(calls)

    def release(self, payer: str) -> None:
        """Strike out an open call."""
        self._open[payer] -= 1
        if not self._open[payer]:
            del self._open[payer]
