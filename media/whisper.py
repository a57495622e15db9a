"""Parties of a room whom one other alone hears, such as a supervisor who helps an agent. There are few of them, so
each is mixed by itself, after all others have been mixed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.mixer import Mixer
    from media.room import Party


class Whispers:
    """Those of one engine. The mixer knows them as parties that nobody hears."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._parties: list[Party] = []
        self._heard: list[tuple[int, Party]] = []
        """The rows of what is whispered in this tick, and who is to hear it."""

    def add(self, party: Party) -> None:
        """A party is heard by nobody but the stream that it whispers to, if that is in its room."""
        self._parties.append(party)

    def leave(self, party: Party) -> None:
        """A party is gone; to call it for one that does not whisper does nothing."""
        if party in self._parties:
            self._parties.remove(party)

    def take(self, present: bytearray) -> None:
        """Note who says something in this tick: to be called before the mixer has mixed."""
        for _, heard_last in self._heard:
            heard_last.whispered_to = False
        self._heard.clear()
        for party in self._parties:
            hearer = party.room.parties.get(party.whispers_to)
            if hearer is not None and present[party.row]:
                self.tell(party.row, hearer)  # whatever others who whisper to it say

    def tell(self, row: int, hearer: Party) -> None:
        """Let one party hear, in this tick, what is in a row of the mixer: to be called after `take`."""
        hearer.whispered_to = True
        self._heard.append((row, hearer))

    def give(self) -> None:
        """Let it be heard: to be called after the mixer has mixed."""
        for row, hearer in self._heard:
            self._mixer.add_to_output(hearer.row, row)
