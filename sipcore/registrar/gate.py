"""The gate: the one place where strangers are refused, before anything is done or remembered for them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, Protocol

from sipcore.registrar.digest import MD5, STALE, WRONG, Authenticator, Credentials, read_proof
from sipcore.syntax.message import Request
from sipcore.syntax.remember import remembered
from sipcore.transport.flow import Address, Flow
from sipcore.transport.source import source_of
from values import dataclass

FREE_FAILURES = 5
"""Wrong guesses of a source that cost it nothing: people mistype."""
FAILURES_PER_SECOND = 0.2
"""What a source may try on after these."""
MAX_SOURCES = 10_000
"""Sources whose failures, successes or silences are remembered; the oldest is forgotten."""
MAX_NAME = 64
"""Characters by which a client is remembered: strangers may call themselves anything, but not at any length."""
RETRY_SECONDS = 5.0
"""A client that asks again without credentials after this time did not overlook the challenge: it gave up."""
Place = tuple[Address, str]
"""From where somebody speaks for an account, and its user name as he writes it."""
_GIVES_UP = re.compile(r"baresip v[01]\.|SIPp\b")


@remembered(512)
def _gives_up(user_agent: str) -> bool:
    """Whether it is known to give up at a challenge whose algorithm it does not know."""
    return _GIVES_UP.match(user_agent) is not None


class Admitted(NamedTuple):
    """The request comes from this extension."""

    identity: str


class Refused(NamedTuple):
    """The answer for a request that is not let in."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not even an answer."""


class Gate(Protocol):
    """Decides who may ask for anything."""

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        """Look at a request that belongs to nothing known."""


class Judge(Protocol):
    """A gate that need not see the whole request."""

    def judge(
        self, request: Request, credentials: Iterable[str], flow: Flow, now: float
    ) -> Admitted | Refused | Ignored:
        """Look at one that is like `request`, but for its Via, CSeq and credentials (Authorization values). An INVITE
        without these may be for somebody else too: whether it is refused, and how, must not depend on that."""


class Account(NamedTuple):
    """Who may authenticate: the extension, its HA1 values, and the other name it may use."""

    number: str
    credentials: Credentials
    sip_id: str = ""

    def owns(self, user: str | None) -> bool:
        """Whether a From or To user part is this extension's."""
        return user is not None and (
            user == self.number or (bool(self.sip_id) and user.lower() == self.sip_id.lower())
        )


class DigestGate:
    """Admits what carries good digest credentials of an extension and speaks in its name."""

    def __init__(self, realm: str, accounts: Callable[[str], Account | None], secret: bytes) -> None:
        """`accounts` finds an account by its user name; `secret` signs the nonces."""
        self._accounts = accounts
        self._realm = realm
        self._authenticator = Authenticator(realm, secret)
        self._throttle = Throttle()
        self._old_clients = OldClients()

    def admit(self, request: Request, flow: Flow, now: float) -> Admitted | Refused | Ignored:
        """Look at a request that belongs to no transaction and no dialog."""
        credentials = request.get_all("Authorization") if "Authorization" in request.first else ()
        return self.judge(request, credentials, flow, now)

    def judge(
        self, request: Request, credentials: Iterable[str], flow: Flow, now: float
    ) -> Admitted | Refused | Ignored:
        """The same, of one that is like `request` but for its Via, CSeq and credentials."""
        for value in credentials:
            proof = read_proof(value)
            if proof is not None and proof[1] == self._realm:
                break
        else:
            old = self._old_clients.challenge(request, source_of(flow.host), now)
            return _refused((401, self._authenticator.challenges(now, old=old)))
        username, _, nonce, _, _, _, _, _, algorithm, _ = proof
        old = algorithm is MD5
        if not old:
            self._old_clients.up_to_date(request, source_of(flow.host))
        place = flow.remote, username
        if not self._throttle.may_try(place, nonce, now):
            return Ignored()
        account = self._accounts(username)
        secret = None if account is None else account.credentials
        verdict = self._authenticator.check(proof, secret, request.method, request.uri_text, now)
        if verdict is WRONG or account is None:
            self._throttle.failed(place, nonce, now)
            return Refused(401, self._authenticator.challenges(now, old=old))
        if verdict is STALE:
            following = self._authenticator.nonce(now)
            self._throttle.proved(username, following)
            return Refused(401, self._authenticator.challenges(now, old=old, stale=True, nonce=following))
        self._throttle.succeeded(place, nonce)
        return _admitted(account.number) if _speaks_for_itself(request, account) else Refused(403)


_admitted = remembered(4096)(Admitted)
_refused = partial(tuple.__new__, Refused)
"""The same without a call of a Python function."""


def _speaks_for_itself(request: Request, account: Account) -> bool:
    """From, and for REGISTER the address-of-record in To, have to be the extension's own."""
    user = request.from_.uri.user
    if user != account.number and not account.owns(user):
        return False
    return request.method != "REGISTER" or account.owns(request.to.uri.user)


class OldClients:
    """Clients that give up at a SHA-256 challenge, though they should skip what they do not know (RFC 8760, 2.4).

    They are known by name, or found out: one that was challenged, and comes back without credentials, is offered MD5
    alone. That gives nothing away, for MD5 is offered to all.
    """

    def __init__(self) -> None:
        self._challenged: OrderedDict[tuple[str, str], float] = OrderedDict()
        """(source, user name) that has not answered yet, and since when."""

    def challenge(self, request: Request, source: str, now: float) -> bool:
        """Note that a client is challenged; whether it is an old one."""
        if _gives_up(request.first.get("User-Agent", "")):
            return True
        client, challenged = (source, (request.from_.uri.user or "")[:MAX_NAME]), self._challenged
        since = challenged.setdefault(client, now)
        if len(challenged) > MAX_SOURCES:
            challenged.popitem(last=False)
        return now - since >= RETRY_SECONDS

    def up_to_date(self, request: Request, source: str) -> None:
        """It has answered by SHA-256. An old one does not, and so goes on being challenged."""
        self._challenged.pop((source, (request.from_.uri.user or "")[:MAX_NAME]), None)


class Throttle:
    """Slows down sources that guess, whatever names they try. Owners whose neighbours guess are not locked out by that:

    - who goes on with a nonce by which he has proved to know the password is always listened to, and so is he with the
      one that follows it when it is too old;
    - who comes from the very address and port that he was let in from before has a measure of his own, which those who
      guess from beside him do not use up.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str | Place, tuple[float, float]] = OrderedDict()
        """Source, or place of an owner -> how full its bucket of failures was, and when."""
        self._known: OrderedDict[Place, None] = OrderedDict()
        """Where owners have authenticated."""
        self._proven: OrderedDict[tuple[str, str], None] = OrderedDict()
        """(user name, nonce) of those who have proved to know the password."""

    def may_try(self, place: Place, nonce: str, now: float) -> bool:
        """Whether credentials from there are looked at now."""
        if not self._failures or (place[1], nonce) in self._proven:
            return True
        return self._level(self._measure(place), now) < FREE_FAILURES

    def failed(self, place: Place, nonce: str, now: float) -> None:
        """The credentials were wrong."""
        self._proven.pop((place[1], nonce), None)
        measure = self._measure(place)
        self._failures[measure] = self._level(measure, now) + 1, now
        self._failures.move_to_end(measure)
        if len(self._failures) > MAX_SOURCES:
            self._failures.popitem(last=False)

    def succeeded(self, place: Place, nonce: str) -> None:
        """The credentials were right."""
        known = self._known
        known[place] = None
        known.move_to_end(place)
        if len(known) > MAX_SOURCES:
            known.popitem(last=False)
        self.proved(place[1], nonce)

    def proved(self, username: str, nonce: str) -> None:
        """The nonce has been given to, or used by, whoever knows the password."""
        proof, proven = (username, nonce), self._proven
        proven[proof] = None
        proven.move_to_end(proof)
        if len(proven) > MAX_SOURCES:
            proven.popitem(last=False)

    def _measure(self, place: Place) -> str | Place:
        return place if place in self._known else source_of(place[0].host)

    def _level(self, measure: str | Place, now: float) -> float:
        level, since = self._failures.get(measure, (0.0, now))
        return max(0.0, level - (now - since) * FAILURES_PER_SECOND)
