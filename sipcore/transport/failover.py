"""Which of several servers to try: those that failed lately come last (RFC 3263 section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from sipcore.syntax.message import Response
from sipcore.transport.resolve import Target

REST_SECONDS = 60.0
"""How long a server that failed is tried only after all others."""
LONGEST_REST_SECONDS = 600.0
"""However long a server asks to be left alone."""


class Servers:
    """The servers of one peer, in the order that the DNS gave."""

    def __init__(self, targets: Sequence[Target] = ()) -> None:
        self._targets = tuple(targets)
        self._resting: dict[Target, float] = {}
        """Until when."""

    def replace(self, targets: Sequence[Target]) -> None:
        """The DNS says something new; who rests goes on resting."""
        self._targets = tuple(targets)
        self._resting = {target: until for target, until in self._resting.items() if target in targets}

    def in_order(self, now: float) -> list[Target]:
        """All of them: first those that are thought to work, then those that rest, the longest first."""
        resting = {target: until for target, until in self._resting.items() if now < until}
        working = [target for target in self._targets if target not in resting]
        return working + sorted(resting, key=lambda target: resting[target])

    def failed(self, target: Target, now: float, seconds: float = REST_SECONDS) -> bool:
        """No answer, no connection, or a 503 that asks for so many seconds of rest; whether it was thought to work."""
        news = now >= self._resting.get(target, now)
        if target in self._targets:
            self._resting[target] = now + min(max(seconds, REST_SECONDS), LONGEST_REST_SECONDS)
        return news

    def works(self, target: Target) -> None:
        """It has answered."""
        self._resting.pop(target, None)

    def __contains__(self, host: str) -> bool:
        """Whether an IP address is that of one of them."""
        return any(target.address.host == host for target in self._targets)

    def __len__(self) -> int:
        return len(self._targets)


def retry_after(response: Response) -> float:
    """How many seconds a server asks to be left alone (RFC 3261 section 20.33); 0 where it says nothing sensible."""
    text = (response.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return float(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0.0
