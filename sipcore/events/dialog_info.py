"""Dialog state (RFC 4235): which calls an extension or a park orbit has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum

from sipcore.errors import PeerError
from sipcore.events.document import Document, Printed
from sipcore.events.xml import HEADER, Element, escaped, parse
from sipcore.syntax.uri import Uri
from values import dataclass

EVENT = "dialog"
CONTENT_TYPE = "application/dialog-info+xml"
NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
MAX_FULL_BYTES = 800
"""A full document above that is not sent for every change: with its headers it would outgrow a datagram."""


class DialogState(Enum):
    """Section 3.7.1, the most settled first."""

    CONFIRMED = "confirmed"
    EARLY = "early"
    PROCEEDING = "proceeding"
    TRYING = "trying"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


_ORDER = {state: rank for rank, state in enumerate(DialogState)}


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a dialog: the user part of its address, and a name to show."""

    user: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class DialogFact:
    """One dialog, as the observed side sees it: `local` is the observed user, `remote` the other end."""

    id: str
    state: DialogState
    initiator: bool
    """Whether the observed side made the call."""
    local: Party
    remote: Party
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    """With both tags and the Call-ID a phone can take the call over (Replaces, RFC 3891)."""


@dataclass(frozen=True, slots=True)
class DialogInfo:
    """A document that was read."""

    version: int
    full: bool
    entity: str
    dialogs: tuple[DialogFact, ...]


def print_dialogs(
    user: str, host: str, dialogs: Sequence[DialogFact], before: Sequence[DialogFact] | None = None
) -> Printed:
    """The dialogs of a user at `host`, and if they are many what has changed since they were `before`.

    An idle entity is told by one terminated dialog. An empty document would mean the same, but there are phones
    that leave a lamp as it was then (Kamailio's `force_dummy_dialog` is there for them).
    """
    idle = DialogFact("idle", DialogState.TERMINATED, False, Party(user), Party(""))
    full = _document(user, host, "full", sorted(dialogs, key=_rank) or [idle])
    if before is None or len(full.head) + len(full.tail or b"") <= MAX_FULL_BYTES:
        return Printed(full)
    return Printed(full, _document(user, host, "partial", _changes(before, dialogs)))


def _rank(dialog: DialogFact) -> tuple[int, str]:
    """What phones show that look at one dialog only comes first."""
    return _ORDER[dialog.state], dialog.id


def _changes(before: Iterable[DialogFact], dialogs: Sequence[DialogFact]) -> list[DialogFact]:
    known, present = set(before), {dialog.id for dialog in dialogs}
    gone = [replace(dialog, state=DialogState.TERMINATED) for dialog in known if dialog.id not in present]
    return sorted([dialog for dialog in dialogs if dialog not in known] + gone, key=_rank)


def _document(user: str, host: str, state: str, dialogs: Iterable[DialogFact]) -> Document:
    head = f'{HEADER}<dialog-info xmlns="{NAMESPACE}" version="'
    listed = "".join([_dialog(dialog, host) for dialog in dialogs])
    tail = f'" state="{state}" entity="{escaped(address(user, host))}">\n{listed}</dialog-info>\n'
    return Document(CONTENT_TYPE, head.encode(), tail.encode())


def _dialog(dialog: DialogFact, host: str) -> str:
    attributes = {"id": dialog.id, "call-id": dialog.call_id}
    attributes |= {"local-tag": dialog.local_tag, "remote-tag": dialog.remote_tag}
    ends = ""
    if dialog.state is not DialogState.TERMINATED:
        attributes["direction"] = "initiator" if dialog.initiator else "recipient"
        ends = _end("local", dialog.local, host) + _end("remote", dialog.remote, host)
    written = "".join([f' {name}="{escaped(value)}"' for name, value in attributes.items() if value])
    return f"<dialog{written}><state>{dialog.state.value}</state>{ends}</dialog>\n"


def _end(which: str, party: Party, host: str) -> str:
    uri, name = escaped(address(party.user, host)), f' display="{escaped(party.name)}"' if party.name else ""
    return f'<{which}><identity{name}>{uri}</identity><target uri="{uri}"/></{which}>'


def address(user: str, host: str) -> str:
    """The SIP URI of a user at this host."""
    return str(Uri("sip", user or "anonymous", host=host))


# -- reading -------------------------------------------------------------------------------------------


def read_dialogs(data: bytes) -> DialogInfo:
    """Raises PeerError(400)."""
    root = parse(data)
    version, state = root.attributes.get("version", ""), root.attributes.get("state")
    if root.name != _named("dialog-info") or not _is_number(version) or state not in ("full", "partial"):
        raise PeerError("no dialog information")
    dialogs = tuple(_read_dialog(element) for element in root.all(_named("dialog")))
    return DialogInfo(int(version), state == "full", root.attributes.get("entity", ""), dialogs)


def _read_dialog(element: Element) -> DialogFact:
    values = element.attributes
    try:
        state = DialogState(element.text_of(_named("state")))
    except ValueError:
        raise PeerError("a dialog in an unknown state") from None
    return DialogFact(
        values.get("id", ""),
        state,
        values.get("direction") == "initiator",
        _read_party(element, "local"),
        _read_party(element, "remote"),
        values.get("call-id", ""),
        values.get("local-tag", ""),
        values.get("remote-tag", ""),
    )


def _read_party(element: Element, which: str) -> Party:
    end = element.child(_named(which))
    identity = None if end is None else end.child(_named("identity"))
    if identity is None:
        return Party("")
    return Party(Uri.parse(identity.text.strip()).user or "", identity.attributes.get("display", ""))


def _named(name: str) -> str:
    return f"{NAMESPACE} {name}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11
