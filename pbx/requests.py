"""Requests outside calls: who serves those that come, and who hears of the answers to ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from sipcore.effects import Arrived, RequestInDialog, Responded
from sipcore.endpoint import Endpoint
from sipcore.net.driver import Driver
from sipcore.syntax.message import Request, Response, response_to
from sipcore.transport.flow import Flow

Handler = Callable[[Arrived], None]
Hearer = Callable[[Response], None]


class Requests:
    """A handler for each method; and for each request of ours whoever waits for its final response."""

    def __init__(self, endpoint: Endpoint, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
        self.handlers: dict[str, Handler] = {"OPTIONS": lambda arrived: self.respond(arrived, 200)}
        """Method -> who answers it, at once or later. Others get 405."""
        self._endpoint = endpoint
        self._driver = driver
        self._loop = loop
        self._waiting: dict[Any, Hearer] = {}

    def __len__(self) -> int:
        """How many of ours wait for a final response."""
        return len(self._waiting)

    def on_arrived(self, arrived: Arrived) -> None:
        """Give a request that was admitted to its handler."""
        handler = self.handlers.get(arrived.request.method)
        if handler is None:
            self.respond(arrived, 405)
        else:
            handler(arrived)

    def respond(
        self,
        effect: Arrived | RequestInDialog,
        status: int,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer a request."""
        response = response_to(effect.request, status, body=body)
        for name, value in headers:
            response.add(name, value)
        self._driver.perform(self._endpoint.respond(effect.transaction, response, self._loop.time()))

    def send(self, request: Request, flow: Flow, heard: Hearer | None = None) -> None:
        """Send a request, all but its Via; `heard` is told its final response (408, 503 where none came)."""
        transaction, effects = self._endpoint.request(request, flow, self._loop.time())
        if heard is not None:
            self._waiting[transaction] = heard
        self._driver.perform(effects)

    def on_responded(self, responded: Responded) -> None:
        """A response to a request of ours."""
        if responded.response.status >= 200:
            heard = self._waiting.pop(responded.transaction, None)
            if heard is not None:
                heard(responded.response)
