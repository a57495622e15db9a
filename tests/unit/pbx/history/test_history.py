"""What the history of calls asks to be told."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from pbx.happenings import CallConnected, CallEnded, CallQuality, CallStarted, Happenings, PresenceChanged
from pbx.history.history import History


def test_history_asks_for_calls_and_not_for_what_costs_much_to_find_out() -> None:
    happenings = Happenings()
    nowhere = cast(Any, None)  # the store is not needed before a call has ended
    History(happenings, nowhere, partial(datetime.now, UTC), keep_days=0)
    assert all(map(happenings.wanted, (CallStarted, CallConnected, CallEnded, CallQuality)))
    assert not happenings.wanted(PresenceChanged)
