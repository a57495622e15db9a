"""The way back to whoever sent a request: for responses, kept in its Via (RFC 3261 section 18.2, RFC 3581), and for
requests of our own."""

from __future__ import annotations

from sipcore.syntax.headers import Via
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport

DEFAULT_PORT = 5060
_RPORT = ";rport"


def stamp_via(request: Request, flow: Flow) -> None:
    """Add `received` where the sender is not who it says, and fill in `rport` where it asks for that."""
    via, (host, port) = request.via, flow.remote
    wants_port = via.parameter("rport") is not None
    if not wants_port and via.host == host:
        return
    kept = [pair for pair in via.parameters if pair[0] not in ("received", "rport")]
    dropped = len(via.parameters) - len(kept)
    if wants_port:
        kept.append(("rport", str(port)))
    kept.append(("received", host))
    stamp = f"{_RPORT}{flow.seen}" if wants_port else f";received={host}"
    plain = _write(request.first.get("Via", ""), dropped, stamp)
    request.replace_via(plain or str(Via(via.transport, via.host, via.port, tuple(kept))))


def way_back(request: Request, flow: Flow) -> tuple[Flow, str]:
    """`response_flow`, and the first line of Via as `stamp_via` leaves it, whether that is done here or not."""
    if request.asks_for_rport:  # as nearly all write it
        return flow, f"{request.first['Via']}{flow.seen}"
    stamp_via(request, flow)
    return response_flow(request, flow), request.first["Via"]


def _write(text: str, dropped: int, stamp: str) -> str | None:
    """The stamped Via, by a change of its text; None where that is not plain, and the values are to be written."""
    if dropped > 1 or '"' in text or "," in text:
        return None
    bare = text
    if dropped:
        bare = text[: -len(_RPORT)] if text.endswith(_RPORT) else text.replace(f"{_RPORT};", ";", 1)
        if bare == text:
            return None
    return bare + stamp


def response_flow(request: Request, flow: Flow) -> Flow:
    """The flow for the responses to a request: its own, but for a UDP client that never asked for `rport`,
    which listens at the port it wrote (section 18.2.2)."""
    via = request.via
    if flow.transport is not Transport.UDP or via.parameter("rport") is not None:
        return flow
    port = via.port or DEFAULT_PORT
    if port == flow.remote.port:
        return flow
    return Flow(flow.transport, flow.local, Address(flow.host, port))


def request_flow(request: Request, contact: Uri, flow: Flow) -> Flow:
    """The flow for requests of ours to the sender, who is to be reached at `contact`: the one that it came by, for
    where a NAT stands between us nothing else leads back (RFC 5626 section 5.3).

    But a UDP client that asks for no `rport`, and names its own host in the Contact, need not listen where it sends.
    """
    if flow.transport is not Transport.UDP or request.via.parameter("rport") is not None:
        return flow
    port = contact.port or DEFAULT_PORT
    if contact.host != flow.host or port == flow.remote.port:
        return flow
    return Flow(flow.transport, flow.local, Address(flow.host, port))
