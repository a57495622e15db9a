"""What happened, as frozen facts: told once, to whoever listens (API, lamps, call records, web hooks).

Facts hold plain values only, never a live object, so that they can be stored and sent elsewhere.
Times are wall time in UTC, `seconds` are durations.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, KeysView
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, overload

from values import dataclass, maker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Root of all facts."""

    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `kind` is the class name in snake_case, times are RFC 3339, Enums their value."""
        return {"kind": _snake_case(type(self).__name__)} | {
            field.name: _plain(getattr(self, field.name)) for field in fields(self)
        }


# -- calls -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Happening):
    """A caller's INVITE was admitted."""

    call: str
    caller: str
    callee: str
    """What was dialled."""
    internal: bool
    """Whether caller and callee belong to this system, as far as is known at the start."""
    caller_name: str = ""
    trunk: str = ""
    """Through which the caller came; empty for an extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRouted(Happening):
    """It was decided where the call goes, or goes next."""

    call: str
    sought: tuple[str, ...]
    """The extensions whom the call was for on the way there, by number, in order."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRang(Happening):
    """The phones of an extension, or somebody outside, began to ring for the call."""

    call: str
    extension: str
    """Its number, or the number outside."""
    trunk: str = ""
    """Through which somebody outside was called; empty for an extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Happening):
    """The call was answered by an extension, by somebody outside, or by the feature behind a dial code."""

    call: str
    by: str
    trunk: str = ""
    """Through which somebody outside was called; empty for all others."""
    feature: str = ""
    """The feature that has answered; empty for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConnected(Happening):
    """The party that is served talks to somebody from now on; told of each, so also after a transfer."""

    call: str
    to: str
    """The number of who has answered."""
    trunk: str = ""
    """Through which somebody outside was called; empty for an extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferred(Happening):
    """One party of the call has left it, and another one has come in its place."""

    call: str
    by: str
    """The number of who has left."""
    party: str
    """The number of who was transferred."""
    to: str
    """The number, or the dial code, that has answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParked(Happening):
    """A party of the call waits in an orbit. It leaves it by `CallRetrieved` or `CallEnded`."""

    call: str
    orbit: str
    by: str
    """The number of who has parked it."""
    party: str
    """The number of who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetrieved(Happening):
    """A parked party has left its orbit."""

    call: str
    orbit: str
    by: str
    """The number of who has taken it, or of who had parked it and is called again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBlocked(Happening):
    """An extension has the caller on its black list; the call ends. It has not missed it."""

    call: str
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingChanged(Happening):
    """A user has set something else for the calls to the extension: a form, or the black list."""

    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Happening):
    """The call is over; no more is told of it but how it sounded."""

    call: str
    reason: str
    """Why, in words: "Busy Here", or what a feature refused the call with."""
    status: int
    """The final response that the caller got; 200 if the call was answered."""
    seconds: float
    """From the start to the end."""
    talk_seconds: float = 0.0
    """From the answer to the end; 0 if nobody answered."""
    internal: bool = True
    """Whether everybody in it, and whoever was called for it, belonged to this system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuality(Happening):
    """How a leg of a call sounded, told after the call has ended, leg by leg as their streams closed (`at`).

    Loss is 0 to 1, MOS 1 (bad) to 4.4 (ITU-T G.107, of this leg's way alone). None: nothing was heard of it.
    """

    call: str
    extension: str
    """Its number, or the name of the trunk."""
    packets: int
    """That came from the phone."""
    loss: float | None
    """Of what the phone sent."""
    jitter_ms: float | None
    mos: float | None
    """Of what came from the phone."""
    sent: int
    """Packets to the phone."""
    remote_loss: float | None
    """Of what we sent, as the phone's reports have it; and so on."""
    remote_jitter_ms: float | None
    remote_mos: float | None
    round_trip_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecorded(Happening):
    """A conversation was recorded; the file is whole."""

    call: str
    extension: str
    """Whose recording it is."""
    path: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFault(Happening):
    """A conversation is not recorded, or no further; it goes on."""

    call: str
    extension: str
    path: str
    problem: str


class AudioDirection(Enum):
    """A way that sound goes."""

    FROM_PHONE = "from"
    TO_PHONE = "to"
    BOTH = "from and to"


class AudioCause(Enum):
    """Why sound does not arrive, most likely."""

    PRIVATE_ADDRESS = "private-address"
    """The phone wrote a private address, and has not been heard from its real one."""
    NOTHING_RECEIVED = "nothing-received"
    """A firewall, most of the time."""
    OTHER_ADDRESS = "other-address"
    """Sound comes from where nobody said it would: it is not let in."""
    SRTP_KEYS = "srtp-keys"
    OTHER_CODEC = "other-codec"
    NOT_HEARD = "not-heard"
    """By its own reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWayAudio(Happening):
    """A call has been answered, and sound goes one way only between us and one of its phones."""

    call: str
    extension: str
    """Its number, or the name of the trunk."""
    direction: AudioDirection
    """The one without sound."""
    cause: AudioCause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAudio(Happening):
    """A call has been answered, and no sound goes between us and one of its phones."""

    call: str
    extension: str
    direction: AudioDirection
    cause: AudioCause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWentOut(Happening):
    """Somebody outside is called for the call; told of each trunk that is tried."""

    call: str
    trunk: str
    number: str
    """E.164 where it has such a form."""
    caller_id: str
    """The number that the carrier was asked to show; what it does show is its affair. Empty: none."""
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCallRefused(Happening):
    """A call to the outside was not allowed, by a rule, a country or a limit."""

    call: str
    caller: str
    number: str
    reason: str


# -- queues ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQueued(Happening):
    """The party that a call serves waits in a queue. `CallLeftQueue` follows."""

    call: str
    queue: str
    caller: str
    caller_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallWithdrawn(Happening):
    """An agent's phones ring no more for a caller who waits on, and the agent has not missed the call: another one has
    accepted it, or the agent another call, or has logged out."""

    call: str
    queue: str
    agent: str


class QueueLeft(Enum):
    """Why a caller waits no more."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    DIVERTED = "diverted"
    """By somebody who could."""
    FULL = "full"
    NO_AGENT = "no agent"
    TOO_LONG = "too long"
    CLOSED = "closed"
    """The queue is there no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLeftQueue(Happening):
    """A caller waits no more."""

    call: str
    queue: str
    reason: QueueLeft
    waited_seconds: float
    agent: str = ""
    """The number of who has answered; empty where nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLogin(Happening):
    """An agent has logged in to a queue, or out of it."""

    queue: str
    extension: str
    logged_in: bool


# -- trunks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkUp(Happening):
    """A trunk works: it is registered, and answers where it is asked."""

    trunk: str
    port: int
    round_trip_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkDown(Happening):
    """A trunk does not work, or not yet."""

    trunk: str
    port: int
    reason: str


# -- extensions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRegistered(Happening):
    """A contact of the extension is new: a phone has registered."""

    extension: str
    contact: str
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionAdded(Happening):
    """There is one more extension."""

    extension: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionChanged(Happening):
    """Something of an extension was changed: its name, how calls to it are handled, what its phones log in with."""

    extension: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRemoved(Happening):
    """An extension is gone, and with it its calls and registrations."""

    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesChanged(Happening):
    """Tables of the configuration were changed as a whole: groups, trunks, rules, office hours."""

    tables: tuple[str, ...]


class Unregistration(Enum):
    """Why a contact is gone."""

    REMOVED = "removed"
    """The phone took it back."""
    EXPIRED = "expired"
    REPLACED = "replaced"
    """The same phone registered from elsewhere (RFC 5626 section 6)."""
    FLOW_CLOSED = "flow-closed"
    """The connection to the phone broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionUnregistered(Happening):
    """A contact of the extension is gone."""

    extension: str
    contact: str
    reason: Unregistration


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(Happening):
    """An extension is in another state (`pbx.presence`), or its user says something else."""

    extension: str
    state: str
    """The one of six that is shown: ringing, external_call, internal_call, away, not_registered, available."""
    colour: str
    status: str
    """What the user says: available or away."""
    line: str
    """What the phones do: not_registered, idle, ringing, internal_call or external_call."""
    note: str


# -- messages --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Happening):
    """An extension has sent a message to another one (RFC 3428), and its phones have taken it, or it is kept."""

    sender: str
    receiver: str
    content_type: str
    text: str
    """What people read; empty for what is no plain text."""
    delivered: bool
    """False: it waits for the receiver's next registration; `MessageDelivered` follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(Happening):
    """A message that had been kept has been taken."""

    sender: str
    receiver: str
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailLeft(Happening):
    """Somebody has left a voice message; it is kept."""

    mailbox: str
    message: str
    """Its id."""
    caller: str
    """Empty where the number is withheld."""
    caller_name: str
    seconds: float


# -- the system ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateExpires(Happening):
    """Our certificate expires within 30, 7 or 1 days, or has expired: told once for each."""

    file: str
    expires: datetime


# -- what each call tells, made quickly (`values.maker`) ---------------------------------------------------

call_started = maker(CallStarted)
call_routed = maker(CallRouted)
call_rang = maker(CallRang)
call_answered = maker(CallAnswered)
call_connected = maker(CallConnected)
call_ended = maker(CallEnded)
call_quality = maker(CallQuality)


# -- telling ---------------------------------------------------------------------------------------

Kind = TypeVar("Kind", bound=Happening)
Handler = Callable[[Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    """Has an identity of its own: the same handler may be subscribed twice."""

    handler: Handler


class Happenings:
    """Tells facts to subscribers, synchronously and in the order of subscription."""

    def __init__(self) -> None:
        self._handlers: dict[type[Happening] | None, tuple[_Subscription, ...]] = {}
        self.awaited: KeysView[type[Happening] | None] = self._handlers.keys()
        """The classes of facts that somebody waits for; None among them: for all."""
        self.on_awaited: Callable[[], None] = lambda: None
        """Called when these are others than before."""
        self._told: dict[type[Happening], tuple[Handler, ...]] = {}
        """Who is told a fact of a class, those who hear everything included; as found for the first of them."""

    @overload
    def subscribe(self, kind: None, handler: Callable[[Happening], None]) -> Callable[[], None]: ...
    @overload
    def subscribe(self, kind: type[Kind], handler: Callable[[Kind], None]) -> Callable[[], None]: ...
    def subscribe(self, kind: type[Happening] | None, handler: Handler) -> Callable[[], None]:
        """Have `handler` called with every fact of exactly this class (None: with every fact).

        Returns what ends the subscription; ending it twice is harmless. A handler must not wait, and
        what it raises is logged and hurts nobody else.
        """
        subscription, before = _Subscription(handler), self._handlers.get(kind, ())
        self._handlers[kind] = (*before, subscription)
        self._told.clear()
        if not before:
            self.on_awaited()

        def unsubscribe() -> None:
            self._told.clear()
            left = tuple(other for other in self._handlers.get(kind, ()) if other is not subscription)
            if left:
                self._handlers[kind] = left
            elif self._handlers.pop(kind, None) is not None:
                self.on_awaited()

        return unsubscribe

    def wanted(self, kind: type[Happening]) -> bool:
        """Whether anybody would hear of a fact of this class: some cost more to find out than to tell."""
        return kind in self.awaited or None in self.awaited

    def tell(self, happening: Happening) -> None:
        """Tell a fact: first those who wait for its kind, then those who hear everything."""
        try:
            handlers = self._told[happening.__class__]
        except KeyError:
            handlers = self._find(happening.__class__)
        for handler in handlers:
            try:
                handler(happening)
            except Exception:
                logger.exception("a listener failed to take %s", happening)

    def _find(self, kind: type[Happening]) -> tuple[Handler, ...]:
        told = (*self._handlers.get(kind, ()), *self._handlers.get(None, ()))
        handlers = self._told[kind] = tuple([subscription.handler for subscription in told])
        return handlers


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
