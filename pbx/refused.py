"""What ends a call that cannot be served."""

from __future__ import annotations


class Refused(Exception):
    """A call cannot be served: the caller gets `status` (400 to 699), and `reason` as its phrase."""

    def __init__(self, status: int, reason: str) -> None:
        if not 400 <= status <= 699:
            raise ValueError(f"{status} is not the status of a refusal")
        if not reason.isprintable():
            raise ValueError(f"{reason!r} is no reason phrase (RFC 3261 section 25.1)")
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
