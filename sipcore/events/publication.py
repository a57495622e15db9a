"""Published event state (RFC 3903): what phones say of their users, until it expires."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from sipcore.deadlines import Deadlines
from sipcore.errors import PeerError
from sipcore.events.subscription import Lifetimes, event_of
from sipcore.syntax.message import Request, Response, response_to
from values import dataclass

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class PublicationSettings:
    """Limits."""

    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    max_per_resource: int = 10
    """As many as an extension may have phones."""


class Compositor(Protocol):
    """Whoever knows what may be published, and makes one state of all that is."""

    event: str
    content_type: str

    def read(self, body: bytes) -> Any:
        """What a body says. Raises PeerError(400)."""

    def published(self, resource: str) -> None:
        """What is published for a resource has changed."""


@dataclass(eq=False, slots=True)
class _Publication:
    resource: str
    etag: str
    state: Any
    deadline: float


class Publications:
    """All publications of one package."""

    def __init__(self, settings: PublicationSettings, compositor: Compositor, random: Random) -> None:
        self._settings = settings
        self._compositor = compositor
        self._random = random
        self._by_resource: dict[str, dict[str, _Publication]] = {}
        self._deadlines: Deadlines[_Publication] = Deadlines()

    def __len__(self) -> int:
        """How many publications there are."""
        return len(self._deadlines)

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        return self._deadlines.next()

    def states(self, resource: str) -> list[Any]:
        """What is published for a resource, the latest last."""
        published = self._by_resource.get(resource)
        return [publication.state for publication in published.values()] if published else []

    def publish(self, request: Request, resource: str, now: float) -> Response:
        """Process an admitted PUBLISH (section 6). What is wrong with it becomes the response."""
        try:
            return self._publish(request, resource, now)
        except PeerError as error:
            return response_to(request, error.status, headers=self._explained(error.status))

    def remove(self, resource: str) -> None:
        """The resource is no more."""
        for publication in list(self._by_resource.get(resource, {}).values()):
            self._deadlines.forget(publication)
            self._strike(publication)

    def tick(self, now: float) -> None:
        """Remove what has expired."""
        while (publication := self._deadlines.due(now)) is not None:
            self._strike(publication)
            self._compositor.published(publication.resource)

    # -- one PUBLISH ------------------------------------------------------------------------------------

    def _publish(self, request: Request, resource: str, now: float) -> Response:
        if event_of(request)[0] != self._compositor.event:
            raise PeerError("an event package that cannot be published", status=489)
        known, state = self._matched(request, resource), self._state(request)
        seconds = self._settings.lifetimes.grant(request.expires, self._random)
        if known is None and state is None:
            raise PeerError("nothing to publish")
        if known is None and len(self._by_resource.get(resource, ())) >= self._settings.max_per_resource:
            raise PeerError("too many publications", status=403)
        if known is not None:
            self._deadlines.forget(known)
            self._strike(known)
            state = known.state if state is None else state
        etag = f"{self._random.getrandbits(64):x}"
        if seconds:
            publication = _Publication(resource, etag, state, now + seconds)
            self._by_resource.setdefault(resource, {})[etag] = publication
            self._deadlines.watch(publication)
        self._compositor.published(resource)
        return response_to(request, 200, headers=[("SIP-ETag", etag), ("Expires", str(seconds))])

    def _matched(self, request: Request, resource: str) -> _Publication | None:
        """The publication that SIP-If-Match names. Raises PeerError(412) if it is not there (any more)."""
        etag = request.get("SIP-If-Match")
        if etag is None:
            return None
        known = self._by_resource.get(resource, {}).get(etag)
        if known is None:
            raise PeerError("no such publication", status=412)
        return known

    def _state(self, request: Request) -> Any:
        """What the body says; None if there is none (a refresh). Raises PeerError(400, 415)."""
        if not request.body:
            return None
        encoding = (request.get("Content-Encoding") or "identity").lower()
        if request.content_type != self._compositor.content_type or encoding != "identity":
            raise PeerError(f"a body of type {request.content_type}", status=415)
        return self._compositor.read(request.body)

    def _strike(self, publication: _Publication) -> None:
        """Take a publication off the books, but for its deadline."""
        others = self._by_resource[publication.resource]
        del others[publication.etag]
        if not others:
            del self._by_resource[publication.resource]

    def _explained(self, status: int) -> list[tuple[str, str]]:
        return {
            415: [("Accept", self._compositor.content_type)],
            423: [("Min-Expires", str(self._settings.lifetimes.min_expires))],
            489: [("Allow-Events", self._compositor.event)],
        }.get(status, [])
