"""A status is what was last said, wherever that was; it and the log-ins to queues do not know of each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import queues, status
from pbx import statuses
from pbx.presence import UserStatus
from tests.simulation.office import Office
from tests.simulation.simulation import Simulation

STATUSES = {"*60": UserStatus.AVAILABLE, "*61": UserStatus.AWAY}
LOG_INS = {"*62": True, "*63": False}
QUEUES: Any = [{"number": "804", "agents": ["101"]}]
deeds = st.lists(
    st.sampled_from([*STATUSES, *LOG_INS])
    | st.tuples(st.sampled_from(UserStatus), st.text("abc ", max_size=5)),
    max_size=12,
)


@pytest.mark.row("STAT-05", "STAT-07")
@settings(max_examples=20)
@given(deeds)
def test_the_last_word_counts_and_nothing_else_changes(
    said: list[str | tuple[UserStatus, str]],
) -> None:
    async def story() -> None:
        features = [status.feature, queues.feature]
        office = Office(simulation, features=features, queues=QUEUES)
        await office.open()
        phone = await office.phone("101")
        expected, logged_in = (UserStatus.AVAILABLE, ""), False
        for word in said:
            if isinstance(word, tuple):
                await statuses.set_status(office.switch, "101", *word)
                expected = word
            else:
                call = await phone.call(word)
                assert await call.over() == 200
                logged_in = LOG_INS.get(word, logged_in)
                expected = (STATUSES[word], "") if word in STATUSES else expected
            state = office.switch.presence.of("101")
            assert (state.status, state.note) == expected
            assert office.switch.queues.logged_in("101") == (("804",) if logged_in else ())
        await office.close()

    with Simulation(1) as simulation:
        simulation.run(story())
