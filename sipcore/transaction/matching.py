"""Which transaction a message belongs to (RFC 3261 sections 17.1.3, 17.2.3 and 8.2.2.2)."""

from __future__ import annotations

from sipcore.syntax.identifiers import MAGIC_COOKIE
from sipcore.syntax.message import Request, Response

Key = tuple[str, ...]


def client_key(response: Response) -> Key:
    """The client transaction a response answers: branch and CSeq method."""
    return response.via.branch, response.cseq.method


def server_key(request: Request, method: str | None = None) -> Key:
    """The server transaction of a request; an ACK has that of its INVITE.

    `method` overrides the request's own: that of a CANCEL finds what it cancels.
    """
    wanted = method or ("INVITE" if request.method == "ACK" else request.method)
    via = request.via
    branch = via.branch
    if branch.startswith(MAGIC_COOKIE):
        return branch, via.sent_by, wanted
    # RFC 2543 clients have no unique branch. The To tag of an ACK is ours, and does not count.
    return request.call_id, str(request.cseq.number), request.from_.tag or "", str(via), request.uri_text, wanted


def merged_key(request: Request) -> Key:
    """The same for two copies of one request that came by different ways."""
    return request.call_id, request.from_.tag or "", request.get("CSeq") or ""
