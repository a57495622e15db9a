"""What messages of ours that begin a dialog, or change one, say about us: the same in nearly all, so written once."""

from __future__ import annotations

from collections.abc import Sequence

from sipcore.syntax.message import HeaderList, print_fields
from sipcore.syntax.remember import MAX_CHARACTERS, Recent
from sipcore.transport.flow import Address, Transport
from sipcore.transport.our_addresses import contact


class AboutUs:
    """Contact, Allow, Supported and User-Agent of one endpoint (RFC 3261 sections 13.2.1 and 13.3.1)."""

    def __init__(self, methods: Sequence[str], server: str) -> None:
        self.allow = ", ".join(methods)
        self.supported = "replaces, timer" if "REFER" in methods else "timer"
        self._server = server
        self._printed: Recent[tuple[Transport, Address, str, str, str], str] = Recent(1024)

    def headers(
        self, transport: Transport, address: Address, user: str, scheme: str, more: str = ""
    ) -> HeaderList:
        """With a Contact as secure as `scheme` and `transport` are; `more` is supported in front of all else."""
        written = contact if len(user) <= MAX_CHARACTERS else contact.__wrapped__
        return [
            ("Contact", written(transport, address, user, scheme)),
            ("Allow", self.allow),
            ("Supported", more + self.supported),  # on one line
            ("User-Agent", self._server),
        ]

    def fields(
        self, transport: Transport, address: Address, user: str, scheme: str, more: str = ""
    ) -> str:
        """The same, printed."""
        key = transport, address, user, scheme, more
        fields = self._printed[key]
        if fields is None:
            fields = print_fields(self.headers(*key))
            if len(user) <= MAX_CHARACTERS:
                self._printed.keep(key, fields)
        return fields
