"""What is left of a request that was answered when it came: the non-INVITE server transaction in Completed alone."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from sipcore.effects import Effect, transmit
from sipcore.syntax.message import Request
from sipcore.transaction.matching import Key
from sipcore.transport.flow import Flow


class _Answered(NamedTuple):
    key: Key
    merged_key: Key | None
    flow: Flow
    data: bytes
    deadline: float


class Answered(_Answered):
    """An answer that retransmissions of its request get until timer J (RFC 3261 section 17.2.2).

    It does what a `RequestServer` does in that state, and never was in another; a property test compares the two.
    """

    __slots__ = ()

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    user = None
    """Nobody is to hear of it."""

    def receive(self, request: Request, now: float) -> list[Effect]:
        """A retransmission."""
        return [transmit((self.flow, self.data))]


answered = partial(tuple.__new__, Answered)
"""`Answered`, of the tuple of its values: without a call of a Python function."""
