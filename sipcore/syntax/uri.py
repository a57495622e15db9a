"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sipcore.errors import PeerError
from sipcore.syntax.remember import remembered

Parameters = tuple[tuple[str, str | None], ...]

_SIP = re.compile(
    r"(?P<scheme>sips?):"
    r"(?:(?P<user>[^@:<>\s\"]+)(?::(?P<password>[^@<>\s\"]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>;[^?<>\s\"]*)?"
    r"(?:\?(?P<headers>[^<>\s\"]*))?",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>[^\s<>\";][^\s<>\"]*)")
_USER_SAFE = "-_.!~*'()&=+$,;?/"
_PARAMETER_SAFE = "-_.!~*'()[]/:&+$"
_HEADER_SAFE = "-_.!~*'()[]/:?+$"
_OTHER_SAFE = "-_.!~*'()[]/:&=+$,?@#"


class Uri(NamedTuple):
    """A parsed URI. `user` and `password` are unescaped; `host` is lower case, IPv6 without brackets.

    For `tel:` (and any other scheme) `user` holds what follows the colon and `host` is empty.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    parameters: Parameters = ()
    headers: Parameters = ()

    @staticmethod
    @remembered(4096)
    def parse(text: str) -> Uri:
        """Raises PeerError(400). Whether a scheme can be served (416) is for others to say."""
        found = _SIP.fullmatch(text)
        if found is None:
            return _parse_other(text)
        scheme, user, password, host, port, parameters, headers = found.groups()
        number = None if port is None else int(port)
        if number is not None and not 0 < number < 65536:
            raise PeerError(f"no port: {port}")
        return Uri(
            scheme.lower(),
            None if user is None else _unescape(user),
            None if password is None else _unescape(password),
            host.strip("[]").lower().replace(":::", "::"),  # RFC 5118 section 4.10: an old grammar had three
            number,
            _split(parameters, ";"),
            _split(headers, "&"),
        )

    def parameter(self, name: str) -> str | None:
        """The value of a parameter ("" if it has none); None if it is absent. `name` in lower case."""
        for key, value in self.parameters:
            if key == name:
                return value or ""
        return None

    def has_parameter(self, name: str) -> bool:
        """Whether the parameter is there, with a value or without."""
        return any(key == name for key, _ in self.parameters)

    def without(self, *names: str) -> Uri:
        """The same URI without these parameters."""
        return self._replace(
            parameters=tuple((key, value) for key, value in self.parameters if key not in names)
        )

    def matches(self, other: Uri) -> bool:
        """Equivalence by RFC 3261 section 19.1.4."""
        if (self.scheme, self.user, self.password, self.port) != (
            other.scheme,
            other.user,
            other.password,
            other.port,
        ):
            return False
        if self.host != other.host and not _same_address(self.host, other.host):
            return False
        return _parameters_match(self, other) and _as_set(self.headers) == _as_set(other.headers)

    def __str__(self) -> str:
        return _print(self)


_SIGNIFICANT = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that make two URIs differ when only one has them (RFC 3261 section 19.1.4)."""


def _parameters_match(first: Uri, second: Uri) -> bool:
    ours, theirs = dict(first.parameters), dict(second.parameters)
    for key in ours.keys() | theirs.keys():
        if key in ours and key in theirs:
            if (ours[key] or "").lower() != (theirs[key] or "").lower():
                return False
        elif key in _SIGNIFICANT:
            return False
    return True


def _as_set(headers: Parameters) -> frozenset[tuple[str, str | None]]:
    return frozenset((key.lower(), value) for key, value in headers)


def _same_address(one: str, other: str) -> bool:
    """Whether two hosts are spellings of one IPv6 address (RFC 5954 section 4.2)."""
    if ":" not in one or ":" not in other:
        return False
    try:
        return IPv6Address(one) == IPv6Address(other)
    except ValueError:
        return False


@lru_cache(maxsize=512)  # our own, in each Contact; those of phones, in the messages of a call
def _print(uri: Uri) -> str:
    if not uri.host:
        text = f"{uri.scheme}:{_escape(uri.user or '', _OTHER_SAFE)}"
    else:
        user = "" if uri.user is None else _escape(uri.user, _USER_SAFE)
        if uri.password is not None:
            user += ":" + _escape(uri.password, _USER_SAFE)
        host = f"[{uri.host}]" if ":" in uri.host else uri.host
        port = "" if uri.port is None else f":{uri.port}"
        text = f"{uri.scheme}:{user}{'@' if uri.user is not None else ''}{host}{port}"
    for pair in uri.parameters:
        text += ";" + _print_pair(pair, _PARAMETER_SAFE)
    if uri.headers:
        text += "?" + "&".join(_print_pair(pair, _HEADER_SAFE) for pair in uri.headers)
    return text


def _print_pair(pair: tuple[str, str | None], safe: str) -> str:
    key, value = pair
    return _escape(key, safe) if value is None else f"{_escape(key, safe)}={_escape(value, safe)}"


def _escape(text: str, safe: str) -> str:
    return text if text.isalnum() and text.isascii() else quote(text, safe, "utf-8", "surrogateescape")


def _unescape(text: str) -> str:
    """Bytes that are no UTF-8 become surrogates, as in the rest of a message."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _parse_other(text: str) -> Uri:
    found = _ABSOLUTE.fullmatch(text)
    if found is None or found["scheme"].lower() in ("sip", "sips"):
        raise PeerError(f"not a URI: {text[:80]!r}")
    subject, _, parameters = found["rest"].partition(";")
    return Uri(
        found["scheme"].lower(),
        _unescape(subject),
        parameters=_split(";" + parameters if parameters else None, ";"),
    )


def _split(text: str | None, separator: str) -> Parameters:
    if not text:
        return ()
    pairs = []
    for part in text.lstrip(";").split(separator):
        if part:
            key, equals, value = part.partition("=")
            pairs.append((_unescape(key).lower(), _unescape(value) if equals else None))
    return tuple(pairs)
