"""The company's directory, searched as people type who look for somebody."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pbx.directory import Extension

LONGEST_SEARCH = 100
"""Nobody has a name of more characters."""

_IN_TWO = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
"""Letters that Unicode does not take apart."""
_BETWEEN = re.compile("[\\s\\-'\u2019.,_]+")


def folded(text: str) -> str:
    """A text in which letter case and accents make no difference any more."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_IN_TWO))
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()


def search(extensions: Iterable[Extension], text: str) -> tuple[Extension, ...]:
    """Those to whom each word of `text` leads: it is the begin of the number, or of a part of the first or last name.

    In any letter case, with accents or without. In the order of their last names; all of them where nothing is looked
    for, nobody for a text that is longer than any name.
    """
    if len(text) > LONGEST_SEARCH:
        return ()
    words = _words(text)
    if not words and text.strip():
        return ()
    found = [extension for extension in extensions if _fits(extension, words)]
    return tuple(sorted(found, key=_by_name))


def _fits(extension: Extension, words: list[str]) -> bool:
    parts = [extension.number, *_words(extension.first_name), *_words(extension.last_name)]
    return all(any(part.startswith(word) for part in parts) for word in words)


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(folded(text)) if word]


def _by_name(extension: Extension) -> tuple[str, str, str]:
    return folded(extension.last_name), folded(extension.first_name), extension.number
