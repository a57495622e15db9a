"""Registering at somebody else's registrar, and staying registered (RFC 3261 section 10.2, RFC 5626 section 4.5).

One machine for one account. It says when a REGISTER is due (`SendRegister`); its driver finds a way to the server,
sends what `request` builds, and gives the final response back: 408 for none, 503 for no way.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from random import Random

from sipcore.dialog.dialog import MAX_FORWARDS
from sipcore.errors import PeerError
from sipcore.registrar.answering import Answers, DigestAccount
from sipcore.syntax.headers import NameAddress, split_values
from sipcore.syntax.identifiers import Identifiers
from sipcore.syntax.message import REASONS, Request, Response
from sipcore.syntax.uri import Uri
from sipcore.transport.failover import retry_after
from values import dataclass

REFRESH_SHARES = 0.75, 0.9
"""Of its life a registration is refreshed somewhere between these, so that not all come at once."""
SHORTEST_REFRESH_SECONDS = 15.0
"""However short a server makes a registration, it is not asked more often."""
LONGEST_EXPIRES = 86400
BASE_SECONDS, LONGEST_WAIT_SECONDS = 30.0, 1800.0
"""The waits after failures grow from the one to the other (RFC 5626 section 4.5)."""
AFTER_LOSS_SECONDS = 1.0, 5.0
"""A server that closes each connection is not asked more often than so."""
MAX_REDIRECTS = 3
MAX_SERVICE_ROUTES = 5


class RegistrationState(Enum):
    """How an account stands at its registrar."""

    IDLE = "not registered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"
    """It is tried again later."""
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SendRegister:
    """A REGISTER is due."""

    uri: Uri
    """Whose server it goes to: the registrar, or where that has sent us."""


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """The state is another one, or it has another reason."""

    state: RegistrationState
    reason: str


ClientEffect = SendRegister | RegistrationChanged


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """Who registers where."""

    aor: Uri
    registrar: Uri
    expires: int = 3600
    """What is asked for, in seconds."""


@dataclass(slots=True)
class Attempt:
    """One effort to register, with the challenges, redirections and corrections in it."""

    answers: Answers
    target: Uri
    visited: list[Uri] = field(default_factory=list)
    corrected: bool = False
    """Whether the expiry has been changed for a 423."""
    credentials: dict[str, str] = field(default_factory=dict)


class Registration:
    """The machine."""

    def __init__(self, settings: RegistrationSettings, account: DigestAccount, random: Random) -> None:
        self.settings = settings
        self.state = RegistrationState.IDLE
        self.reason = ""
        """Why it failed; why the last refresh failed, if the registration lasts yet."""
        self.service_route: tuple[NameAddress, ...] = ()
        """The way for requests to the provider (RFC 3608)."""
        self._account = account
        self._random = random
        identifiers = Identifiers(random)
        self._call_id, self._tag = identifiers.call_id(), identifiers.tag()
        self._cseq = random.randrange(1, 2**16)
        self._expires = settings.expires
        self._attempt: Attempt | None = None
        self._last_request: Request | None = None
        self._failures = 0
        self._due: float | None = None
        """When the next attempt begins."""
        self._ends_at: float | None = None
        """When the registration is over unless it is refreshed."""
        self._stopping = False

    # -- verbs ------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[ClientEffect]:
        """Register, and stay so."""
        self._stopping = False
        return [*self._change(RegistrationState.REGISTERING), *self._begin()]

    def stop(self, now: float) -> list[ClientEffect]:
        """Take the registration back; ENDED is told when the server has said so, or has not."""
        self._stopping = True
        self._due = None
        if self._attempt is not None:  # what it comes to is known soon
            return []
        return self._take_back()

    def flow_lost(self, now: float) -> None:
        """The way over which the registration was made is gone: the server cannot call, so it is made anew soon."""
        if self._attempt is None and self.state is RegistrationState.REGISTERED and not self._stopping:
            again = now + self._random.uniform(*AFTER_LOSS_SECONDS)
            self._due = again if self._due is None else min(self._due, again)

    def request(self, contact: Uri) -> Request:
        """The REGISTER that `SendRegister` told of; anew for each server that is tried."""
        assert self._attempt is not None, "no REGISTER is due"
        attempt = self._attempt
        self._cseq += 1
        expires = 0 if self.state is RegistrationState.ENDING else self._expires
        registrar = attempt.target if attempt.visited else self.settings.registrar
        headers = [
            ("Max-Forwards", str(MAX_FORWARDS)),
            ("From", f"<{self.settings.aor}>;tag={self._tag}"),
            ("To", f"<{self.settings.aor}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<{contact}>;expires={expires}"),
            ("Expires", str(expires)),
            ("Supported", "path"),
        ]
        request = self._last_request = Request(
            "REGISTER", registrar, [*headers, *attempt.credentials.items()]
        )
        if not attempt.credentials and (header := self._account.in_advance(request)) is not None:
            request.add(*header)
        return request

    def receive(self, response: Response, now: float) -> list[ClientEffect]:
        """Take the final response to the last request."""
        attempt = self._attempt
        if attempt is None or response.status < 200:
            return []
        again = self._again(attempt, response)
        if again:
            return [SendRegister(attempt.target)]
        self._attempt = None
        if self.state is RegistrationState.ENDING:
            self._ends_at = None
            return self._change(RegistrationState.ENDED)
        effects = (
            self._accepted(response, now) if response.status < 300 else self._failed(attempt, response, now)
        )
        return effects + self._take_back() if self._stopping else effects

    def tick(self, now: float) -> list[ClientEffect]:
        """A deadline has come."""
        effects: list[ClientEffect] = []
        if self._ends_at is not None and now >= self._ends_at:
            self._ends_at = None
            if self.state is RegistrationState.REGISTERED:
                effects += self._change(RegistrationState.FAILED, self.reason or "the registration ran out")
        if self._due is not None and now >= self._due:
            self._due = None
            effects += self._begin()
        return effects

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        times = [time for time in (self._due, self._ends_at) if time is not None]
        return min(times, default=None)

    # -- one attempt --------------------------------------------------------------------------------------

    def _begin(self) -> list[ClientEffect]:
        self._attempt = Attempt(Answers(self._account), self.settings.registrar)
        return [SendRegister(self.settings.registrar)]

    def _again(self, attempt: Attempt, response: Response) -> bool:
        """Whether the request is worth another try at once, for which `attempt` is changed."""
        if response.status in (401, 407):
            return self._answer(attempt, response)
        if response.status == 423:
            return self._lengthen(attempt, response)
        return 300 <= response.status < 400 and self._redirect(attempt, response)

    def _answer(self, attempt: Attempt, response: Response) -> bool:
        assert self._last_request is not None
        header = attempt.answers.answer(self._last_request, response)
        if header is None:
            return False
        name, value = header
        attempt.credentials[name] = value
        return True

    def _lengthen(self, attempt: Attempt, response: Response) -> bool:
        """423: the server wants longer registrations (section 10.2.8)."""
        text = response.get("Min-Expires") or ""
        wanted = int(text) if text.isdecimal() and text.isascii() and len(text) <= 10 else 0
        if attempt.corrected or not self._expires < wanted <= LONGEST_EXPIRES:
            return False
        if self.state is RegistrationState.ENDING:  # nothing is shorter than the end
            return False
        self._expires, attempt.corrected = wanted, True
        attempt.credentials.clear()
        return True

    def _redirect(self, attempt: Attempt, response: Response) -> bool:
        try:
            contacts = [contact.uri for contact in response.contacts]
        except PeerError:
            return False
        for uri in contacts[:MAX_REDIRECTS]:
            target = Uri(uri.scheme, host=uri.host, port=uri.port)
            known = target == self.settings.registrar or target in attempt.visited
            if uri.scheme in ("sip", "sips") and not known and len(attempt.visited) < MAX_REDIRECTS:
                attempt.visited.append(target)
                attempt.target = target
                attempt.credentials.clear()
                return True
        return False

    # -- what an attempt comes to ---------------------------------------------------------------------------

    def _accepted(self, response: Response, now: float) -> list[ClientEffect]:
        granted = self._granted(response)
        self._failures = 0
        self._ends_at = now + granted
        self._due = now + max(granted * self._random.uniform(*REFRESH_SHARES), SHORTEST_REFRESH_SECONDS)
        self.service_route = _service_route(response)
        return self._change(RegistrationState.REGISTERED)

    def _granted(self, response: Response) -> int:
        """For how long, as the server says: of our contact, of all, or not at all (section 10.2.4)."""
        assert self._last_request is not None
        ours = self._last_request.contacts[0].uri
        try:
            texts = [
                contact.parameter("expires") for contact in response.contacts if contact.uri.matches(ours)
            ]
        except PeerError:
            texts = []
        for text in [*texts, response.get("Expires")]:
            if text and text.isdecimal() and text.isascii():
                return min(int(text[:10]), LONGEST_EXPIRES)
        return self._expires

    def _failed(self, attempt: Attempt, response: Response, now: float) -> list[ClientEffect]:
        self._failures += 1
        longest = min(LONGEST_WAIT_SECONDS, BASE_SECONDS * 2 ** min(self._failures - 1, 10))
        wait = longest * self._random.uniform(0.5, 1.0)
        self._due = (
            None if self._stopping else now + max(wait, min(retry_after(response), LONGEST_WAIT_SECONDS))
        )
        reason = _reason(attempt, response)
        lasts = self._ends_at is not None and now < self._ends_at
        if lasts and response.status in _PASSING:
            return self._change(self.state, reason)
        self._ends_at = None
        return self._change(RegistrationState.FAILED, reason)

    def _take_back(self) -> list[ClientEffect]:
        if self._ends_at is None:
            return self._change(RegistrationState.ENDED)
        self._due = None
        return [*self._change(RegistrationState.ENDING), *self._begin()]

    def _change(self, state: RegistrationState, reason: str = "") -> list[ClientEffect]:
        if (state, reason) == (self.state, self.reason):
            return []
        self.state, self.reason = state, reason
        return [RegistrationChanged(state, reason)]


_PASSING = (408, 500, 502, 503, 504)
"""Troubles of the server, or of the way to it, that leave a registration as it was."""


def _reason(attempt: Attempt, response: Response) -> str:
    """Why an attempt failed, for people."""
    status = response.status
    if status in (401, 407):
        return attempt.answers.problem
    if 300 <= status < 400:
        return "the server redirects in circles" if attempt.visited else "the server redirects to nowhere"
    return {408: "the server does not answer", 503: "the server cannot be reached or is overloaded"}.get(
        status, f"the server refuses: {status} {REASONS.get(status, '')}".rstrip()
    )


def _service_route(response: Response) -> tuple[NameAddress, ...]:
    try:
        routes = [
            NameAddress.parse(value)
            for line in response.get_all("Service-Route")
            for value in split_values(line)
        ]
    except PeerError:
        return ()
    return tuple(routes[:MAX_SERVICE_ROUTES])
