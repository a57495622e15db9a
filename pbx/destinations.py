"""Where a call can be sent, as values: what a forwarding rule, a DID, a key of a receptionist or a full queue leads to.

Each has a text form, in which it is configured and kept:

    extension:101        the phones of an extension; its own rules apply
    voicemail:101        a mailbox, to leave a message
    number:0612345678    wherever that leads when it is dialled here: inside, outside, or to a dial code
    uri:sip:lee@a.org    somebody who has no number, through a gateway for that scheme
    system:804           a queue, a ring group or a receptionist
    busy                 the end: 486
    end                  the end: 480

`pbx.routing.Router.lead_to` decides what becomes of one, and `Call.lead_to` does it. What a mailbox or a system number
does with a call is up to the feature that has `@feature.destination("voicemail")` (see `pbx.plugin.Feature`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from values import dataclass

_DIGITS = re.compile(r"[0-9]{1,15}")
_DIALLED = re.compile(r"\+?[0-9A-Za-z*#._-]{1,64}")
_URI = re.compile(r"[a-z][a-z0-9+.-]{0,15}:[\x21-\x7E]{1,200}")


@dataclass(frozen=True, slots=True)
class ExtensionNumber:
    """The phones of an extension."""

    number: str

    def __str__(self) -> str:
        return f"extension:{self.number}"


@dataclass(frozen=True, slots=True)
class Voicemail:
    """A mailbox."""

    mailbox: str
    """The number of its extension."""

    def __str__(self) -> str:
        return f"voicemail:{self.mailbox}"


@dataclass(frozen=True, slots=True)
class Number:
    """Wherever a string leads that is dialled here."""

    dialled: str

    def __str__(self) -> str:
        return f"number:{self.dialled}"


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody who is reached through a gateway by a URI."""

    uri: str

    @property
    def scheme(self) -> str:
        """What stands before the colon."""
        return self.uri.partition(":")[0]

    @property
    def user(self) -> str:
        """What stands behind it."""
        return self.uri.partition(":")[2]

    def __str__(self) -> str:
        return f"uri:{self.uri}"


@dataclass(frozen=True, slots=True)
class SystemNumber:
    """A queue, a ring group, or a receptionist: what `pbx.system_numbers` has under the number."""

    number: str

    def __str__(self) -> str:
        return f"system:{self.number}"


@dataclass(frozen=True, slots=True)
class End:
    """The end of the call."""

    busy: bool = False
    """Whether the caller hears the busy tone (486) for it."""

    def __str__(self) -> str:
        return "busy" if self.busy else "end"


Destination = ExtensionNumber | Voicemail | Number | Address | SystemNumber | End

_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], Destination]]] = {
    "extension": (_DIGITS, ExtensionNumber),
    "voicemail": (_DIGITS, Voicemail),
    "number": (_DIALLED, Number),
    "uri": (_URI, Address),
    "system": (_DIGITS, SystemNumber),
}


def parse(text: str) -> Destination:
    """The destination of which `text` is the `str`. Raises ValueError that says what is wrong with it."""
    if text in ("busy", "end"):
        return End(busy=text == "busy")
    kind, _, value = text.partition(":")
    if kind not in _KINDS:
        raise ValueError(
            f"should be 'busy', 'end', or begin with one of {', '.join(f'{name}:' for name in _KINDS)}"
        )
    form, destination = _KINDS[kind]
    if not form.fullmatch(value):
        raise ValueError(f"has nothing behind {kind}: that it could mean")
    return destination(value)


def parse_target(text: str) -> Destination:
    """A destination, or simply what could be dialled: an extension, a number, a dial code. Raises ValueError."""
    if ":" in text or text in ("busy", "end"):
        return parse(text)
    if not _DIALLED.fullmatch(text):
        raise ValueError(
            "should be what could be dialled, or a destination such as 'voicemail:101' or 'system:804'"
        )
    return Number(text)
