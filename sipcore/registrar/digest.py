"""Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760): pure functions, and nonces without state."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from hmac import compare_digest
from operator import itemgetter
from typing import Any

from sipcore.errors import PeerError
from sipcore.syntax.headers import resolve_quoted_pairs
from sipcore.syntax.remember import Recent, remembered
from sipcore.syntax.uri import Uri
from values import dataclass

NONCE_SECONDS = 300.0
"""How long a nonce may be used."""
MAX_NONCE_USES = 2048
"""Nonces in use whose counts are remembered; the oldest is forgotten, and then stale."""
COUNT_WINDOW = 64
"""How far nonce counts may arrive out of order."""


class Algorithm(Enum):
    """In the order in which they are offered: the strongest first (RFC 8760 section 2.4)."""

    SHA256 = "SHA-256"
    MD5 = "MD5"

    __hash__ = object.__hash__


SHA256, MD5 = Algorithm


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


HASH: Mapping[Algorithm, Callable[[str], str]] = {SHA256: _sha256, MD5: _md5}


_HA2 = {algorithm: remembered(1024)(digest) for algorithm, digest in HASH.items()}
"""A phone asks for the same again and again; nothing of this is secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What is stored in place of a password: HA1 in each algorithm (RFC 7616 section 3.4.2)."""

    md5: str
    sha256: str

    @classmethod
    def of(cls, username: str, realm: str, password: str) -> Credentials:
        """Hash a password; the password itself is not kept."""
        secret = f"{username}:{realm}:{password}"
        return cls(_md5(secret), _sha256(secret))

    def ha1(self, algorithm: Algorithm) -> str:
        """The hash for one algorithm."""
        return self.sha256 if algorithm is SHA256 else self.md5

    def __repr__(self) -> str:
        return "Credentials(...)"


def digest_response(algorithm: Algorithm, ha1: str, parameters: Mapping[str, str], method: str) -> str:
    """The `response` value for qop=auth (RFC 7616 section 3.4.1), or without qop (RFC 2617 section 3.2.2.1)."""
    between = parameters["nonce"]
    if "qop" in parameters:
        between += f":{parameters['nc']}:{parameters['cnonce']}:{parameters['qop']}"
    return _response(algorithm, ha1, between, method, parameters["uri"])


def _response(algorithm: Algorithm, ha1: str, between: str, method: str, uri: str) -> str:
    """The same; `between` has nonce, nc, cnonce and qop."""
    return HASH[algorithm](f"{ha1}:{between}:{_HA2[algorithm](f'{method}:{uri}')}")


# Possessive (*+): whitespace is never given back, so the time is linear whatever a stranger sends.
_PAIR = re.compile(
    r"""\s*+([A-Za-z0-9\-.!%*_+`'~]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))\s*+(?:,|$)|(.+)""",
    re.DOTALL,
)
"""A pair, or else all the rest, which is none."""


def parse_digest(value: str) -> dict[str, str] | None:
    """The parameters of `Digest name=value, ...`, names in lower case; None if it is anything else."""
    scheme, rest = [*value.strip().split(maxsplit=1), "", ""][:2]
    if scheme.lower() != "digest":
        return None
    pairs = _PAIR.findall(rest)
    if "\\" in rest:
        pairs = [(name, resolve_quoted_pairs(quoted), token, none) for name, quoted, token, none in pairs]
    parameters = {name.lower(): quoted or token for name, quoted, token, _ in pairs}
    return parameters if len(parameters) == len(pairs) and "" not in parameters else None


_BY_NAME = {algorithm.value: algorithm for algorithm in Algorithm}


def _algorithm(parameters: Mapping[str, str]) -> Algorithm | None:
    return _BY_NAME.get(parameters.get("algorithm", "MD5").upper())


Proof = tuple[str, str, str, str, str, str, str, str, Algorithm | None, bool]
"""What a server wants to know of credentials: user name, realm, nonce, URI, cnonce, nonce count, qop and response, as
they are given, empty where they are not; the algorithm, None where it is unknown; whether all are there that are
needed."""
_TEXTS = ("username", "realm", "nonce", "uri", "cnonce", "nc", "qop", "response")
_NEEDED = frozenset({"nonce", "uri", "nc", "cnonce", "response"})


def proof_of(parameters: Mapping[str, str]) -> Proof:
    """What these parameters prove."""
    username, realm, nonce, uri, cnonce, nc, qop, response = [parameters.get(name, "") for name in _TEXTS]
    whole = parameters.keys() >= _NEEDED
    return username, realm, nonce, uri, cnonce, nc, qop, response, _algorithm(parameters), whole


def read_proof(value: str) -> Proof | None:
    """What an Authorization value proves; None if it is no digest."""
    if "\\" not in value:
        texts = value.split('"')
        quoted = texts[1::2]
        count, others, pick = _form_of(_HERE.join(texts[::2]))  # a client writes all but what it quotes again
        if count == len(quoted):
            return pick([*quoted, *others])
    parameters = parse_digest(value)
    return None if parameters is None else proof_of(parameters)


_STAND_IN = "\1"
"""Of what is quoted."""
_HERE = f'"{_STAND_IN}"'


@remembered(1024)
def _form_of(text: str) -> tuple[int, list[Any], Callable[[list[Any]], Proof]]:
    """How many parameters are quoted, -1 for what is left to the grammar; what else there is; and what picks the proof
    out of both."""
    parameters = parse_digest(text) or {}
    quoted = [name for name, value in parameters.items() if value == _STAND_IN]
    plain = {name: value for name, value in parameters.items() if value != _STAND_IN}
    known = parameters and len(quoted) == text.count(_HERE) and "algorithm" not in quoted
    names = [*quoted, *plain]
    end = len(names)
    others = [*plain.values(), "", _algorithm(parameters), parameters.keys() >= _NEEDED]
    places = [names.index(name) if name in parameters else end for name in _TEXTS]
    return len(quoted) if known else -1, others, itemgetter(*places, end + 1, end + 2)


class Nonces:
    """Nonces that prove themselves: a time and a keyed hash of it. Only the counts of those in use are kept."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hashlib.blake2s(key=hashlib.blake2s(secret).digest(), digest_size=16)
        self._issued = 0
        self._ours: Recent[str, tuple[int, int]] = Recent(1024)
        """When a nonce was issued, and as which: nearly always it comes back at once."""
        self._used: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        """(nonce, account) -> highest count seen, and a bit for each of the counts below it."""
        self._forgotten = 0
        """The last nonce whose counts were forgotten; none up to here may begin to be used."""

    def issue(self, now: float) -> str:
        """A new nonce."""
        time = int(now)
        self._issued = number = self._issued + 1
        nonce = self._signed(f"{time:x}.{number:x}")
        self._ours.keep(nonce, (time, number))
        return nonce

    def use(self, nonce: str, account: str, count: int, now: float) -> bool:
        """Note a use of a fresh nonce of ours; False for any other, and for a count that was used before (RFC 7616
        section 3.4)."""
        found = self._ours[nonce] or self._find(nonce)
        if found is None or not -1 <= now - found[0] <= NONCE_SECONDS:
            return False
        used, key = self._used, (nonce, account)
        before = used.get(key)
        if before is None:
            if found[1] <= self._forgotten:
                return False
            used[key] = count, 1
            if len(used) > MAX_NONCE_USES:
                self._forget_oldest()
            return True
        highest, seen = before
        if count > highest:
            seen = (seen << min(count - highest, COUNT_WINDOW) | 1) & (1 << COUNT_WINDOW) - 1
            highest = count
        elif highest - count >= COUNT_WINDOW or seen >> highest - count & 1:
            return False
        else:
            seen |= 1 << highest - count
        used[key] = highest, seen
        used.move_to_end(key)
        return True

    def _forget_oldest(self) -> None:
        (nonce, _), _ = self._used.popitem(last=False)
        forgotten = self._find(nonce)
        self._forgotten = max(self._forgotten, 0 if forgotten is None else forgotten[1])

    def _find(self, nonce: str) -> tuple[int, int] | None:
        """When a nonce was issued, and as which; None if it is not ours."""
        found = self._ours[nonce]
        if found is None:
            stamp = nonce.partition("-")[0]
            if not nonce.isascii() or len(stamp) > 32 or not compare_digest(self._signed(stamp), nonce):
                return None
            time, _, number = stamp.partition(".")
            found = int(time, 16), int(number, 16)
            self._ours.keep(nonce, found)
        return found

    def _signed(self, stamp: str) -> str:
        digest = self._keyed.copy()
        digest.update(stamp.encode())
        return f"{stamp}-{digest.hexdigest()}"


class Verdict(Enum):
    """What came of checking credentials."""

    VALID = "valid"
    STALE = "right, but the nonce is too old or used up"
    WRONG = "wrong"


VALID, STALE, WRONG = Verdict

class Authenticator:
    """Makes challenges and checks what comes back, for one realm."""

    def __init__(self, realm: str, secret: bytes) -> None:
        self.realm = realm
        self._nonces = Nonces(secret)
        self._nobody = Credentials.of("", realm, secret.hex())
        """Checked for unknown users, so that these cost what known ones cost."""
        self._beginnings = [f'Digest realm="{realm}", algorithm={algorithm.value}' for algorithm in Algorithm]

    def nonce(self, now: float) -> str:
        """A new one, for `challenges`."""
        return self._nonces.issue(now)

    def challenges(
        self, now: float, *, old: bool = False, stale: bool = False, nonce: str = ""
    ) -> tuple[tuple[str, str], ...]:
        """WWW-Authenticate headers, the strongest algorithm first, or MD5 alone for an `old` client; with a new nonce
        if none is given."""
        end = f', nonce="{nonce or self._nonces.issue(now)}", qop="auth"{", stale=true" if stale else ""}'
        sha256, md5 = self._beginnings
        last = "WWW-Authenticate", md5 + end
        return (last,) if old else (("WWW-Authenticate", sha256 + end), last)

    def check(
        self, proof: Proof, credentials: Credentials | None, method: str, target: str, now: float
    ) -> Verdict:
        """Check what an Authorization header proves, in a request for the URI `target`; `credentials` is None for an
        unknown user."""
        _, realm, nonce, uri, cnonce, nc, qop, response, algorithm, whole = proof
        if algorithm is None or qop != "auth" or realm != self.realm or not whole:
            return WRONG
        if uri != target and not _same_resource(uri, target):
            return WRONG
        count, known = _nonce_count(nc), credentials or self._nobody
        ha1 = known.sha256 if algorithm is SHA256 else known.md5
        expected = _response(algorithm, ha1, f"{nonce}:{nc}:{cnonce}:auth", method, uri)
        given = response.lower().encode("utf-8", "replace")
        if not compare_digest(expected.encode(), given) or credentials is None or count is None:
            return WRONG
        # By account, for the response does not cover the name under which the account was found.
        return VALID if self._nonces.use(nonce, credentials.sha256, count, now) else STALE


def _same_resource(first: str, second: str) -> bool:
    """Whether two URIs name the same user at the same host (RFC 7616 section 3.4.6).

    Clients and proxies differ in the port and parameters that they write into one and not into the other.
    """
    try:
        one, other = Uri.parse(first), Uri.parse(second)
    except PeerError:
        return False
    return (one.user, one.host) == (other.user, other.host)


_NONCE_COUNT = re.compile("[0-9A-Fa-f]{8}")


@remembered(512)
def _nonce_count(text: str) -> int | None:
    """Eight hexadecimal digits (RFC 7616 section 3.4); None if it is anything else, or zero."""
    return (int(text, 16) or None) if _NONCE_COUNT.fullmatch(text) else None


def answer_challenge(
    challenges: Iterable[str], method: str, uri: str, username: str, password: str, *, nc: int, cnonce: str
) -> str | None:
    """The Authorization value for the strongest challenge that we can meet; None if there is none."""
    chosen = strongest_challenge(challenges)
    if chosen is None:
        return None
    return authorization(*chosen, method, uri, username, password, nc=nc, cnonce=cnonce)


def strongest_challenge(challenges: Iterable[str]) -> tuple[Algorithm, Mapping[str, str]] | None:
    """Of several WWW-Authenticate or Proxy-Authenticate values the one to answer (RFC 8760 section 2.4)."""
    offered: dict[Algorithm, Mapping[str, str]] = {}
    for challenge in challenges:
        parameters = parse_digest(challenge)
        algorithm = None if parameters is None else _algorithm(parameters)
        if parameters is None or algorithm is None or not {"realm", "nonce"} <= parameters.keys():
            continue
        if "auth" in re.split(r"[\s,]+", parameters.get("qop", "auth").lower()):
            offered.setdefault(algorithm, parameters)
    for algorithm in Algorithm:
        if algorithm in offered:
            return algorithm, offered[algorithm]
    return None


def authorization(
    algorithm: Algorithm,
    challenge: Mapping[str, str],
    method: str,
    uri: str,
    username: str,
    password: str,
    *,
    nc: int,
    cnonce: str,
) -> str:
    """The Authorization or Proxy-Authorization value that meets a challenge (RFC 7616 section 3.4)."""
    ha1 = Credentials.of(username, challenge["realm"], password).ha1(algorithm)
    quoted = {"username": username, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri}
    plain = {"algorithm": algorithm.value}
    if "qop" in challenge:
        quoted["cnonce"] = cnonce
        plain |= {"qop": "auth", "nc": f"{nc:08x}"}
    quoted["response"] = digest_response(algorithm, ha1, quoted | plain, method)
    if "opaque" in challenge:
        quoted["opaque"] = challenge["opaque"]
    texts = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
    return f"Digest {', '.join([*texts, *(f'{name}={value}' for name, value in plain.items())])}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
