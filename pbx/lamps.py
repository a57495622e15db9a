"""The event packages of the switch: what may be watched, by whom, and what is told (RFC 6665).

Each reads the truth where it is: `pbx.presence`, the legs, the registrar, the mailboxes, the conferences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.dial_table import dialled_string
from pbx.leg import LegState
from sipcore.dialog.callee import CalleeSession
from sipcore.errors import PeerError
from sipcore.events import conference_info, dialog_info, message_summary, presence, registration_info
from sipcore.events.conference_info import Participant, print_conference
from sipcore.events.dialog_info import DialogFact, DialogState, Party, address, print_dialogs
from sipcore.events.document import Printed
from sipcore.events.message_summary import Messages, print_messages
from sipcore.events.notifier import Package
from sipcore.events.presence import PresenceFacts, print_presence
from sipcore.events.registration_info import print_registration

if TYPE_CHECKING:
    from pbx.directory import Extension
    from pbx.leg import Leg
    from pbx.parking import Parked
    from pbx.switch import Switch
    from sipcore.syntax.message import Request

PARKING = "parking"
"""The feature whose codes name orbits."""
MAX_TEXT = 100
"""Of what callers and carriers say of themselves: a document has to fit a datagram."""

_STATES = {
    LegState.NEW: DialogState.TRYING,
    LegState.RINGING: DialogState.EARLY,
    LegState.ANSWERED: DialogState.CONFIRMED,
}


def packages(switch: Switch) -> list[Package]:
    """All that can be subscribed to."""
    return [
        DialogPackage(switch),
        PresencePackage(switch),
        MessagePackage(switch),
        RegistrationPackage(switch),
        ConferencePackage(switch),
    ]


def watched_extension(switch: Switch, request: Request) -> Extension:
    """The extension that a request is about. Raises PeerError(404)."""
    extension = switch.directory.find(request.uri.user or "")
    if extension is None:
        raise PeerError("no such extension", status=404)
    return extension


def own_extension(switch: Switch, request: Request, identity: str) -> str:
    """The number of the extension that a request is about, which has to be the sender's. Raises PeerError(403, 404)."""
    number = watched_extension(switch, request).number
    if number != identity:
        raise PeerError("another's", status=403)
    return number


def orbit_of(switch: Switch, dialled: str) -> str | None:
    """The orbit that a code of the parking feature is about: keys have one number, to watch and to dial."""
    found = switch.dial_table.match(dialled)
    if found is None or found[0].feature != PARKING or list(found[1]) != ["orbit"]:
        return None
    return found[1]["orbit"]


class DialogPackage:
    """Lamps: the calls of extensions, and of park orbits (RFC 4235). Every extension may watch every other."""

    event = dialog_info.EVENT
    content_type = dialog_info.CONTENT_TYPE

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def resource(self, request: Request, identity: str) -> str:
        dialled = dialled_string(request.uri)
        known = orbit_of(self._switch, dialled) is not None
        return dialled if known else watched_extension(self._switch, request).number

    def state(self, resource: str) -> tuple[DialogFact, ...]:
        """One dialog for each call: phones that ring together count as one."""
        orbit = orbit_of(self._switch, resource)
        if orbit is not None:
            return tuple(self._parked(resource, parked) for parked in self._switch.parking.at(orbit))
        by_call: dict[str, Leg] = {}
        for leg in sorted(self._switch.legs.of(resource), key=_furthest_first):
            if leg.alerts or leg.engaged:
                by_call.setdefault(leg.call_id, leg)
        return tuple(self._fact(resource, leg) for leg in by_call.values())

    def print(
        self, resource: str, host: str, state: tuple[DialogFact, ...], before: tuple[DialogFact, ...] | None
    ) -> Printed:
        return print_dialogs(resource, host, state, before)

    def _fact(self, number: str, leg: Leg) -> DialogFact:
        session = leg.session
        dialog = None if session is None else session.dialog
        initiator = isinstance(session, CalleeSession)
        own = self._switch.directory.find(number)
        return DialogFact(
            leg.call_id,
            _STATES[leg.state],
            initiator,
            Party(number, own.full_name if own else ""),
            self._other_end(leg, initiator),
            "" if dialog is None else dialog.call_id,
            "" if dialog is None else dialog.remote_tag,
            "" if dialog is None else dialog.local_tag,
        )

    def _parked(self, resource: str, parked: Parked) -> DialogFact:
        caller = parked.call.caller
        party = Party(caller.number[:MAX_TEXT], caller.full_name[:MAX_TEXT])
        return DialogFact(parked.call.id, DialogState.CONFIRMED, False, Party(resource), party)

    def _other_end(self, leg: Leg, initiator: bool) -> Party:
        peer = None if leg.conversation is None else leg.conversation.peer_of(leg).party
        call = self._switch.calls.get(leg.call_id)
        if peer is None and call is not None:
            peer = self._switch.directory.find(call.dialled) if initiator else call.caller
        if peer is not None:
            return Party(peer.number[:MAX_TEXT], peer.full_name[:MAX_TEXT])
        return Party(call.dialled[:MAX_TEXT] if call is not None else "")


def _furthest_first(leg: Leg) -> tuple[bool, int]:
    return leg.state is not LegState.ANSWERED, leg.stream


class PresencePackage:
    """What users and their phones do, as a presence document (RFC 3856)."""

    event = presence.EVENT
    content_type = presence.CONTENT_TYPE

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def resource(self, request: Request, identity: str) -> str:
        return watched_extension(self._switch, request).number

    def state(self, resource: str) -> PresenceFacts:
        return self._switch.presence.of(resource).facts

    def print(self, resource: str, host: str, state: PresenceFacts, before: object) -> Printed:
        return print_presence(address(resource, host), state)


class MessagePackage:
    """Message lamps (RFC 3842), each for the owner of the mailbox alone."""

    event = message_summary.EVENT
    content_type = message_summary.CONTENT_TYPE

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def resource(self, request: Request, identity: str) -> str:
        """Phones subscribe to their own address, or to the number of voicemail."""
        if request.uri.user == self._switch.config.numbers.voicemail:
            return identity
        return own_extension(self._switch, request, identity)

    def state(self, resource: str) -> Messages:
        return self._switch.mailboxes.get(resource)

    def print(self, resource: str, host: str, state: Messages, before: object) -> Printed:
        return print_messages(address(resource, host), state)


class RegistrationPackage:
    """Where an extension is registered (RFC 3680), for the extension itself alone."""

    event = registration_info.EVENT
    content_type = registration_info.CONTENT_TYPE

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def resource(self, request: Request, identity: str) -> str:
        return own_extension(self._switch, request, identity)

    def state(self, resource: str) -> tuple[str, ...]:
        bindings = self._switch.registrar.bindings(resource, self._switch.loop.time())
        return tuple(str(binding.contact) for binding in bindings)

    def print(self, resource: str, host: str, state: tuple[str, ...], before: object) -> Printed:
        return print_registration(address(resource, host), state)


class ConferencePackage:
    """Who is in a conference (RFC 4575), which is watched by its ID."""

    event = conference_info.EVENT
    content_type = conference_info.CONTENT_TYPE

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def resource(self, request: Request, identity: str) -> str:
        conference = request.uri.user or ""
        if conference not in self._switch.rosters:
            raise PeerError("no such conference", status=404)
        return conference

    def state(self, resource: str) -> tuple[Participant, ...]:
        return self._switch.rosters.get(resource)

    def print(self, resource: str, host: str, state: tuple[Participant, ...], before: object) -> Printed:
        return print_conference(resource, host, state)
