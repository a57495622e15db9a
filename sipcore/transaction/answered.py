"""What is left of a request that was answered when it came: the non-INVITE server transaction in Completed alone."""

from __future__ import annotations

from sipcore.effects import Effect, Transmit
from sipcore.syntax.message import Request
from sipcore.transaction.matching import Key
from sipcore.transport.flow import Flow


class Answered:
    """An answer that retransmissions of its request get until timer J (RFC 3261 section 17.2.2).

    It does what a `RequestServer` does in that state, and never was in another; a property test compares the two.
    """

    __slots__ = ("_data", "deadline", "flow", "key", "merged_key")

    user = None

    def __init__(self, key: Key, merged_key: Key | None, flow: Flow, data: bytes, deadline: float) -> None:
        self.key = key
        self.merged_key = merged_key
        self.flow = flow
        self.deadline = deadline
        self._data = data

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmission."""
        return [Transmit(self.flow, self._data)]
