"""Keeps the way to phones behind a NAT open: most routers close it after half a minute without a packet.

Over UDP the phone is asked by OPTIONS, for many routers count only what leaves the phone's network (RFC 4787 REQ-6).
Over a connection an empty line does (RFC 5626 section 4.4.1), and less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from sipcore.dialog.dialog import MAX_FORWARDS
from sipcore.registrar.registrar import Binding, BindingChange, Change
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.identifiers import Identifiers
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from sipcore.transport.framing import PONG

if TYPE_CHECKING:
    from pbx.requests import Requests
    from sipcore.net.driver import Driver

STREAM_SECONDS = 120.0
"""Routers keep a connection longer than the way of a datagram (RFC 5382 REQ-5)."""


class KeepAlive:
    """One timer for each binding that has a NAT before it."""

    def __init__(self, seconds: float, requests: Requests, driver: Driver, random: Random) -> None:
        """`seconds` between two requests over UDP; 0 for none at all."""
        self._seconds = seconds
        self._requests = requests
        self._driver = driver
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """How many bindings are kept alive."""
        return len(self._timers)

    def note(self, changes: Iterable[BindingChange]) -> None:
        """See which bindings have come or gone."""
        for change in changes:
            binding = change.binding
            timer = self._timers.pop((binding.aor, str(binding.contact)), None)
            if timer is not None:
                timer.cancel()
            if change.change is Change.ADDED and self._seconds and _behind_nat(binding):
                self._wait(binding)

    def stop(self) -> None:
        """Keep nothing open any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _wait(self, binding: Binding) -> None:
        seconds = STREAM_SECONDS if binding.flow.transport.reliable else self._seconds
        spread = seconds * (0.8 + 0.2 * self._random.random())  # phones that came together do not stay so
        key = binding.aor, str(binding.contact)
        self._timers[key] = self._loop.call_later(spread, self._keep, binding)

    def _keep(self, binding: Binding) -> None:
        if binding.flow.transport.reliable:
            self._driver.send_keep_alive(binding.flow, PONG)
        else:
            self._requests.send(self._options(binding), binding.flow)
        self._wait(binding)

    def _options(self, binding: Binding) -> Request:
        identifiers = Identifiers(self._random)
        us = NameAddress(None, Uri("sip", None, host=self._driver.endpoint.advertised(binding.flow).host), ())
        headers = [
            ("Max-Forwards", str(MAX_FORWARDS)),
            *(("Route", str(route)) for route in binding.path),
            ("From", str(us.with_tag(identifiers.tag()))),
            ("To", f"<{binding.contact}>"),
            ("Call-ID", identifiers.call_id()),
            ("CSeq", "1 OPTIONS"),
        ]
        return Request("OPTIONS", binding.contact, headers)


def _behind_nat(binding: Binding) -> bool:
    """Whether the phone believes to be somewhere else than where its packets come from."""
    return not binding.path and binding.contact.host != binding.flow.host
