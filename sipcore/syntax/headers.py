"""Header field values that have a structure (RFC 3261 section 20)."""

from __future__ import annotations

import re
from typing import NamedTuple

from sipcore.errors import PeerError
from sipcore.syntax.fields import is_odd
from sipcore.syntax.remember import kept, memory, remembered
from sipcore.syntax.uri import Parameters, Uri

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_new = tuple.__new__
"""Of named tuples, without what costs more than making them: this runs some times in each call."""
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = re.compile(
    rf'\s*;\s*(?P<name>{_TOKEN})(?:\s*=\s*(?P<value>{_QUOTED}|[^\s;,"<>]*))?\s*', re.DOTALL
)
_SIMPLE_PARAMETERS = re.compile(rf'(?:;{_TOKEN}(?:=[^\s;,"<>]*)?)*')
"""Those of nearly every message: no white space, nothing quoted."""
_SENT_BY = re.compile(
    rf"\s*SIP\s*/\s*2\.0\s*/\s*(?P<transport>{_TOKEN})\s+(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"\s*(?::\s*(?P<port>[0-9]{1,5})\s*)?",
    re.IGNORECASE,
)
_NAME_ADDRESS = re.compile(
    rf'(?:\s*(?P<quoted>{_QUOTED})\s*|(?P<tokens>[^"<>,;]*+))<(?P<uri>[^<>]*)>', re.DOTALL
)  # linear: white space has one way to match


def _is_plain(value: str) -> bool:
    """Whether nothing of a parameter's value means anything: true of nearly all tags and branches."""
    return value.replace("-", "").replace(".", "").replace("~", "").isalnum()


def unquote_string(text: str) -> str:
    """The text of a quoted-string; any other text as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return resolve_quoted_pairs(text[1:-1])
    return text


def resolve_quoted_pairs(text: str) -> str:
    """The inside of a quoted-string, without its backslashes (RFC 3261 section 25.1)."""
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def quote_string(text: str) -> str:
    """A quoted-string (RFC 3261 section 25.1)."""
    return '"' + _ESCAPED.sub(r"\\\g<0>", text) + '"'


_ESCAPED = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')


def split_values(text: str) -> list[str]:
    """Split at the commas outside quotes and angle brackets."""
    if "," not in text or not ('"' in text or "<" in text):
        return [value for part in text.split(",") if (value := part.strip())]
    values, start, quoted, angled, escaped = [], 0, False, False, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            angled = character == "<"
        elif character == "," and not angled:
            values.append(text[start:position].strip())
            start = position + 1
    values.append(text[start:].strip())
    return [value for value in values if value]


def parse_parameters(text: str, position: int = 0) -> Parameters:
    """`;name=value` pairs to the end of the text; names in lower case, quoted values unquoted."""
    if _SIMPLE_PARAMETERS.fullmatch(text, position):
        return _split_parameters(text[position + 1 :]) if position < len(text) else ()
    parameters = []
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None:
            if text[position:].strip():
                raise PeerError(f"not a parameter: {text[position:][:40]!r}")
            break
        value = found["value"]
        parameters.append((found["name"].lower(), None if value is None else unquote_string(value)))
        position = found.end()
    return tuple(parameters)


def _split_parameters(text: str) -> Parameters:
    pairs = [part.partition("=") for part in text.split(";")]
    return tuple([(name.lower(), value if equals else None) for name, equals, value in pairs])


def format_parameters(parameters: Parameters) -> str:
    """`;name=value` for each, quoting what is no token."""
    text = ""
    for name, value in parameters:
        if value is None:
            text += f";{name}"
        else:
            plain = _UNQUOTED_VALUE if name in _NEVER_QUOTED else _PLAIN_VALUE
            text += f";{name}={value if plain.fullmatch(value) else quote_string(value)}"
    return text


_PLAIN_VALUE = re.compile(r"[A-Za-z0-9\-.!%*_+`'~\[\]:]+")
_UNQUOTED_VALUE = re.compile(r'[^\s;,"<>\x00-\x1f\x7f]+')
_NEVER_QUOTED = frozenset({"branch", "tag"})
"""Their owner compares them as text, and may have put in what is no token."""


def _end_of_brackets(text: str) -> int:
    """Where the parameters begin, after `<uri>`; 0 where there are no brackets."""
    end = text.rfind(">") + 1
    if end and _SIMPLE_PARAMETERS.fullmatch(text, end):
        return end
    found = _NAME_ADDRESS.match(text)
    return 0 if found is None else found.end()


Named = tuple[str | None, Uri]
"""Display name and URI."""


@remembered(2048)
def _parse_brackets(text: str) -> Named:
    """Display name and URI of `"name" <uri>`, of which there are fewer than of tags."""
    found = _NAME_ADDRESS.fullmatch(text)
    if found is None:
        raise PeerError(f"not an address: {text[:80]!r}")
    name = unquote_string(found["quoted"]) if found["quoted"] else (found["tokens"] or "").strip()
    return name or None, Uri.parse(found["uri"].strip())


class _NameAddress(NamedTuple):
    display_name: str | None
    uri: Uri
    parameters: Parameters = ()


class NameAddress(_NameAddress):
    """A name-addr with header parameters: From, To, Contact, Route, Path and their like."""

    @staticmethod
    @remembered(2048)  # the messages of a dialog all have the same two
    def parse(text: str) -> NameAddress:
        """Raises PeerError(400)."""
        usual = NameAddress.parse_usual(text)
        if usual is not None:
            return usual
        end = _end_of_brackets(text)
        if end:
            return NameAddress(*_parse_brackets(text[:end]), parse_parameters(text, end))
        bare, semicolon, parameters = text.strip().partition(";")
        uri = Uri.parse(bare.strip())
        if uri.headers:  # section 20.10: such a URI is written in angle brackets
            raise PeerError(f"a URI with headers and without brackets: {text[:80]!r}")
        return NameAddress(None, uri, parse_parameters(semicolon + parameters))

    @staticmethod
    def parse_usual(text: str) -> NameAddress | None:
        """The same, quickly, if nothing but a plain tag is behind the brackets, or not even that; not remembered."""
        before, found, tag = text.partition(">;tag=")
        if found and (tag.isalnum() or _is_plain(tag)):
            return NameAddress.tagged(_parse_brackets(before + ">"), tag)
        if found or text[-1:] != ">":
            return None
        name, uri = _parse_brackets(text)
        return NameAddress(name, uri)

    @staticmethod
    def tagged(named: Named, tag: str) -> NameAddress:
        """The address that has nothing behind the brackets but this tag; none if that is empty."""
        name, uri = named
        address: NameAddress = _new(NameAddress, (name, uri, (("tag", tag),) if tag else ()))
        return address

    def parameter(self, name: str) -> str | None:
        """The value of a header parameter ("" if it has none); None if it is absent."""
        for key, value in self.parameters:
            if key == name:
                return value or ""
        return None

    @kept
    def tag(self) -> str | None:
        """The tag parameter (RFC 3261 section 19.3)."""
        for key, value in self.parameters:
            if key == "tag":
                return value or ""
        return None

    def with_tag(self, tag: str) -> NameAddress:
        """The same address with this tag and no other parameter."""
        return NameAddress(self.display_name, self.uri, (("tag", tag),))

    @kept
    def address(self) -> str:
        """Display name and URI as they are written, without parameters."""
        name = f"{quote_string(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>"

    def __str__(self) -> str:
        return self.address + format_parameters(self.parameters) if self.parameters else self.address


@memory(2048)
def usual_brackets(text: str) -> Named | None:
    """Display name and URI of From or To up to where its tag begins; None of nothing. Raises PeerError."""
    if not text:
        return None
    if is_odd(text):
        raise PeerError("no usual address")
    return _parse_brackets(text)


@remembered(2048)
def _parse_sent_by(text: str) -> tuple[str, str, int | None]:
    """Transport, host and port of a Via, of which there are as many as peers."""
    found = _SENT_BY.fullmatch(text)
    if found is None:
        raise PeerError(f"not a Via: {text[:80]!r}")
    transport, host, port = found.groups()
    number = None if port is None else int(port)
    if number is not None and not 0 < number < 65536:
        raise PeerError(f"no port: {port}")
    return transport.upper(), host.strip("[]").lower(), number


@memory(2048)
def usual_via(text: str) -> tuple[tuple[str, int | None], bool]:
    """Host and port of a Via without white space, and whether it asks for `rport` behind the branch and says no more.
    The value of its branch has been taken out. Raises PeerError."""
    start, _, more = text.partition(";branch=")
    sent_by, semicolon, parameters = start.partition(";")
    if not sent_by.isprintable() or sent_by.strip() != sent_by:
        raise PeerError("a Via with white space")
    _read_usual_parameters(semicolon + parameters)
    _read_usual_parameters(more)
    _, host, port = _parse_sent_by(sent_by)
    return (host, port), more == ";rport" and not semicolon


def cut_usual_via(text: str) -> tuple[str, str]:
    """A plain branch, and the Via without it. Raises PeerError."""
    start, equals, rest = text.partition(";branch=")
    branch, semicolon, more = rest.partition(";")
    if not _is_plain(branch):
        raise PeerError("no usual branch")
    return branch, f"{start}{equals}{semicolon}{more}"


def _read_usual_parameters(text: str) -> None:
    """The parameters of a Via beside its branch, in front of it or behind it. Raises PeerError."""
    if not text.isprintable() or not _SIMPLE_PARAMETERS.fullmatch(text):
        raise PeerError("no usual parameters")
    if text and any(name == "branch" for name, _ in _split_parameters(text[1:])):
        raise PeerError("a second branch")


class _Via(NamedTuple):
    transport: str
    host: str
    port: int | None
    parameters: Parameters = ()


class Via(_Via):
    """One Via value (RFC 3261 section 20.42)."""

    @staticmethod
    def parse(text: str) -> Via:
        """Raises PeerError(400)."""
        sent_by, semicolon, parameters = text.partition(";")
        return Via(*_parse_sent_by(sent_by), parse_parameters(semicolon + parameters))

    def parameter(self, name: str) -> str | None:
        """The value of a parameter ("" if it has none); None if it is absent."""
        for key, value in self.parameters:
            if key == name:
                return value or ""
        return None

    @kept
    def branch(self) -> str:
        """The branch parameter; empty for RFC 2543 clients without one."""
        for key, value in self.parameters:
            if key == "branch":
                return value or ""
        return ""

    @property
    def sent_by(self) -> str:
        """host:port as the client wrote it, lower case."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{format_parameters(self.parameters)}"


class CSeq(NamedTuple):
    """Sequence number and method (RFC 3261 section 20.16)."""

    number: int
    method: str

    @staticmethod
    @remembered(512)
    def parse(text: str) -> CSeq:
        """Raises PeerError(400)."""
        usual = CSeq.parse_usual(text)
        if usual is not None:
            return usual
        number, _, method = text.replace("\t", " ").partition(" ")
        if not (
            number.isdecimal()
            and number.isascii()
            and len(number) <= 10
            and int(number) < 2**32
            and method.strip()
        ):
            raise PeerError(f"not a CSeq: {text[:60]!r}")
        return CSeq(int(number), method.strip())

    @staticmethod
    def parse_usual(text: str) -> CSeq | None:
        """The same, quickly, if nothing but one space is between number and method; not remembered."""
        number, _, method = text.partition(" ")
        if method.isalpha() and len(number) < 10 and number.isdecimal() and number.isascii():
            return _new(CSeq, (int(number), method))
        return None

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def warning_value(reason: str) -> str:
    """A Warning value (RFC 3261 section 20.43); code 399 is free text, here without anything foreign in it."""
    text = "".join(character for character in reason if character.isascii() and character.isprintable())
    return '399 myphone "' + text.replace("\\", "").replace('"', "'")[:120] + '"'
