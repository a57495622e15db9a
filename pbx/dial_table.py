"""Dial codes: patterns of dialled strings, and the check that no two of them can be meant at once.

A pattern is written as it is dialled, with placeholders for what varies:

    *777                            that string
    *20*{extension}                 one or more digits
    *1{orbit:digit}{extension?}     exactly one digit, then digits that may be missing

`{name?}` stands last, and what follows `{name}` is not a digit, so a string matches in one way at most.
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from values import dataclass

if TYPE_CHECKING:
    from sipcore.syntax.uri import Uri

_DIGITS = frozenset("0123456789")
_PIECE = re.compile(
    r"(?P<literal>[0-9*#+])"
    r"|\{(?P<name>[a-z][a-z0-9_]*)(?P<kind>:digit|\?)?\}"
)
_ONE, _MANY, _ANY = "[0-9]", "[0-9]++", "[0-9]*+"
"""Possessive, so that matching never backtracks: time is linear in what was dialled."""
_REPEAT = {":digit": _ONE, None: _MANY, "?": _ANY}


class DialTableError(ValueError):
    """Dial codes that cannot be used; the message names the culprits.

    To change any of `codes` would help.
    """

    def __init__(self, reason: str, *codes: DialCode) -> None:
        super().__init__(reason)
        self.codes = codes


@dataclass(frozen=True, slots=True)
class _Step:
    """One character out of a set; with `again` any number of them, or none."""

    characters: frozenset[str]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. Equal texts are equal patterns."""

    text: str
    names: tuple[str, ...]
    """The placeholders, in the order in which they stand."""
    optional: str | None
    """The placeholder that a match may leave out."""
    expression: str
    """The same as a regular expression, with one group for each placeholder."""
    _steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises DialTableError that says what is wrong with it."""
        return _PatternParser(text).parse()

    def __str__(self) -> str:
        return self.text

    @property
    def first_characters(self) -> frozenset[str]:
        """What a matching string can begin with."""
        return self._steps[0].characters

    def common_string(self, other: Pattern) -> str | None:
        """A string that both patterns match; None if there is none.

        Walks the product of the two automata, so the answer is exact.
        """
        start, end = (0, 0), (len(self._steps), len(other._steps))
        read_on_the_way = {start: ""}
        waiting = deque([start])
        while waiting and end not in read_on_the_way:
            place = waiting.popleft()
            for following, character in _following(self._steps, other._steps, place):
                if following not in read_on_the_way:
                    read_on_the_way[following] = read_on_the_way[place] + character
                    waiting.append(following)
        return read_on_the_way.get(end)


def _following(
    ours: tuple[_Step, ...], theirs: tuple[_Step, ...], place: tuple[int, int]
) -> Iterable[tuple[tuple[int, int], str]]:
    """Places of the product automaton one move on, and the character read on the way ("" for none)."""
    i, j = place
    our = ours[i] if i < len(ours) else None
    their = theirs[j] if j < len(theirs) else None
    if our and our.again:
        yield (i + 1, j), ""
    if their and their.again:
        yield (i, j + 1), ""
    if our and their and (both := our.characters & their.characters):
        yield (i if our.again else i + 1, j if their.again else j + 1), min(both)


class _PatternParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = []
        self._optional: str | None = None
        self._expression: list[str] = []
        self._steps: list[_Step] = []
        self._unlimited: str | None = None
        """The placeholder without a fixed length that has just been read."""

    def parse(self) -> Pattern:
        position = 0
        while position < len(self._text):
            piece = _PIECE.match(self._text, position)
            if piece is None:
                rest = self._text[position:]
                raise self._error(f"'{rest}' is neither a character to dial nor a placeholder")
            position = piece.end()
            if self._optional:
                raise self._error(f"{{{self._optional}?}} has to be the last element")
            if piece["literal"]:
                self._literal(piece["literal"])
            else:
                self._placeholder(piece["name"], piece["kind"])
        if not self._steps or self._steps[0].again:
            raise self._error("it would match an empty string")
        return Pattern(
            self._text, tuple(self._names), self._optional, "".join(self._expression), tuple(self._steps)
        )

    def _literal(self, character: str) -> None:
        if character in _DIGITS:
            self._refuse_digit()
        self._unlimited = None
        self._expression.append(re.escape(character))
        self._steps.append(_Step(frozenset(character)))

    def _placeholder(self, name: str, kind: str | None) -> None:
        self._refuse_digit()
        if name in self._names:
            raise self._error(f"{{{name}}} is there twice")
        self._names.append(name)
        self._expression.append(f"({_REPEAT[kind]})")
        if kind == "?":
            self._optional = name
        else:
            self._steps.append(_Step(_DIGITS))
        if kind != ":digit":
            self._steps.append(_Step(_DIGITS, again=True))
            self._unlimited = name

    def _refuse_digit(self) -> None:
        if self._unlimited:
            raise self._error(f"no digit can follow {{{self._unlimited}}}, its end would not be known")

    def _error(self, reason: str) -> DialTableError:
        return DialTableError(f"pattern '{self._text}': {reason}")


@dataclass(frozen=True, slots=True)
class Handler:
    """What a feature does for one of its dial codes."""

    feature: str
    name: str
    run: Callable[..., Awaitable[None]]
    """Called with the call, and the digits of each placeholder that was dialled, by its name."""
    summary: str = ""

    def __str__(self) -> str:
        return f"{self.feature}.{self.name}"

    def __call__(self, call: object, **digits: str) -> Awaitable[None]:
        """Serve a call."""
        return self.run(call, **digits)


@dataclass(frozen=True, slots=True)
class DialCode:
    """A pattern and the handler it leads to."""

    pattern: Pattern
    handler: Handler

    def check_arguments(self) -> None:
        """Check that each match gives the handler the arguments it takes. Raises DialTableError."""
        _, *parameters = inspect.signature(self.handler.run).parameters.values()
        taken = {parameter.name for parameter in parameters}
        needed = {parameter.name for parameter in parameters if parameter.default is parameter.empty}
        given = set(self.pattern.names)
        problem = [f"takes no {{{name}}}" for name in given - taken]
        problem += [f"always needs {{{name}}}" for name in needed - given | needed & {self.pattern.optional}]
        if problem:
            raise DialTableError(f"pattern '{self.pattern}': {self.handler} {min(problem)}", self)

    def __str__(self) -> str:
        return f"'{self.pattern}' ({self.handler})"


class DialTable:
    """All dial codes of a system; no string matches two of them."""

    def __init__(self, codes: Iterable[DialCode]) -> None:
        """For codes that `build` has checked; where codes overlap, the first would win."""
        self.codes = tuple(codes)
        self._exact = {code.pattern.text: code.handler for code in self.codes if not code.pattern.names}
        varying = [code for code in self.codes if code.pattern.names]
        self._starts = frozenset().union(*(code.pattern.first_characters for code in varying))
        self._expression = re.compile("|".join(f"({code.pattern.expression})" for code in varying))
        self._by_group: dict[int | None, DialCode] = {}
        group = 1
        for code in varying:
            self._by_group[group] = code
            group += 1 + len(code.pattern.names)

    @classmethod
    def build(
        cls,
        codes: Iterable[DialCode],
        extensions: Iterable[str] = (),
        reserved: Mapping[str, str] | None = None,
    ) -> DialTable:
        """Check the codes and make the table.

        `extensions` are numbers and SIP IDs, `reserved` maps other numbers in use to what they are for.
        Raises DialTableError naming both culprits: two codes that one dialled string could mean, or a
        code and the number it would hide.
        """
        table = cls(codes)
        for first, second in combinations(table.codes, 2):
            dialled = first.pattern.common_string(second.pattern)
            if dialled is not None:
                raise DialTableError(f"{first} and {second} could both be meant by {dialled}", first, second)
        taken = dict.fromkeys(extensions, "extension") | dict(reserved or {})
        for number, purpose in taken.items():
            if table.match(number) is not None:
                code = next(each for each in table.codes if re.fullmatch(each.pattern.expression, number))
                raise DialTableError(f"{code} would hide {purpose} {number}", code)
        return table

    def match(self, dialled: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler for a dialled string, and the digits of its placeholders.

        An optional placeholder for which nothing was dialled is left out. None if no code matches.
        """
        handler = self._exact.get(dialled)
        if handler is not None:
            return handler, {}
        if dialled[:1] not in self._starts:
            return None
        found = self._expression.fullmatch(dialled)
        if found is None:
            return None
        group = found.lastindex or 0
        code = self._by_group[group]
        names = code.pattern.names
        digits = found.groups()[group : group + len(names)]
        return code.handler, {name: value for name, value in zip(names, digits, strict=True) if value}


_PHONE_NUMBER = re.compile(r"\+?[0-9*#A-D]+")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")


def dialled_string(uri: Uri) -> str:
    """What the user typed to get this Request-URI: the user part, or the number of a `tel:` URI.

    Escapes (`%2A`) are gone, since `Uri.user` holds the unescaped text. Where the user part is a
    telephone number (RFC 3261 section 19.1.6) its parameters and visual separators go too
    (RFC 3966 section 5.1.1). A text that is no number after all is taken literally.
    """
    user = uri.user or ""
    if uri.scheme != "tel" and uri.parameter("user") != "phone":
        return user
    number = user.partition(";")[0].translate(_VISUAL_SEPARATORS)
    return number if _PHONE_NUMBER.fullmatch(number) else user
