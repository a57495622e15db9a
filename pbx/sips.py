"""Calls to `sips:` addresses: secure on every hop, or not made (RFC 3261 section 26.2.2, RFC 5630 section 3)."""

from __future__ import annotations

from sipcore.registrar.registrar import Binding
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Flow

NOT_ALLOWED = (480, [("Warning", '380 myphone "SIPS Not Allowed"')])
"""The answer to an INVITE for a `sips:` address that has come in the clear (RFC 5630 section 5.1.2): its caller was
promised more than there is."""


def secure(bindings: list[Binding]) -> list[Binding]:
    """The phones that a call to a `sips:` address may ring: those behind TLS."""
    return [binding for binding in bindings if binding.flow.transport.secure]


def allows(uri: Uri, flow: Flow) -> bool:
    """Whether a call to that address may go on over a flow."""
    return flow.transport.secure or uri.scheme != "sips"
