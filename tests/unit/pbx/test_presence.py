"""The six states and their precedence."""

from __future__ import annotations

from itertools import product

import pytest

from pbx.presence import DisplayState, ExtensionState, LineState, UserStatus

SHOWN = {
    (UserStatus.AVAILABLE, LineState.NOT_REGISTERED): (DisplayState.NOT_REGISTERED, "grey"),
    (UserStatus.AVAILABLE, LineState.IDLE): (DisplayState.AVAILABLE, "green"),
    (UserStatus.AVAILABLE, LineState.RINGING): (DisplayState.RINGING, "yellow"),
    (UserStatus.AVAILABLE, LineState.INTERNAL_CALL): (DisplayState.INTERNAL_CALL, "pale blue"),
    (UserStatus.AVAILABLE, LineState.EXTERNAL_CALL): (DisplayState.EXTERNAL_CALL, "orange"),
    (UserStatus.AWAY, LineState.NOT_REGISTERED): (DisplayState.AWAY, "red"),
    (UserStatus.AWAY, LineState.IDLE): (DisplayState.AWAY, "red"),
    (UserStatus.AWAY, LineState.RINGING): (DisplayState.RINGING, "yellow"),
    (UserStatus.AWAY, LineState.INTERNAL_CALL): (DisplayState.INTERNAL_CALL, "pale blue"),
    (UserStatus.AWAY, LineState.EXTERNAL_CALL): (DisplayState.EXTERNAL_CALL, "orange"),
}


@pytest.mark.row("PRES-01", "PRES-08", "PRES-09")
def test_each_pair_of_facts_is_shown_as_one_state_in_its_colour() -> None:
    shown = {}
    for status, line in product(UserStatus, LineState):
        display = ExtensionState(status, line).display
        shown[status, line] = display, display.colour
    assert shown == SHOWN


@pytest.mark.row("PRES-16")
@pytest.mark.parametrize(
    ("line", "text"),
    [(LineState.IDLE, "Registered (idle)"), (LineState.NOT_REGISTERED, "Not registered")],
)
def test_lists_show_the_line_in_words(line: LineState, text: str) -> None:
    assert ExtensionState(UserStatus.AVAILABLE, line).text == text
