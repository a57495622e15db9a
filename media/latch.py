"""Symmetric RTP: learn where a peer behind a NAT sends from, and let nobody else take the stream over."""

from __future__ import annotations

from media.plan import Address, StreamPlan

WINDOW_SECONDS = 0.2
"""How long the address the peer wrote is waited for, once something comes from elsewhere at a trusted host."""


class Latch:
    """Decides whose packets count. Hosts that are neither in the peer's description nor behind its signalling are
    strangers, always; among the others the address that the peer wrote wins if it is heard within the window, and
    else whoever came first and went on sending. After that the latch is locked until the plan names another remote, or
    says that the peer has moved, or holds no more.

    A router may forget a peer in the middle of a call, and let it out by another port, of which no signalling tells. So
    while the locked address is silent (`doubt`), another at a trusted host may take its place, if its packets go on
    with the very stream that has fallen silent: who has not seen that does not know its SSRC and sequence numbers.
    """

    # Of the class as long as nothing has been heard:
    locked: Address | None = None
    doubted = False
    """Whether the locked address is silent, and the peer may be elsewhere."""
    strangers = 0
    """Packets that did not count."""
    stranger: Address | None = None
    """Where the last of them came from that was of the stream's kind."""
    _candidate: Address | None = None
    _since = _heard = 0.0

    def __init__(self, plan: StreamPlan) -> None:
        self.plan = plan
        self.remote = plan.remote
        """Where to send: what the peer wrote, or where it was heard last; None while that is not known."""

    def change(self, plan: StreamPlan) -> bool:
        """Take a new plan; whether the latch has been opened for a new remote.

        While a peer held, its NAT may have forgotten it, and give it another port when it goes on.
        """
        before, self.plan = self.plan, plan
        moved = plan.remote != before.remote and plan.remote is not None
        elsewhere = plan.moves != before.moves
        resumed = before.holds and not plan.holds
        if self.locked is None:
            self.remote = plan.remote
        if elsewhere or (plan.remote != self.locked and (moved or resumed)):
            self.locked = self._candidate = None
            self.doubted = False
            if moved:
                self.remote = plan.remote  # else it is most likely where it was
            return True
        return False

    @property
    def remote_rtcp(self) -> Address | None:
        """Where to send reports: what the peer wrote, or one port beyond where its sound comes from elsewhere;
        None while that is not known."""
        if self.locked is not None and self.locked != self.plan.remote:
            return self.locked[0], self.locked[1] + 1
        return self.plan.remote_rtcp

    def doubt(self) -> bool:
        """The locked address has fallen silent; whether that is news."""
        news = self.locked is not None and not self.doubted and not self.plan.holds
        self.doubted = self.doubted or news
        return news

    def trust(self) -> bool:
        """It is heard again; whether that is news."""
        news, self.doubted = self.doubted, False
        return news

    def admit(self, source: Address, now: float, *, resumes: bool = False) -> bool:
        """Whether a valid packet from `source` counts; may lock the latch. `resumes`: whether it goes on where the
        locked address has ended."""
        if self.locked is not None:
            if source == self.locked:
                return True
            if self.doubted and resumes and source[0] in self.plan.trusted_hosts:
                return self._takes_over(source, now)
        elif source == self.plan.remote:
            self.locked = self.remote = source
            return True
        elif source[0] in self.plan.trusted_hosts:
            if self._candidate is None or (now - self._heard >= WINDOW_SECONDS and source != self._candidate):
                self._candidate, self._since = source, now  # one stray packet keeps nobody out for long
            if source == self._candidate:
                self._heard = now
                if now - self._since >= WINDOW_SECONDS:
                    self.locked = self.remote = source
                return True
        self.strangers += 1
        self.stranger = source
        return False

    def _takes_over(self, source: Address, now: float) -> bool:
        """Whether a source is heard from now on in the place of the silent one: once it has gone on for the window."""
        if source != self._candidate or now - self._heard >= WINDOW_SECONDS:
            self._candidate, self._since = source, now
        self._heard = now
        if now - self._since < WINDOW_SECONDS:
            return False
        self.locked = self.remote = source
        self.doubted = False
        self._candidate = None
        return True
