"""All that a feature may import.

A feature is a module with coroutines over calls, found through the entry-point group `myphone.features`:

    feature = Feature("echo")

    @feature.dial("*777", summary="Hear yourself")
    async def echo(call: Call) -> None: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar

from media.prompts import spoken
from media.prompts import tokens as prompts
from pbx import destinations, happenings, intercoms, parking, pickup, reception, ring_groups, statuses
from pbx.announcing import refuse_aloud
from pbx.call import Call
from pbx.call_back import way_back
from pbx.dial_table import DialCode, DialTableError, Handler, Pattern
from pbx.directory_search import folded
from pbx.mailboxes import Draft, Mailbox, MailboxError, MailboxFull
from pbx.own_codes import dialler
from pbx.refused import Refused
from pbx.sign_in import PinNotAllowed, TooManyTries, is_outside
from pbx.store.errors import StoreUnavailable
from pbx.store.voicemails import Message
from pbx.system_numbers import Service
from pbx.voice import Voice

if TYPE_CHECKING:
    # For the annotations of features.
    from pbx.reception_settings import Menu as Menu
    from pbx.reception_settings import Receptionist as Receptionist
    from pbx.switch import Switch as Switch

__all__ = [
    "Call",
    "Draft",
    "Feature",
    "Mailbox",
    "MailboxError",
    "MailboxFull",
    "Message",
    "PinNotAllowed",
    "PluginError",
    "Refused",
    "StoreUnavailable",
    "TooManyTries",
    "Voice",
    "destinations",
    "dialler",
    "folded",
    "happenings",
    "intercoms",
    "is_outside",
    "load_features",
    "parking",
    "pickup",
    "prompts",
    "reception",
    "refuse_aloud",
    "ring_groups",
    "spoken",
    "statuses",
    "way_back",
]

GROUP = "myphone.features"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Coroutine = TypeVar("_Coroutine", bound=Callable[..., Awaitable[None]])
_Start = TypeVar("_Start", bound="Callable[[Switch], Awaitable[None]]")


class PluginError(Exception):
    """A plug-in that cannot be used; the message names it and says what to do."""


class Feature:
    """One thing that people use, and the codes under which they reach it."""

    def __init__(self, name: str) -> None:
        """`name` (snake_case) is what the feature is called in `[dial_codes]` and in logs."""
        if not _NAME.fullmatch(name):
            raise PluginError(f"feature name {name!r}: use small letters, digits and underscores")
        self.name = name
        self.codes: list[DialCode] = []
        """With the patterns that the feature proposes; the configuration may replace each."""
        self.numbers: dict[str, Handler] = {}
        """Numbers of the system that the feature serves, by their names in `[numbers]`."""
        self.destinations: dict[str, Service] = {}
        """What the feature does with calls that are led to a destination, by its kind."""
        self.starts: list[Callable[[Switch], Awaitable[None]]] = []
        """What it does when the system starts."""

    def __repr__(self) -> str:
        return f"Feature({self.name!r})"

    def number(self, name: str, *, summary: str) -> Callable[[_Coroutine], _Coroutine]:
        """Have the decorated coroutine function serve the calls to the number that `[numbers]` has under `name`.

        It is called with the call, which ends when it returns. Raises PluginError.
        """

        def register(function: _Coroutine) -> _Coroutine:
            if name in self.numbers:
                raise PluginError(f"feature {self.name} serves the {name} number twice")
            self.numbers[name] = self._code(
                "0", function, summary
            ).handler  # like any number: without placeholders
            return function

        return register

    def dial(self, pattern: str, *, summary: str) -> Callable[[_Coroutine], _Coroutine]:
        """Have the decorated coroutine function serve the calls to `pattern` (see `pbx.dial_table`).

        It is called with the call and, by name, the digits dialled for each placeholder; the call ends
        when it returns. A placeholder that may be missing needs a default. Raises PluginError where the
        pattern is wrong or does not go with the function.
        """

        def register(function: _Coroutine) -> _Coroutine:
            self.codes.append(self._code(pattern, function, summary))
            return function

        return register

    def destination(self, kind: str, *, summary: str) -> Callable[[_Coroutine], _Coroutine]:
        """Have the decorated coroutine function serve the calls that are led to destinations of a kind, by a rule, a
        key, or because their number was dialled.

        `kind` is "voicemail" (`pbx.destinations.Voicemail`), or a word of the feature's own such as "queue", under
        which numbers are entered in `pbx.system_numbers`. The function is called with the call and, by the name of
        its one other parameter, the number of the mailbox, or that of the queue; the call ends when it returns. The
        caller may have been answered before; `call.trail` has the extensions and system numbers that sent the call
        here, the latest last. With `await call.lead_to(destination)` it sends the call on. Raises PluginError.
        """

        def register(function: _Coroutine) -> _Coroutine:
            _, *parameters = inspect.signature(function).parameters.values()
            if len(parameters) != 1:
                raise PluginError(
                    f"feature {self.name}: {function.__name__} should take the call and one number"
                )
            if kind in self.destinations:
                raise PluginError(f"feature {self.name} serves the kind {kind} twice")
            handler = Handler(self.name, function.__name__, function, summary)
            self.destinations[kind] = Service(handler, parameters[0].name)
            return function

        return register

    def start(self, function: _Start) -> _Start:
        """Have the decorated coroutine function called with the switch before the first call comes: the place to enter
        numbers (`pbx.system_numbers`) and to subscribe to happenings. What it raises stops the start."""
        self.starts.append(function)
        return function

    def _code(self, pattern: str, function: Callable[..., Awaitable[None]], summary: str) -> DialCode:
        """Raises PluginError where pattern and function do not go together, or the name is taken."""
        handler = Handler(self.name, function.__name__, function, summary)
        taken = {code.handler.name for code in self.codes} | {other.name for other in self.numbers.values()}
        if handler.name in taken:
            raise PluginError(f"feature {self.name} has two handlers named {handler.name}")
        try:
            code = DialCode(Pattern.parse(pattern), handler)
            code.check_arguments()
        except DialTableError as error:
            raise PluginError(f"feature {self.name}: {error}") from error
        return code


def load_features(group: str = GROUP) -> tuple[Feature, ...]:
    """Import every installed feature, ours and those of others alike, ordered by name.

    Raises PluginError naming the plug-in that cannot be imported, is no `Feature`, or has another's name.
    """
    found: dict[str, tuple[Feature, EntryPoint]] = {}
    for entry_point in entry_points(group=group):
        feature = _load(entry_point)
        if feature.name in found:
            both = f"{_origin(found[feature.name][1])} and {_origin(entry_point)}"
            raise PluginError(f"two plug-ins are named {feature.name}: {both}; remove one")
        found[feature.name] = feature, entry_point
    return tuple(feature for _, (feature, _) in sorted(found.items()))


def _load(entry_point: EntryPoint) -> Feature:
    try:
        feature = entry_point.load()
    except (Exception, SystemExit) as error:  # whatever the module of a third party may do on import
        what = f"{type(error).__name__}: {error}"
        where = _origin(entry_point)
        raise PluginError(f"plug-in {where} cannot be loaded: {what}; repair or remove it") from error
    if not isinstance(feature, Feature):
        raise PluginError(f"plug-in {_origin(entry_point)} is no Feature but a {type(feature).__name__}")
    return feature


def _origin(entry_point: EntryPoint) -> str:
    """Where a plug-in comes from, for which the description of its package has to be read."""
    package = f" of {entry_point.dist.name}" if entry_point.dist else ""
    return f"{entry_point.name}{package} ({entry_point.value})"
