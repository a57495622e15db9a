"""Who is in which conference: what its feature tells, for those who watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sipcore.events.conference_info import Participant


class Rosters:
    """The participants of each conference, by its ID."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._participants: dict[str, tuple[Participant, ...]] = {}

    @contextmanager
    def attend(self, conference: str, participant: Participant) -> Iterator[None]:
        """Somebody is in a conference."""
        self._set(conference, (*self.get(conference), participant))
        try:
            yield
        finally:
            self._set(conference, tuple(other for other in self.get(conference) if other is not participant))

    def get(self, conference: str) -> tuple[Participant, ...]:
        """Who is in it; empty where there is no such conference."""
        return self._participants.get(conference, ())

    def __contains__(self, conference: str) -> bool:
        return conference in self._participants

    def _set(self, conference: str, participants: tuple[Participant, ...]) -> None:
        """The last who leaves ends it."""
        self._participants[conference] = participants
        if not participants:
            del self._participants[conference]
        self._changed(conference)
