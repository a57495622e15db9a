"""Messages that have been read as usual: what each layer looks at lies in slots.

All other messages work it out on first use (`sipcore.syntax.message`), and a look at that costs several times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sipcore.syntax.headers import NameAddress, Named
from sipcore.syntax.message import Message, Request, Response, Slots
from sipcore.syntax.remember import kept

_tagged = NameAddress.tagged
Class = TypeVar("Class", bound=type)


def _in_slots(*names: str) -> Callable[[Class], Class]:
    """Have these values lie in slots, from where they are read at once, not worked out on first use."""

    def decorate(kind: Class) -> Class:
        for name in names:
            setattr(kind, name, vars(Slots)[name])
        return kind

    return decorate


_ALWAYS = ("_head", "branch", "call_id", "cseq_number", "first", "to_tag")


class _Usual(Message):
    """A message that has been read as usual, with each header field on one line of its own.

    Whoever reads it stores what lies in slots. Once it is changed it is a message like any other.
    """

    __init__ = object.__init__
    _like_any_other: type[Message]
    _recipient: Named | None
    """Display name and URI of To; None where `to` is known already."""

    @kept
    def to(self) -> NameAddress:
        """To."""
        assert self._recipient is not None, "else it is there"
        return _tagged(self._recipient, self.to_tag)

    def _changed(self, name: str) -> None:
        headers, first, call_id = self.headers, self.first, self.call_id
        self.__class__ = self._like_any_other  # type: ignore[assignment]
        self.headers, self.first, self.call_id = headers, first, call_id
        self._changed(name)


@_in_slots(*_ALWAYS, "asks_for_rport", "from_tag", "sent_by", "uri")
class UsualRequest(_Usual, Request):
    """A request that has been read as usual."""

    _like_any_other = Request
    _sender: Named | None
    """The same of From."""

    @kept
    def from_(self) -> NameAddress:
        """From."""
        assert self._sender is not None, "else it is there"
        return _tagged(self._sender, self.from_tag)

    def replace_via(self, via: str) -> None:
        """As for any other; nearly always `rport` is given its value, and all else stays as it was."""
        first = self.first
        if self.asks_for_rport and self._head is not None and via.startswith(f"{first['Via']}="):
            first["Via"], self._bytes, self.asks_for_rport = via, None, False
            self.__dict__.pop("via", None)
            self.__dict__.pop("vias", None)
        else:
            self._changed("Via")
            self.replace_via(via)


@_in_slots(*_ALWAYS, "cseq_method", "sole_via")
class UsualResponse(_Usual, Response):
    """A response that has been read as usual."""

    _like_any_other = Response
