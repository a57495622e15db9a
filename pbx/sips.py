"""Calls to `sips:` addresses: secure on every hop, or not made (RFC 3261 section 26.2.2, RFC 5630 section 3)."""

from __future__ import annotations

from sipcore.registrar.registrar import Binding
from sipcore.syntax.message import Request
from sipcore.transport.flow import Flow

NOT_ALLOWED = (480, [("Warning", '380 myphone "SIPS Not Allowed"')])
"""The answer to an INVITE for a `sips:` address that has come in the clear (RFC 5630 section 5.1.2): its caller was
promised more than there is."""


def reachable(bindings: list[Binding], invite: Request) -> list[Binding]:
    """The phones that a call may ring: for one to a `sips:` address those behind TLS."""
    if invite.uri.scheme != "sips":
        return bindings
    return [binding for binding in bindings if binding.flow.transport.secure]


def allows(invite: Request, flow: Flow) -> bool:
    """Whether a call may go on over a flow."""
    return flow.transport.secure or invite.uri.scheme != "sips"
