"""Answering challenges as a client: of one realm only, and never for ever (RFC 3261 section 22, RFC 7616)."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from sipcore.registrar.digest import Algorithm, authorization, parse_digest, strongest_challenge
from sipcore.syntax.message import Request, Response

MAX_ANSWERS = 2
"""For one request: a server that wants more will not be satisfied by more."""
MAX_NONCE_LENGTH = 1024

_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


class DigestAccount:
    """A user name and a password, good at one realm; and how often the last nonce has been used."""

    def __init__(self, username: str, password: str, random: Random, realm: str = "") -> None:
        """Without a `realm` that of the first challenge is the one, from then on."""
        self.username = username
        self.realm = realm
        self._password = password
        self._random = random
        self._nonce = ""
        self._uses = 0
        self._last: tuple[str, Algorithm, Mapping[str, str]] | None = None
        """The header that answered last, and the challenge that it answered."""

    def answer(self, name: str, challenge: tuple[Algorithm, Mapping[str, str]], request: Request) -> str:
        """The value of the header `name` that meets a challenge."""
        algorithm, parameters = challenge
        if parameters["nonce"] != self._nonce:
            self._nonce, self._uses = parameters["nonce"], 0
        self._uses += 1
        self._last = name, algorithm, parameters
        cnonce = f"{self._random.getrandbits(64):016x}"
        return authorization(
            algorithm,
            parameters,
            request.method,
            request.uri_text,
            self.username,
            self._password,
            nc=self._uses,
            cnonce=cnonce,
        )

    def in_advance(self, request: Request) -> tuple[str, str] | None:
        """A header that saves the server the challenge, by the nonce of the one before (RFC 3261 section 22.2)."""
        if self._last is None:
            return None
        name, algorithm, parameters = self._last
        return name, self.answer(name, (algorithm, parameters), request)


class Answers:
    """The challenges of one request, whatever its CSeq has become meanwhile."""

    def __init__(self, account: DigestAccount) -> None:
        self._account = account
        self._given: set[str] = set()
        self._count = 0
        self.problem = ""
        """Why the last challenge was not answered."""

    def answer(self, request: Request, response: Response) -> tuple[str, str] | None:
        """The header that answers a 401 or 407 for `request`; None where it is not to be answered."""
        asked, name = _HEADERS[response.status]
        challenge = strongest_challenge(self._own(response.get_all(asked)))
        if challenge is None:
            self.problem = "the challenge is for another realm, or of a kind that is not known"
        elif self._count >= MAX_ANSWERS:
            self.problem = "the server challenges again and again"
        elif name in self._given and challenge[1].get("stale", "").lower() != "true":
            self.problem = "user name or password is wrong"
        else:
            self._count += 1
            self._given.add(name)
            self._account.realm = challenge[1]["realm"]
            return name, self._account.answer(name, challenge, request)
        return None

    def _own(self, challenges: list[str]) -> list[str]:
        """Those of our realm."""
        realm = self._account.realm
        return [text for text in challenges if _is_sane(text) and (not realm or _realm(text) == realm)]


def _realm(challenge: str) -> str | None:
    parameters = parse_digest(challenge)
    return None if parameters is None else parameters.get("realm")


def _is_sane(challenge: str) -> bool:
    """Parts of it are sent back: nothing that could break a header, and nothing endless."""
    if not challenge.isprintable():
        return False
    parameters = parse_digest(challenge)
    return parameters is not None and len(parameters.get("nonce", "")) <= MAX_NONCE_LENGTH
