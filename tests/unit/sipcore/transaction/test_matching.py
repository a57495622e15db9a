"""Which messages belong together (RFC 3261 sections 17.1.3, 17.2.3, 9.2 and 8.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipcore.syntax.message import Request, ack_for, cancel_for
from sipcore.transaction.matching import client_key, first_invite_key, merged_key, server_key
from tests.unit.sipcore.transaction.support import request, response, rfc2543

OTHER = {
    "branch": "z9hG4bKother",
    "sent_by": "192.0.2.100:5070",
    "transport": "TCP",
    "call_id": "another-call",
    "from_tag": "another-caller",
    "to_tag": "somebody",
    "cseq": "314160 INVITE",
    "uri": "sip:102@192.0.2.1",
}
"""A change of each thing that may tell transactions apart."""

MAKERS = pytest.mark.parametrize("make", [request, rfc2543])
Maker = Callable[..., Request]


def key(message: Request) -> object:
    return server_key(message, "INVITE")


# -- clients ---------------------------------------------------------------------------------------


def test_a_response_matches_its_request() -> None:
    assert client_key(response(180)) == client_key(response(404)) == client_key(request())


@pytest.mark.parametrize("field", OTHER)
def test_branch_and_method_alone_match_a_response(field: str) -> None:
    other = response(200, request(**{field: OTHER[field]}))
    assert (client_key(other) == client_key(request())) == (field != "branch")


def test_a_response_to_the_cancel_is_none_to_the_invite() -> None:
    cancel = cancel_for(request())
    assert client_key(response(200, cancel)) == client_key(cancel) != client_key(request())


# -- servers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("branch", "unique"),
    [
        ("z9hG4bK776asdhds", True),
        ("z9hG4bK-", True),
        ("z9hG4bK", False),  # RFC 4475 section 3.2.1
        ("", False),
        ("776asdhds.z9hG4bK", False),
        ("1", False),
    ],
)
def test_a_branch_is_unique_if_it_has_the_cookie_and_more(branch: str, unique: bool) -> None:
    assert (server_key(request(branch=branch), "INVITE")[0] == branch) == unique


@pytest.mark.parametrize("field", OTHER)
def test_branch_and_sent_by_match_a_request(field: str) -> None:
    same = key(request(**{field: OTHER[field]})) == key(request())
    assert same == (field not in ("branch", "sent_by"))


@pytest.mark.parametrize("field", OTHER)
@pytest.mark.parametrize("branch", ["", "1", "z9hG4bK"])
def test_without_a_unique_branch_everything_must_match(branch: str, field: str) -> None:
    changed = {"branch": branch} | {field: OTHER[field]}
    assert (key(request(**changed)) == key(request(branch=branch))) == (field == "transport")


@MAKERS
@pytest.mark.parametrize("sent_by", ["PHONE.example.com", "phone.example.com", "Phone.Example.COM"])
def test_the_case_of_the_host_does_not_matter(make: Maker, sent_by: str) -> None:
    assert key(make(sent_by=sent_by)) == key(make(sent_by="phone.example.com"))


@MAKERS
def test_another_method_is_another_transaction(make: Maker) -> None:
    message = make()
    assert server_key(message, "INVITE") != server_key(message, "OPTIONS")


@MAKERS
@pytest.mark.parametrize("to_tag", ["", "in-dialog"])
def test_a_cancel_matches_what_it_cancels(make: Maker, to_tag: str) -> None:
    cancelled = make(to_tag=to_tag)
    cancel = cancel_for(cancelled)
    assert key(cancel) == key(cancelled)
    assert server_key(cancel, "CANCEL") != key(cancelled), "but it is a transaction of its own"


def test_the_ack_of_a_failure_matches_its_invite() -> None:
    assert key(ack_for(request(), response(486))) == key(request())


def test_the_ack_of_an_rfc_2543_client_matches_but_for_the_tag_of_our_response() -> None:
    first = rfc2543()
    ack = ack_for(first, response(486, first))
    assert key(ack) != key(first)
    assert first_invite_key(ack) == key(first)
    within = rfc2543(to_tag="a6c85cf")
    assert key(ack_for(within, response(486, within))) == key(within)


# -- merged requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", OTHER)
def test_copies_of_a_request_have_call_from_tag_and_cseq_in_common(field: str) -> None:
    same = merged_key(request(**{field: OTHER[field]})) == merged_key(request())
    assert same == (field not in ("call_id", "from_tag", "cseq"))


def test_a_cancel_is_no_copy_of_its_invite() -> None:
    assert merged_key(cancel_for(request())) != merged_key(request())
