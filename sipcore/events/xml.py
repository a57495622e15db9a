"""XML as event packages need it: printed escaped, and read with suspicion.

What is read here comes from phones, so it is small, flat and without a document type. The parser is the expat of the
standard library with handlers that refuse what hurts (RFC 3863 and its like use neither document types nor entities).
That is what hardened wrappers do as well; and so this package goes on to need the standard library alone.
"""

from __future__ import annotations

import re
from dataclasses import field
from xml.parsers import expat

from sipcore.errors import PeerError
from values import dataclass

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_ELEMENTS = 2000

HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]|[\ud800-\udfff]|[\ufffe-\uffff]")
"""What XML 1.0 (section 2.2) allows in no form. (As one set it takes 5 ms to compile.)"""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": " ", "\n": " ", "\r": " "}
_SPECIAL = re.compile('[&<>"\t\n\r]')


def escaped(text: str) -> str:
    """The text as content or as the value of an attribute; characters that XML forbids are dropped."""
    if not text.isprintable():  # nothing that is forbidden is
        text = _FORBIDDEN.sub("", text)
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


@dataclass(slots=True)
class Element:
    """An element that was read. Names are `namespace name`, or the name alone where it has no namespace."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def child(self, name: str) -> Element | None:
        """The first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list[Element]:
        """All children of this name."""
        return [child for child in self.children if child.name == name]

    def text_of(self, name: str) -> str:
        """The text of the first child of this name, without white space around it; empty if there is none."""
        child = self.child(name)
        return "" if child is None else child.text.strip()


def parse(data: bytes) -> Element:
    """The root element. Raises PeerError(400): malformed, too large, too deep, or with a document type."""
    if len(data) > MAX_BYTES:
        raise PeerError(f"{len(data)} bytes of XML", status=413)
    try:
        return _Reader().read(data)
    except expat.ExpatError as error:
        raise PeerError(f"no XML: {error}") from None
    except (ValueError, LookupError):  # an encoding that nobody knows, or that is none of text
        raise PeerError("XML in an unknown encoding") from None


class _Reader:
    """Builds the tree, and stops at the first thing that it refuses."""

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._root: Element | None = None
        self._elements = 0

    def read(self, data: bytes) -> Element:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse  # without one no entity can be declared
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(data, True)
        if self._root is None:
            raise PeerError("XML without an element")
        return self._root

    def _refuse(self, *_: object) -> int:
        raise PeerError("XML with a document type or entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) >= MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise PeerError("XML that is too deep or too long")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].text += text
