"""The registrar: which contacts an address-of-record has (RFC 3261 section 10.3, RFC 3327, RFC 5626)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from random import Random
from typing import NamedTuple

from sipcore.deadlines import Deadlines
from sipcore.errors import PeerError
from sipcore.syntax.headers import NameAddress, format_parameters
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow
from sipcore.transport.response_routing import request_flow
from values import dataclass


@dataclass(frozen=True, slots=True)
class RegistrarSettings:
    """Limits; times in seconds."""

    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 3600
    max_contacts: int = 10
    spread: float = 0.0
    """So much of what was asked for is withheld at random, so that phones that came together do not come back so."""


class Binding(NamedTuple):
    """One contact of an address-of-record, and the flow to reach it by."""

    aor: str
    contact: Uri
    flow: Flow
    expires_at: float
    q: float = 1.0
    instance: str | None = None
    """`+sip.instance` (RFC 5626 section 4.1)."""
    reg_id: str | None = None
    path: tuple[NameAddress, ...] = ()
    call_id: str = ""
    cseq: int = 0
    user_agent: str = ""

    def same_contact(self, other: Binding) -> bool:
        """Whether `other` replaces this binding: the same phone's flow, or else the same URI."""
        if self.instance and other.instance and self.reg_id and other.reg_id:
            return (self.instance, self.reg_id) == (other.instance, other.reg_id)
        return self.contact == other.contact or self.contact.matches(other.contact)

    def same_phone(self, other: Binding) -> bool:
        """Whether both seem to be of one phone: it says so, or it is one of the same make at the same address."""
        if self.instance or other.instance:
            return self.instance == other.instance
        same_make = bool(self.user_agent) and self.user_agent == other.user_agent
        return same_make and self.flow.host == other.flow.host


class Change(Enum):
    """What became of a binding."""

    ADDED = "added"
    REMOVED = "removed"
    """The phone took it back."""
    REPLACED = "replaced"
    EXPIRED = "expired"
    FLOW_CLOSED = "flow-closed"


@dataclass(frozen=True, slots=True)
class BindingChange:
    """A binding that came or went; a refresh is no change."""

    change: Change
    binding: Binding


class RegisterResult(NamedTuple):
    """How a REGISTER is answered, and what it changed."""

    status: int
    headers: list[tuple[str, str]]
    """Those of the response that are not the same in any (RFC 3261 section 8.2.6)."""
    changes: tuple[BindingChange, ...] = ()


Said = tuple[str | None, ...]
"""All of a REGISTER that a binding is made of, but its flow, time and CSeq."""


class _Latest(NamedTuple):
    """The REGISTER that made the only binding there is; one that says the same makes it last longer, and no more."""

    said: Said
    flow: Flow
    asked: int
    """The seconds that it asked for, as far as they are granted to anybody."""
    before: str
    after: str
    """The Contact of the answer, but the seconds."""


class _Record:
    """The bindings of one address-of-record."""

    __slots__ = ("aor", "bindings", "latest")

    def __init__(self, aor: str) -> None:
        self.aor = aor
        self.bindings: list[Binding] = []
        self.latest: _Latest | None = None

    @property
    def deadline(self) -> float | None:
        """When the next of them expires."""
        bindings = self.bindings
        if len(bindings) == 1:
            return bindings[0].expires_at
        return min((binding.expires_at for binding in bindings), default=None)


class Registrar:
    """All bindings. An update is made whole or not at all."""

    def __init__(self, settings: RegistrarSettings, random: Random | None = None) -> None:
        """`random` is needed where the settings spread what is granted."""
        self._settings = settings
        self._random = random
        self._records: dict[str, _Record] = {}
        self.deadlines: Deadlines[_Record] = Deadlines()
        """When each address loses its next binding."""

    def register(self, request: Request, aor: str, flow: Flow, now: float) -> RegisterResult:
        """Process an admitted REGISTER for `aor`. What is wrong with it becomes the response."""
        said = said_by(request)
        contact = None if said is None else self.refresh(said, request.cseq_number, aor, flow, now)
        if contact is not None:
            return RegisterResult(200, [("Contact", contact)])
        try:
            return self._register(request, said, aor, flow, now)
        except PeerError as error:
            headers = [("Min-Expires", str(self._settings.min_expires))] if error.status == 423 else []
            return RegisterResult(error.status, headers)

    def refresh(self, said: Said, cseq: int, aor: str, flow: Flow, now: float) -> str | None:
        """What `register` does where nothing but the time is new, as it is nearly always; the Contact of the answer.

        None for all else, which changes nothing.
        """
        record = self._records.get(aor)
        if record is None or (latest := record.latest) is None or latest.said != said or latest.flow != flow:
            return None
        (old,) = record.bindings
        if old.expires_at <= now or cseq <= old.cseq:
            return None
        seconds = self._spread(latest.asked)
        aor, contact, way, _, q, instance, reg_id, path, call_id, _, agent = old
        new = Binding(aor, contact, way, now + seconds, q, instance, reg_id, path, call_id, cseq, agent)
        record.bindings = [new]
        if new.expires_at < old.expires_at:
            self.deadlines.watch(record)
        return f"{latest.before}{seconds}{latest.after}"

    def bindings(self, aor: str, now: float) -> list[Binding]:
        """The contacts that have not expired: highest q first, and the newest first among equals."""
        record = self._records.get(aor)
        if record is None:
            return []
        bindings = record.bindings
        if len(bindings) == 1:
            return bindings.copy() if bindings[0].expires_at > now else []
        live = [binding for binding in reversed(bindings) if binding.expires_at > now]
        return sorted(live, key=lambda binding: -binding.q)

    def restore(self, bindings: Iterable[Binding], now: float) -> tuple[BindingChange, ...]:
        """Take up what was registered before a restart; bindings of one address in the order in which they came."""
        changes = []
        for binding in bindings:
            if binding.expires_at > now:
                record = self._records.get(binding.aor) or _Record(binding.aor)
                self._store(record, [*record.bindings, binding])
                changes.append(BindingChange(Change.ADDED, binding))
        return tuple(changes)

    def remove(self, aor: str) -> tuple[BindingChange, ...]:
        """Remove all bindings of an address that is served no more."""
        record = self._records.get(aor)
        if record is None:
            return ()
        gone = record.bindings
        self._store(record, [])
        return tuple(BindingChange(Change.REMOVED, binding) for binding in gone)

    def expire(self, now: float) -> tuple[BindingChange, ...]:
        """Remove what has expired."""
        changes: list[BindingChange] = []
        while (record := self.deadlines.due(now)) is not None:
            expired, live = _split(record.bindings, now)
            self._store(record, live)
            changes += expired
        return tuple(changes)

    def flow_closed(self, flow: Flow) -> tuple[BindingChange, ...]:
        """Remove what can only be reached over a connection that is gone."""
        changes: list[BindingChange] = []
        for record in list(self._records.values()):
            gone = [binding for binding in record.bindings if binding.flow == flow]
            if gone:
                self._store(record, [binding for binding in record.bindings if binding.flow != flow])
                changes += [BindingChange(Change.FLOW_CLOSED, binding) for binding in gone]
        return tuple(changes)

    def next_deadline(self) -> float | None:
        """When `expire` wants to be called."""
        return self.deadlines.next()

    # -- one REGISTER -----------------------------------------------------------------------------------

    def _register(
        self, request: Request, said: Said | None, aor: str, flow: Flow, now: float
    ) -> RegisterResult:
        record = self._records.get(aor) or _Record(aor)
        expired, current = _split(record.bindings, now)
        wanted: list[Binding] = []
        if request.contact_star:
            updated, changes = self._remove_all(request, current)
        else:
            contacts = request.contacts
            if len(contacts) > 2 * self._settings.max_contacts:  # more than all go and as many come
                raise PeerError("too many contacts", status=403)
            wanted = [self._binding(request, aor, contact, flow, now) for contact in contacts]
            updated, changes = self._update(request, current, wanted, now)
        self._store(record, updated)
        if said is not None and len(updated) == len(wanted) == 1 and updated[0] is wanted[0]:
            asked = self._granted(request, request.contacts[0].parameter("expires"))
            record.latest = _Latest(said, flow, asked, *_contact_value(wanted[0]))
        return RegisterResult(200, _accepted(request, updated, now), (*expired, *changes))

    def _remove_all(
        self, request: Request, current: list[Binding]
    ) -> tuple[list[Binding], list[BindingChange]]:
        if request.expires != 0 or len(request.get_all("Contact")) != 1:
            raise PeerError("Contact: * goes with Expires: 0 alone")
        for binding in current:
            _check_order(request, binding)
        return [], [BindingChange(Change.REMOVED, binding) for binding in current]

    def _binding(self, request: Request, aor: str, contact: NameAddress, flow: Flow, now: float) -> Binding:
        """What one Contact asks for. Raises PeerError(423) if that is too brief."""
        parameters = {
            name: value or "" for name, value in reversed(contact.parameters)
        }  # the first of a name counts
        first = request.first
        return Binding(
            aor,
            contact.uri,
            request_flow(request, contact.uri, flow),
            now + self._lifetime(request, parameters.get("expires")),
            _quality(parameters["q"]) if "q" in parameters else 1.0,
            parameters.get("+sip.instance"),
            parameters.get("reg-id"),
            tuple(request.paths) if "Path" in first else (),
            request.call_id,
            request.cseq_number,
            first.get("User-Agent", "")[:200],
        )

    def _lifetime(self, request: Request, text: str | None) -> int:
        """Seconds (section 10.2.1.1), where a Contact has `text` as its own; 0 removes the binding."""
        return self._spread(self._granted(request, text))

    def _granted(self, request: Request, text: str | None) -> int:
        if text is None:
            asked = request.expires
        else:
            asked = int(text) if text.isdecimal() and text.isascii() and len(text) < 11 else None
        if asked is None:
            asked = self._settings.default_expires
        if asked == 0:
            return 0
        if asked < self._settings.min_expires:
            raise PeerError("interval too brief", status=423)
        return min(asked, self._settings.max_expires)

    def _spread(self, seconds: int) -> int:
        """A little less, but not less than the least that may be asked for."""
        if self._random is None or seconds == 0:
            return seconds
        share = 1 - self._settings.spread * self._random.random()
        return max(self._settings.min_expires, int(seconds * share))

    def _update(
        self, request: Request, current: list[Binding], wanted: Sequence[Binding], now: float
    ) -> tuple[list[Binding], list[BindingChange]]:
        updated, changes = list(current), []
        for new in wanted:
            old = _find(updated, new)
            if old is not None:
                if old in current:  # otherwise this REGISTER names it twice, and the last one counts
                    _check_order(request, old)
                updated.remove(old)
            if new.expires_at > now:
                updated.append(new)
            changes += _changes(old, new, now)
        while len(updated) > self._settings.max_contacts:
            left = _left_behind(updated, wanted)
            if left is None:
                raise PeerError("too many contacts", status=403)
            updated.remove(left)
            changes.append(BindingChange(Change.REPLACED, left))
        return updated, changes

    def _store(self, record: _Record, bindings: list[Binding]) -> None:
        record.bindings = bindings
        record.latest = None
        if bindings:
            self._records[record.aor] = record
            self.deadlines.watch(record)
        else:
            self._records.pop(record.aor, None)
            self.deadlines.forget(record)


def _split(bindings: list[Binding], now: float) -> tuple[list[BindingChange], list[Binding]]:
    """What has expired, and what has not."""
    for binding in bindings:
        if binding.expires_at <= now:
            break
    else:
        return [], bindings
    expired = [BindingChange(Change.EXPIRED, binding) for binding in bindings if binding.expires_at <= now]
    return expired, [binding for binding in bindings if binding.expires_at > now]


def _find(bindings: Iterable[Binding], new: Binding) -> Binding | None:
    """What a new binding replaces."""
    for binding in bindings:
        if binding.same_contact(new):
            return binding
    return None


def _changes(old: Binding | None, new: Binding, now: float) -> list[BindingChange]:
    if new.expires_at <= now:
        return [] if old is None else [BindingChange(Change.REMOVED, old)]
    if old is None:
        return [BindingChange(Change.ADDED, new)]
    if old.flow == new.flow and old.contact == new.contact:
        return []
    return [BindingChange(Change.REPLACED, old), BindingChange(Change.ADDED, new)]


def _left_behind(bindings: Iterable[Binding], wanted: Sequence[Binding]) -> Binding | None:
    """The oldest binding of a phone that now registers another contact, as some do from a new port each time."""
    return next(
        (old for old in bindings if old not in wanted and any(map(old.same_phone, wanted))),
        None,
    )


def _check_order(request: Request, binding: Binding) -> None:
    """Section 10.3 step 7: an older REGISTER of the same client changes nothing. Raises PeerError(500)."""
    if request.call_id == binding.call_id and request.cseq_number <= binding.cseq:
        raise PeerError("an older REGISTER", status=500)


def _quality(text: str) -> float:
    """The q of a contact, 0 to 1 in thousandths (section 20.10)."""
    try:
        quality = float(text)
    except ValueError:
        raise PeerError(f"no q value: {text[:20]!r}") from None
    if not 0 <= quality <= 1:
        raise PeerError(f"no q value: {text[:20]!r}")
    return round(quality, 3)


def _accepted(request: Request, bindings: Iterable[Binding], now: float) -> list[tuple[str, str]]:
    """The headers of a 200."""
    headers = []
    for binding in bindings:
        before, after = _contact_value(binding)
        headers.append(("Contact", f"{before}{max(0, round(binding.expires_at - now))}{after}"))
    if "Path" in request.first:
        headers += [("Path", value) for value in request.get_all("Path")] + [("Supported", "path")]
    return headers


def _contact_value(binding: Binding) -> tuple[str, str]:
    """The binding as the response lists it, before and after the seconds; what the phone sent is quoted anew."""
    before = f"<{binding.contact}>;expires="
    if binding.q == 1.0 and not binding.instance and not binding.reg_id:
        return before, ""
    parameters: list[tuple[str, str | None]] = []
    if binding.q != 1.0:
        parameters.append(("q", f"{binding.q:g}"))
    if binding.instance:
        parameters.append(("+sip.instance", binding.instance))
    if binding.reg_id:
        parameters.append(("reg-id", binding.reg_id))
    return before, format_parameters(tuple(parameters))


def said_by(request: Request) -> Said | None:
    """What a REGISTER says; None where that is more than usual."""
    first = request.first
    if not request.has_each_once() or "Path" in first or "Contact" not in first:
        return None
    return (
        first["Contact"],
        first.get("Expires"),
        first.get("User-Agent"),
        request.call_id,
        request.via.parameter("rport"),
    )
