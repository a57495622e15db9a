"""Session timers: how long a session lives without a refresh, and who sends that (RFC 4028)."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from sipcore.errors import PeerError
from sipcore.syntax.headers import parse_parameters
from sipcore.syntax.message import HeaderList, Message, Request, Response
from values import dataclass

OPTION = "timer"
LONGEST_SECONDS = 7 * 86400
"""What a peer asks for beyond that is cut to it."""
MARGIN_SECONDS = 32.0
"""How long before the end a side that was not refreshed hangs up, or a third of the interval (section 10)."""
MOST_RAISES = 2
"""How often one session lets a 422 raise what it asks for."""
RETRY_SECONDS = 5.0
"""How long after a refresh that was refused it is tried again."""


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """What an endpoint wants of its sessions."""

    session_expires: int = 0
    """Seconds that we propose; 0 proposes nothing, and does what the peer proposes."""
    min_se: int = 90
    """Seconds; an INVITE or UPDATE that wants less is refused with 422 (section 5)."""


class Refresher(Enum):
    """The role, in the transaction that agreed on it, of who refreshes."""

    UAC = "uac"
    UAS = "uas"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """A Session-Expires value (section 4)."""

    seconds: int
    refresher: Refresher | None = None

    @classmethod
    def of(cls, message: Message) -> SessionExpires | None:
        """None where the header is absent. Raises PeerError(400)."""
        text = message.get("Session-Expires")
        if text is None:
            return None
        number, semicolon, rest = text.partition(";")
        written = dict(parse_parameters(semicolon + rest)).get("refresher")
        try:
            refresher = None if written is None else Refresher(written.lower())
        except ValueError:
            raise PeerError(f"no refresher: {written!r}") from None
        return cls(_seconds(number.strip()), refresher)

    def __str__(self) -> str:
        return f"{self.seconds};refresher={self.refresher.value}" if self.refresher else str(self.seconds)


def min_se_of(message: Message) -> int:
    """Min-SE in seconds; 0 where it is absent. Raises PeerError(400)."""
    text = message.get("Min-SE")
    return 0 if text is None else _seconds(text.partition(";")[0].strip())


def _seconds(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 0 < len(text) <= 10):
        raise PeerError(f"not a number of seconds: {text[:40]!r}")
    return min(int(text), LONGEST_SECONDS)


def proposal(settings: TimerSettings) -> HeaderList:
    """Headers of an INVITE that begins a session (section 7.1)."""
    return _asking(settings.session_expires, "", settings.min_se) if settings.session_expires else []


def _asking(seconds: int, parameter: str, min_se: int) -> HeaderList:
    headers = [("Session-Expires", f"{seconds}{parameter}")]
    return [*headers, ("Min-SE", str(min_se))] if min_se > 90 else headers


class SessionTimer:
    """The timer of one session, in both roles. Runs from the 2xx that agrees on it to the next one."""

    _raised = 0
    interval = 0
    """Seconds agreed on; 0: the session does not expire."""
    refreshes = False
    """Whether we refresh, and not the peer."""
    refresh_at: float | None = None
    expires_at: float | None = None

    def __init__(self, settings: TimerSettings) -> None:
        self._settings = settings
        self._wanted = settings
        """What we ask for; a 422 raises it."""

    @property
    def deadline(self) -> float | None:
        """When a refresh, or the end, is due."""
        return self.expires_at if self.refresh_at is None else self.refresh_at

    # -- requests of ours -----------------------------------------------------------------------------

    def ask(self) -> HeaderList:
        """Headers of an INVITE or UPDATE of ours (section 7.1). Who refreshes does not change (section 7.4)."""
        if not self.interval:
            return proposal(self._wanted)
        refresher = Refresher.UAC if self.refreshes else Refresher.UAS
        least = self._wanted.min_se
        return _asking(max(self.interval, least), f";refresher={refresher.value}", least)

    def raised_by(self, response: Response) -> bool:
        """Whether to ask once more after a 422, which says how much more it has to be (section 7.3)."""
        least, asked = (
            min_se_of(response),
            max(self._wanted.min_se, self.interval or self._wanted.session_expires),
        )
        if not asked < least < LONGEST_SECONDS or self._raised == MOST_RAISES:
            return False
        self._raised += 1
        self._wanted = replace(self._wanted, session_expires=least, min_se=least)
        return True

    def granted(self, response: Response, now: float) -> None:
        """Take what the 2xx of such a request says (section 7.2); without a Session-Expires nothing expires."""
        if not self.interval and "Session-Expires" not in response.first:
            return
        try:
            granted = SessionExpires.of(response)
        except PeerError:  # as good as none: the call is answered
            granted = None
        if granted is None:
            self._run(0, refreshes=False, now=now)
        else:
            seconds = max(granted.seconds, self._settings.min_se)
            self._run(seconds, refreshes=granted.refresher is not Refresher.UAS, now=now)

    # -- requests of the peer -------------------------------------------------------------------------

    def check(self, request: Request) -> None:
        """Raises PeerError(422) where the peer wants less than our least, and 400 where it cannot be read."""
        first = request.first
        if "Session-Expires" not in first and "Min-SE" not in first:
            return
        asked = SessionExpires.of(request)
        min_se_of(request)
        if asked is not None and asked.seconds < self._settings.min_se and request.supports(OPTION):
            raise PeerError("the session interval is too small", status=422)

    def grant(self, request: Request, now: float) -> HeaderList:
        """Headers of our 2xx to an INVITE or UPDATE that passed `check` (section 9); the timer runs from now on."""
        first = request.first
        asked = SessionExpires.of(request) if "Session-Expires" in first else None
        knows = request.supports(OPTION)
        wanted = self.interval or self._settings.session_expires
        too_short = asked is not None and not knows and asked.seconds < self._settings.min_se
        if too_short or (asked is None and not (knows and wanted)):
            self._run(0, refreshes=False, now=now)
            return []
        proposed = wanted if asked is None else min(asked.seconds, wanted or asked.seconds)
        seconds = max(proposed, min_se_of(request), self._settings.min_se)
        refresher = self._refresher(asked, knows)
        self._run(seconds, refreshes=refresher is Refresher.UAS, now=now)
        headers = [("Session-Expires", str(SessionExpires(seconds, refresher)))]
        return [*headers, ("Require", OPTION)] if refresher is Refresher.UAC else headers

    def _refresher(self, asked: SessionExpires | None, knows: bool) -> Refresher:
        """Table 2 of section 9; where it leaves the choice to us, all stays as it is, and begins with us: then no call
        ends because a peer forgets."""
        if not knows:
            return Refresher.UAS
        if asked is not None and asked.refresher is not None:
            return asked.refresher
        return Refresher.UAC if self.interval and not self.refreshes else Refresher.UAS

    # -- time -----------------------------------------------------------------------------------------

    def _run(self, seconds: int, *, refreshes: bool, now: float) -> None:
        if not seconds and not self.interval:  # most of the time
            return
        self.interval, self.refreshes = seconds, refreshes
        self.refresh_at = now + seconds / 2 if seconds and refreshes else None
        self.expires_at = now + seconds - min(MARGIN_SECONDS, seconds / 3) if seconds else None

    def expired(self, now: float) -> bool:
        """Whether the session has not been refreshed in time: it is to be ended."""
        return self.expires_at is not None and now >= self.expires_at

    def wants_refresh(self, now: float) -> bool:
        """Whether a refresh is due; `postpone` is to be called if it cannot be sent, or fails."""
        return self.refresh_at is not None and now >= self.refresh_at

    def postpone(self, now: float, seconds: float = RETRY_SECONDS) -> None:
        """Refresh later, but never after the end."""
        if self.refresh_at is not None and self.expires_at is not None:
            self.refresh_at = min(now + seconds, self.expires_at)

    def stop(self) -> None:
        """The session is over."""
        self.interval, self.refresh_at, self.expires_at = 0, None, None
