"""The notifier: which packages there are, and who is subscribed to what (RFC 6665 section 4.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from sipcore.errors import PeerError
from sipcore.events.document import Printed
from sipcore.events.subscription import Lifetimes, Reason, Subscription, event_of
from sipcore.syntax.headers import split_values
from sipcore.syntax.message import Request, response_to
from values import dataclass

if TYPE_CHECKING:
    from sipcore.effects import Arrived, Effect
    from sipcore.endpoint import Endpoint
    from sipcore.transport.flow import Flow

RETRY_AFTER_SECONDS = 10, 30
"""Those who are turned away come back at a moment between these."""


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """Limits."""

    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    max_subscriptions: int = 50_000
    max_per_identity: int = 500
    """What all the phones of one extension may have together."""
    max_waiting: int = 5000
    """While so many NOTIFYs wait for their answers there is too much to do, and nobody new is let in."""


class Package(Protocol):
    """One event package, and where its states come from."""

    event: str
    content_type: str

    def resource(self, request: Request, identity: str) -> str:
        """What a SUBSCRIBE of `identity` is about. Raises PeerError(403 or 404)."""

    def state(self, resource: str) -> Any:
        """The state of this moment; equal values are not told twice."""

    def print(self, resource: str, host: str, state: Any, before: Any | None) -> Printed:
        """The state as a document for those who call us `host`; `before` is what was told last, if anything was."""


class Topic:
    """The state of one resource in one package, and those who want to know it and call us by the same host."""

    __slots__ = (
        "_host",
        "_notifier",
        "_package",
        "_resource",
        "_state",
        "printed",
        "revision",
        "subscriptions",
    )

    def __init__(self, notifier: Notifier, package: Package, resource: str, host: str) -> None:
        self.subscriptions: dict[Subscription, None] = {}  # in order: same seed, same trace
        self.revision = 0
        self._notifier = notifier
        self._package = package
        self._resource = resource
        self._host = host
        self._state = package.state(resource)
        self.printed = package.print(resource, host, self._state, None)

    @property
    def lifetimes(self) -> Lifetimes:
        """How long subscriptions may last."""
        return self._notifier.settings.lifetimes

    def look(self) -> bool:
        """Print the state anew if it has changed; whether it has."""
        state = self._package.state(self._resource)
        if state == self._state:
            return False
        self.printed = self._package.print(self._resource, self._host, state, self._state)
        self._state = state
        self.revision += 1
        return True

    def discard(self, subscription: Subscription) -> None:
        """A subscription is over."""
        del self.subscriptions[subscription]
        self._notifier.ended(subscription, (self._package.event, self._resource), self._host)

    def waiting(self, change: int) -> None:
        """So many NOTIFYs more, or less, wait for their answers."""
        self._notifier.waiting += change


class Notifier:
    """All subscriptions. A state is printed once a change, however many are told of it."""

    def __init__(self, endpoint: Endpoint, settings: NotifierSettings, packages: Iterable[Package]) -> None:
        self.settings = settings
        self.waiting = 0
        """NOTIFYs that wait for their answers."""
        self._endpoint = endpoint
        self._packages = {package.event: package for package in packages}
        self._topics: dict[tuple[str, str], dict[str, Topic]] = {}
        """(package, resource) -> host -> topic."""
        self.watched: Counter[str] = Counter()
        """In how many packages a resource is watched."""
        self._per_identity: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        """How many subscriptions there are."""
        return self._count

    @property
    def events(self) -> tuple[str, ...]:
        """The packages by name."""
        return tuple(self._packages)

    def subscribe(self, arrived: Arrived, now: float) -> list[Effect]:
        """Serve a SUBSCRIBE outside any dialog that the gate has admitted."""
        try:
            return self._subscribe(arrived, now)
        except PeerError as error:
            response = response_to(arrived.request, error.status, headers=self._explained(error.status))
            return self._endpoint.respond(arrived.transaction, response, now)

    def changed(self, event: str, resource: str, now: float) -> list[Effect]:
        """The state of a resource may have changed: tell those who watch it."""
        effects: list[Effect] = []
        for topic in list(self._topics.get((event, resource), {}).values()):
            if topic.look():
                for subscription in list(topic.subscriptions):
                    effects += subscription.notify(now)
        return effects

    def watches(self, resource: str) -> bool:
        """Whether anybody watches a resource, in whatever package."""
        return resource in self.watched

    def withdraw(self, event: str, resource: str, reason: Reason, now: float) -> list[Effect]:
        """The resource is no more, or may not be watched: end its subscriptions."""
        effects: list[Effect] = []
        for subscription in self.subscriptions(event, resource):
            effects += subscription.end(reason, now)
        return effects

    def dismiss(self, identity: str, reason: Reason, now: float) -> list[Effect]:
        """Nobody of this identity may watch anything any more: end its subscriptions."""
        effects: list[Effect] = []
        if identity in self._per_identity:
            for event, resource in list(self._topics):
                for subscription in self.subscriptions(event, resource):
                    if subscription.identity == identity:
                        effects += subscription.end(reason, now)
        return effects

    def subscriptions(self, event: str, resource: str) -> list[Subscription]:
        """Those that a resource has."""
        topics = self._topics.get((event, resource), {}).values()
        return [subscription for topic in topics for subscription in topic.subscriptions]

    def move(self, identity: str, old: Flow, new: Flow) -> None:
        """A phone of `identity` has said that it is reached by another flow now: its subscriptions follow, but not to
        one that others can read."""
        if old.transport.secure and not new.transport.secure:
            return
        for usage in self._endpoint.usages_on(old):
            if isinstance(usage, Subscription) and usage.identity == identity:
                usage.move(new)

    def resources(self, event: str) -> list[str]:
        """What is watched in a package."""
        return [resource for package, resource in self._topics if package == event]

    def ended(self, subscription: Subscription, key: tuple[str, str], host: str) -> None:
        """A subscription is over; a topic that nobody watches is forgotten."""
        self._count -= 1
        self._per_identity[subscription.identity] -= 1
        if not self._per_identity[subscription.identity]:
            del self._per_identity[subscription.identity]
        topics = self._topics[key]
        if not topics[host].subscriptions:
            del topics[host]
        if not topics:
            del self._topics[key]
            self.watched[key[1]] -= 1
            if not self.watched[key[1]]:
                del self.watched[key[1]]

    # -- one SUBSCRIBE ----------------------------------------------------------------------------------

    def _subscribe(self, arrived: Arrived, now: float) -> list[Effect]:
        request, identity = arrived.request, arrived.identity
        package = self._package(request)
        resource = package.resource(request, identity)
        seconds = self.settings.lifetimes.grant(request.expires, self._endpoint.random)
        full = self._count >= self.settings.max_subscriptions or self.waiting >= self.settings.max_waiting
        if full or self._endpoint.stopping:
            raise PeerError("too many subscriptions, or too many at once", status=503)
        if self._per_identity[identity] >= self.settings.max_per_identity:
            raise PeerError("too many subscriptions of one extension", status=403)
        key, host = (package.event, resource), request.uri.host
        topic = self._topics.get(key, {}).get(host) or Topic(self, package, resource, host)
        tag = self._endpoint.identifiers.tag()
        subscription = Subscription(self._endpoint, topic, request, arrived.flow, identity, tag)
        if key not in self._topics:
            self._topics[key] = {}
            self.watched[resource] += 1
        self._topics[key][host] = topic
        topic.subscriptions[subscription] = None
        self._count += 1
        self._per_identity[identity] += 1
        return subscription.start(arrived.transaction, seconds, now)

    def _package(self, request: Request) -> Package:
        """Raises PeerError(489, 406)."""
        package = self._packages.get(event_of(request)[0])
        if package is None:
            raise PeerError("an unknown event package", status=489)
        values = [value for line in request.get_all("Accept") for value in split_values(line)]
        accepted = {value.partition(";")[0].strip().lower() for value in values}
        if accepted and not {package.content_type, "*/*", "application/*"} & accepted:
            raise PeerError(f"{package.content_type} is not accepted", status=406)
        return package

    def _explained(self, status: int) -> list[tuple[str, str]]:
        """What a refusal tells beside its status."""
        if status == 489:
            return [("Allow-Events", ", ".join(self._packages))]
        if status == 423:
            return [("Min-Expires", str(self.settings.lifetimes.min_expires))]
        if status == 503:
            return [("Retry-After", str(self._endpoint.random.randint(*RETRY_AFTER_SECONDS)))]
        return []
