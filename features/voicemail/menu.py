"""The menus of a mailbox as a machine: where its caller is, and what a key means there.

The key maps are those of the manual. The machine knows messages by their ids alone, and performs nothing: it says
what is to be done, and is told what came of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from pbx.plugin import Message
from values import dataclass


class Place(Enum):
    """Where a caller is who has signed in."""

    WELCOME = auto()
    """The counts have been told; or no message is left."""
    MESSAGE = auto()
    """A message is being played, or has been."""
    OPTIONS = auto()


class Action(Enum):
    """What a key asks for."""

    LISTEN = auto()
    """Begin with the messages, the new ones first."""
    NEXT = auto()
    PREVIOUS = auto()
    REPLAY = auto()
    DELETE = auto()
    CALL_BACK = auto()
    FORWARD = auto()
    OPTIONS = auto()
    DIAL = auto()
    DELETE_ALL = auto()
    RECORD_NAME = auto()
    INFORMATION = auto()
    CHANGE_PIN = auto()
    CHANGE_GREETING = auto()
    END = auto()
    NOTHING = auto()
    """No key was pressed: to be reminded of those there are."""
    WRONG = auto()
    """Nothing: no such key is known here."""


KEYS: Mapping[Place, Mapping[str, Action]] = {
    Place.WELCOME: {"*": Action.LISTEN, "9": Action.OPTIONS, "#": Action.END},
    Place.MESSAGE: {
        "0": Action.NEXT,
        "1": Action.PREVIOUS,
        "2": Action.REPLAY,
        "3": Action.DELETE,
        "4": Action.CALL_BACK,
        "5": Action.FORWARD,
        "9": Action.OPTIONS,
        "*": Action.LISTEN,
        "#": Action.END,
    },
    Place.OPTIONS: {
        "3": Action.DIAL,
        "4": Action.DELETE_ALL,
        "5": Action.RECORD_NAME,
        "6": Action.INFORMATION,
        "7": Action.CHANGE_PIN,
        "8": Action.CHANGE_GREETING,
        "9": Action.OPTIONS,
        "*": Action.LISTEN,
        "#": Action.END,
    },
}


def in_playing_order(messages: Iterable[Message]) -> tuple[str, ...]:
    """Ids of messages: first the new ones, then those that were heard, the oldest first of each."""
    return tuple(message.id for message in sorted(messages, key=lambda one: (one.heard, one.left_at, one.id)))


@dataclass(slots=True)
class Menu:
    """Where a caller is, and which messages are being gone through."""

    place: Place = Place.WELCOME
    playlist: tuple[str, ...] = ()
    position: int = 0
    """In the playlist; it has no meaning while that is empty."""

    def press(self, key: str) -> Action:
        """What a key asks for here. Only the way to the options and the end of it is a move of its own."""
        action = KEYS[self.place].get(key, Action.WRONG)
        if action is Action.OPTIONS:
            self.place = Place.OPTIONS
        return action

    @property
    def current(self) -> str:
        """The id of the message that the caller is at; "" for none."""
        return self.playlist[self.position] if self.playlist and self.place is Place.MESSAGE else ""

    def listen(self, playlist: tuple[str, ...]) -> bool:
        """Go to the first message; False if there is none."""
        self.playlist, self.position = playlist, 0
        self.place = Place.MESSAGE if playlist else Place.WELCOME
        return bool(playlist)

    def extend(self, playlist: tuple[str, ...]) -> None:
        """There are more messages by now; those that are known already stay where they are."""
        self.playlist += tuple(message for message in playlist if message not in self.playlist)

    def next(self) -> bool:
        """Go on to the message after this one; False at the last, which stays the current one."""
        return self._go_to(self.position + 1)

    def previous(self) -> bool:
        """Go back to the message before this one; False at the first, which stays the current one."""
        return self._go_to(self.position - 1)

    def drop(self) -> bool:
        """The current message is gone: be at the one after it; False if it was the last. What is left of the
        playlist then ends with the current one; without any, the caller is where it began."""
        self.playlist = self.playlist[: self.position] + self.playlist[self.position + 1 :]
        if not self.playlist:
            self.place = Place.WELCOME
        if self.position < len(self.playlist):
            return True
        self.position = max(0, len(self.playlist) - 1)
        return False

    def _go_to(self, position: int) -> bool:
        if not 0 <= position < len(self.playlist):
            return False
        self.position = position
        return True
