"""Which transaction a message belongs to (RFC 3261 sections 17.1.3, 17.2.3 and 8.2.2.2)."""

from __future__ import annotations

from sipcore.syntax.identifiers import MAGIC_COOKIE
from sipcore.syntax.message import Request, Response

Key = tuple[object, ...]
"""Equal keys, same transaction."""


def client_key(message: Request | Response) -> Key:
    """The client transaction of a request of ours, or of a response to it: branch and method (17.1.3)."""
    return message.branch, message.cseq_method


def server_key(request: Request, method: str) -> Key:
    """The server transaction of a request, taken for one of `method` (17.2.3).

    That is the request's own method, or INVITE for an ACK, or for a CANCEL and what it cancels (section 9.2).
    """
    branch = request.branch
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:  # the cookie alone: RFC 4475 section 3.2.1
        return branch, request.sent_by, method
    return _rfc2543_key(request, method, request.to_tag)


def first_invite_key(ack: Request) -> Key:
    """The INVITE of an RFC 2543 client, where that had no To tag: the ACK has the one of our response."""
    return _rfc2543_key(ack, "INVITE", "")


def _rfc2543_key(request: Request, method: str, to_tag: str) -> Key:
    return (
        request.call_id, request.cseq_number, request.from_tag, to_tag, request.uri_text,
        *request.sent_by, request.branch, method,
    )  # fmt: skip


def merged_key(request: Request) -> Key:
    """The same for all copies of one request, by whatever way they come (8.2.2.2)."""
    return request.call_id, request.from_tag, request.cseq_number, request.method
