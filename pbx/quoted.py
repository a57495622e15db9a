"""Texts as JSON has them, quickly."""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring_ascii

MOST, LONGEST = 2000, 100
"""So many texts are remembered, of so many characters at most."""


class Quoted(dict[str, str]):
    """Gives a text as JSON has it: `Quoted()['a "b"'] == '"a \\\\"b\\\\""'`, in ASCII, whatever is in it.

    Numbers, names and reasons come again and again: to look one up takes a tenth of the time that it takes to write it.
    """

    def __init__(self, prepared: Callable[[str], str] = str) -> None:
        """`prepared` is done with a text before."""
        self._prepared = prepared

    def __missing__(self, text: str) -> str:
        quoted = encode_basestring_ascii(self._prepared(text))
        if len(text) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[text] = quoted
        return quoted

    def list(self, texts: tuple[str, ...]) -> str:
        """Several, as a list."""
        return f"[{','.join(map(self.__getitem__, texts))}]"
