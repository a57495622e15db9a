"""Where we are to be reached, as Via and Contact say it: the same in nearly all messages to a peer, so written once."""

from __future__ import annotations

from functools import lru_cache

from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Transport


@lru_cache(1024)
def sent_by(transport: Transport, address: Address) -> str:
    """How a Via of ours begins."""
    return f"SIP/2.0/{transport.via_name} {address}"


@lru_cache(1024)  # one for each user who calls or is called
def contact(transport: Transport, address: Address, user: str, scheme: str) -> str:
    """A Contact of ours, with a `scheme` as secure as the transport is."""
    secure = scheme == "sips" and transport.secure  # then TLS goes without saying (RFC 5630 section 3.1.1)
    plain = secure or transport is Transport.UDP
    parameters = () if plain else (("transport", transport.via_name.lower()),)
    host, port = address
    return f"<{Uri('sips' if secure else 'sip', user or None, host=host, port=port, parameters=parameters)}>"
