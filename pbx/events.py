"""Whatever others may watch: subscriptions, publications, message lamps, and who is told when something changes.

What has changed is noted at once and told before the loop waits again, so a step that changes much is told as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pbx.happenings import PresenceChanged
from pbx.lamps import orbit_of, own_extension, packages
from pbx.presence import ExtensionState
from sipcore.errors import PeerError
from sipcore.events import conference_info, dialog_info, message_summary, presence, registration_info
from sipcore.events.dialog_info import address
from sipcore.events.message_summary import print_messages
from sipcore.events.notifier import Notifier, NotifierSettings
from sipcore.events.presence import PresenceFacts, read_presence
from sipcore.events.publication import Publications, PublicationSettings
from sipcore.events.subscription import Lifetimes, Reason
from sipcore.registrar.registrar import Change
from sipcore.syntax.message import Request, response_to

if TYPE_CHECKING:
    from pbx.config import Events as EventsConfig
    from pbx.switch import Switch
    from sipcore.effects import Arrived, Effect
    from sipcore.registrar.registrar import Binding, BindingChange

OF_EXTENSIONS = (dialog_info.EVENT, presence.EVENT, registration_info.EVENT)
"""The packages that tell what an extension does."""


class PublishedPresence:
    """What phones may publish (`sipcore.events.publication.Compositor`)."""

    event = presence.EVENT
    content_type = presence.CONTENT_TYPE

    def __init__(self, events: Events) -> None:
        self._events = events

    def read(self, body: bytes) -> PresenceFacts:
        return read_presence(body)

    def published(self, resource: str) -> None:
        self._events.changed(resource)


class _Everybody:
    """All numbers."""

    def __contains__(self, number: object) -> bool:
        return True


_EVERYBODY = _Everybody()


class Events:
    """The event packages of one switch."""

    def __init__(self, switch: Switch, config: EventsConfig) -> None:
        self._switch = switch
        self._config = config
        lifetimes = Lifetimes(config.min_expires, config.max_expires)
        self.notifier = Notifier(
            switch.endpoint,
            NotifierSettings(lifetimes, config.max_subscriptions, config.max_per_extension),
            packages(switch),
        )
        per_extension = switch.config.sip.max_contacts
        self.publications = Publications(
            PublicationSettings(lifetimes, per_extension), PublishedPresence(self), switch.environment.rng
        )
        self._told: dict[str, ExtensionState] = {}
        """What was last told of an extension to those who listen now; nothing of one that has not changed since."""
        self._changed: dict[tuple[str, str], None] = {}
        """(package, resource) to be looked at; for extensions the package is empty."""
        self._flush: asyncio.Handle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        switch.requests.handlers |= {"SUBSCRIBE": self._subscribe, "PUBLISH": self._publish}
        switch.legs.changed, switch.legs.followed = self.changed, self.notifier.watched
        switch.happenings.on_awaited = self._follow
        self._follow()

    def live(self) -> dict[str, int]:
        """How many of everything exist."""
        return {"watchers": len(self.notifier), "publications": len(self.publications)}

    def start(self) -> None:
        """What is so at the start is not told as a change."""
        for extension in self._switch.directory if self._listened else ():
            self._told[extension.number] = self._switch.presence.of(extension.number)

    def stop(self) -> None:
        """Tell nothing any more."""
        for timer in (self._flush, self._expiry):
            if timer is not None:
                timer.cancel()

    def forget(self, number: str) -> None:
        """An extension is gone: nobody watches it any more, and its phones watch nothing."""
        effects = [
            effect
            for package in self.notifier.events
            for effect in self.notifier.withdraw(package, number, Reason.NORESOURCE, self._now)
        ]
        self._switch.driver.perform(effects + self.notifier.dismiss(number, Reason.REJECTED, self._now))
        self.publications.remove(number)
        self._told.pop(number, None)

    def dismiss(self, number: str) -> None:
        """The phones of an extension have to show again whose they are."""
        self._switch.driver.perform(self.notifier.dismiss(number, Reason.DEACTIVATED, self._now))

    # -- what changes ---------------------------------------------------------------------------------------

    def changed(self, number: str) -> None:
        """A leg, a registration or the user of an extension has changed; what that means is looked up later. Of legs
        of a trunk nothing is told."""
        if number in self._switch.legs.followed:
            self._note("", number)

    def _follow(self) -> None:
        """Somebody listens to what all extensions do, or nobody any more: then only those are followed that have
        lamps. Most calls are of others, and nothing need be done for them."""
        if not self._listened:
            self._switch.legs.followed = self.notifier.watched
        elif self._switch.legs.followed is not _EVERYBODY:
            self._switch.legs.followed = _EVERYBODY
            self._told.clear()

    @property
    def _listened(self) -> bool:
        return self._switch.happenings.wanted(PresenceChanged)

    def orbit_changed(self, orbit: str) -> None:
        """Something was parked at an orbit, or fetched: tell all who watch one of its codes."""
        for code in self.notifier.resources(dialog_info.EVENT):
            if orbit_of(self._switch, code) == orbit:
                self._note(dialog_info.EVENT, code)

    def conference_changed(self, conference: str) -> None:
        """Somebody came to a conference, or left it; with the last it ends, for those who watch it too."""
        self._note(conference_info.EVENT, conference)

    def mailbox_changed(self, number: str) -> None:
        """Messages came, were heard or deleted."""
        self._note(message_summary.EVENT, number)
        self._tell_contacts(number, self._switch.registrar.bindings(number, self._now))

    def note(self, changes: Sequence[BindingChange]) -> None:
        """Bindings have changed: a phone that has moved takes its subscriptions along."""
        for old, new in pairwise(changes):
            if (old.change, new.change) == (Change.REPLACED, Change.ADDED):
                self.notifier.move(new.binding.aor, old.binding.flow, new.binding.flow)

    def registered(self, binding: Binding) -> None:
        """A phone is new: its message lamp may be wrong."""
        if self._switch.mailboxes.known(binding.aor):
            self._tell_contacts(binding.aor, [binding])

    def _note(self, event: str, resource: str) -> None:
        self._changed[event, resource] = None
        if self._flush is None:
            self._flush = self._switch.loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._flush = None
        changed, self._changed = self._changed, {}
        effects: list[Effect] = []
        for event, resource in changed:
            if not event and self._listened:
                self._tell_presence(resource)
            if not self.notifier.watches(resource):
                continue
            for package in (event,) if event else OF_EXTENSIONS:
                effects += self.notifier.changed(package, resource, self._now)
            if event == conference_info.EVENT and resource not in self._switch.rosters:
                effects += self.notifier.withdraw(event, resource, Reason.NORESOURCE, self._now)
        self._switch.driver.perform(effects)

    def _tell_presence(self, number: str) -> None:
        extension = self._switch.directory.find(number)
        if extension is None or extension.number != number:  # a trunk may be named as somebody's SIP ID
            return
        state = self._switch.presence.of(number)
        if state == self._told.get(number):
            return
        self._told[number] = state
        self._switch.happenings.tell(
            PresenceChanged(
                at=self._switch.environment.wall(),
                extension=number,
                state=state.display.value,
                colour=state.display.colour,
                status=state.status.value,
                line=state.line.value,
                note=state.note,
            )
        )

    # -- message lamps without a subscription (RFC 3842 section 4.1) ------------------------------------------

    def _tell_contacts(self, number: str, bindings: Iterable[Binding]) -> None:
        """Send the counts to phones that registered and did not ask for them, as most do."""
        if not self._config.unsolicited_mwi:
            return
        asked = {
            subscription.flow for subscription in self.notifier.subscriptions(message_summary.EVENT, number)
        }
        for binding in bindings:
            if binding.flow not in asked:
                self._switch.requests.send(self._unsolicited(number, binding), binding.flow)

    def _unsolicited(self, number: str, binding: Binding) -> Request:
        host = self._switch.nat.addresses.signalling(binding.flow).host
        account = address(number, host)
        document = print_messages(account, self._switch.mailboxes.get(number)).full
        identifiers = self._switch.endpoint.identifiers
        headers = [
            ("Max-Forwards", "70"),
            *(("Route", str(route)) for route in binding.path),
            ("From", f"<{account}>;tag={identifiers.tag()}"),
            ("To", f"<{account}>"),
            ("Call-ID", identifiers.call_id()),
            ("CSeq", "1 NOTIFY"),
            *self._switch.endpoint.local_headers(binding.flow, number),
            ("Event", message_summary.EVENT),
            ("Subscription-State", "active"),
            ("Content-Type", document.content_type),
        ]
        return Request("NOTIFY", binding.contact, headers, document.head)

    # -- requests -------------------------------------------------------------------------------------------

    def _subscribe(self, arrived: Arrived) -> None:
        self._switch.driver.perform(self.notifier.subscribe(arrived, self._now))

    def _publish(self, arrived: Arrived) -> None:
        request = arrived.request
        try:
            number = own_extension(self._switch, request, arrived.identity)
        except PeerError as error:
            response = response_to(request, error.status)
        else:
            response = self.publications.publish(request, number, self._now)
        self._switch.driver.perform(self._switch.endpoint.respond(arrived.transaction, response, self._now))
        self._arm_expiry()

    def _arm_expiry(self) -> None:
        """Wake up when the next publication expires."""
        due = self.publications.deadline
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = None if due is None else self._switch.loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.publications.tick(self._now)
        self._arm_expiry()

    @property
    def _now(self) -> float:
        return self._switch.loop.time()
