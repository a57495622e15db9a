"""Who can be called: extensions, by number and by SIP ID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from enum import Enum

from sipcore.registrar.digest import Credentials
from sipcore.registrar.gate import Account
from values import dataclass


class BusyDetection(Enum):
    """What makes an extension busy."""

    PBX = "pbx"
    """One call of the extension, ringing or established, makes the next one busy."""
    PHONE = "phone"
    """The phone itself decides, by answering 486."""


class RecordCalls(Enum):
    """Which calls of an extension are recorded without being asked for."""

    NONE = "none"
    EXTERNAL = "external"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Diversions:
    """Numbers that calls go on to; None where the call ends with its natural result instead."""

    always: str | None = None
    busy: str | None = None
    no_answer: str | None = None
    not_registered: str | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """One user: a number, a name, and how calls to it are handled."""

    number: str
    first_name: str = ""
    last_name: str = ""
    sip_id: str = ""
    """An alternative user part: `sip:ext100@...` reaches extension 100."""
    outbound_caller_id: str = ""
    """The number that external calls show; the extension's own number where empty."""
    withhold_number: bool = False
    """Whether external calls show nobody's number at all."""
    no_answer_seconds: float = 60.0
    busy_detection: BusyDetection = BusyDetection.PBX
    record_calls: RecordCalls = RecordCalls.NONE
    language: str = ""
    """What the system says to it, "en" or "fr"; empty: the language of the system."""
    diversions: Diversions = field(default_factory=Diversions)
    credentials: Credentials | None = field(default=None, repr=False)
    """Digest HA1 values; None for an extension that no phone may register."""

    full_name: str = field(init=False, repr=False, compare=False)
    """First and last name; empty if the extension has neither."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "full_name", f"{self.first_name} {self.last_name}".strip())

    def caller_id(self, *, external: bool) -> str:
        """The number that calls of this extension show at the other end."""
        return (self.outbound_caller_id if external else "") or self.number


class Directory:
    """The extensions of one system."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.edition = 0
        """Another one when there are others."""
        self._by_address: dict[str, Extension] = {}
        self._extensions: dict[str, Extension] = {}
        self._accounts: dict[str, Account] = {}
        self.replace(extensions)

    def replace(self, extensions: Iterable[Extension]) -> None:
        """From now on there are these; one that is the same as before stays the same object."""
        self.edition += 1
        before, self._by_address = self._extensions, {}
        self._extensions = {
            extension.number: _same(before.get(extension.number), extension) for extension in extensions
        }
        for extension in self._extensions.values():
            if extension.sip_id:
                self._by_address[extension.sip_id.lower()] = extension
        self._by_address |= self._extensions  # a number wins over another extension's SIP ID
        self._accounts = {
            address: Account(extension.number, extension.credentials, extension.sip_id)
            for address, extension in self._by_address.items()
            if extension.credentials is not None
        }

    def find(self, address: str) -> Extension | None:
        """The extension with this number or SIP ID (any letter case), or None."""
        return self._by_address.get(address) or self._by_address.get(address.lower())

    def account(self, username: str) -> Account | None:
        """What a phone of `find`'s extension registers with; None where there is none that it may register at."""
        if username not in self._by_address:
            username = username.lower()
        return self._accounts.get(username)

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._extensions.values())

    def __len__(self) -> int:
        return len(self._extensions)


def _same(before: Extension | None, now: Extension) -> Extension:
    return before if before is not None and before == now else now
