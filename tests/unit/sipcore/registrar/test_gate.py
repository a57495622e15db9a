"""The gate: strangers are refused in one place, learn nothing there, and leave nothing behind."""

from __future__ import annotations

import pytest

from sipcore.effects import Arrived, Invited
from sipcore.registrar import digest
from sipcore.registrar.digest import NONCE_SECONDS, Algorithm
from sipcore.registrar.gate import (
    FREE_FAILURES,
    RETRY_SECONDS,
    Account,
)
from tests.unit.sipcore.registrar.gated import (
    ACCOUNTS,
    ELSEWHERE,
    GATED_METHODS,
    HOME,
    NOTHING,
    Server,
    admitted,
    algorithms,
    challenges,
)

# -- strangers -----------------------------------------------------------------------------------------


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("method", GATED_METHODS)
def test_every_method_without_credentials_is_challenged_and_leaves_nothing(method: str) -> None:
    server = Server()
    response = server.refusal(server.request(method))
    assert response.status == 401
    assert algorithms(response) == ["SHA-256", "MD5"]
    assert server.endpoint.live() == NOTHING
    assert server.endpoint.next_deadline() is None
    assert server.looked_up == []


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize(
    ("uri", "headers"),
    [
        ("sip:pbx.example", ["Require: nonsense"]),
        ("sip:pbx.example", ["Max-Forwards: 0"]),
        ("mailto:lee@pbx.example", []),
        ("sip:999@pbx.example", []),
        ("sip:pbx.example", ["Proxy-Authorization: Digest username=100"]),
        ("sip:pbx.example", ["Expires: soon"]),
    ],
)
def test_a_stranger_is_told_nothing_but_the_challenge(uri: str, headers: list[str]) -> None:
    server = Server()
    for method in ("REGISTER", "INVITE", "FROBNICATE"):
        assert server.refusal(server.request(method, uri=uri, headers=headers)).status == 401


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_right_password_opens(method: str, algorithm: Algorithm) -> None:
    server = Server()
    line = server.authorization(method=method, challenge=server.challenge(algorithm))
    effects = server.send(server.request(method, headers=[line]))
    (told,) = [effect for effect in effects if isinstance(effect, Arrived | Invited)]
    assert told.identity == "100"


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("method", GATED_METHODS)
def test_a_wrong_password_opens_nothing(method: str) -> None:
    server = Server()
    line = server.authorization(password="guess", method=method)
    assert server.refusal(server.request(method, headers=[line])).status == 401
    assert server.endpoint.live() == NOTHING


def test_what_is_not_served_is_told_to_who_may_ask() -> None:
    server = Server()
    for method, status in (("SUBSCRIBE", 405), ("FROBNICATE", 501)):
        line = server.authorization(method=method)
        assert server.refusal(server.request(method, headers=[line])).status == status


def test_an_ack_is_never_answered() -> None:
    """RFC 3261 section 22.1: an ACK cannot be challenged."""
    server = Server()
    assert server.send(server.request("ACK")) == []
    assert server.send(server.request("ACK", headers=[server.authorization(method="ACK")])) == []
    assert (
        server.send(server.request("ACK").replace("To: <sip:100@pbx.example>", "To: <sip:100@h>;tag=x")) == []
    )
    assert server.endpoint.live() == NOTHING


def test_a_cancel_is_not_challenged_and_cancels_nothing_that_is_not_there() -> None:
    """RFC 3261 section 22.1: a CANCEL cannot be resubmitted, so it is not challenged."""
    server = Server()
    assert server.refusal(server.request("CANCEL")).status == 481


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO", "REGISTER"])
def test_a_made_up_dialog_is_no_way_around(method: str) -> None:
    server = Server()
    text = server.request(method).replace(
        "To: <sip:100@pbx.example>", "To: <sip:100@pbx.example>;tag=made-up"
    )
    assert server.refusal(text).status == 481
    assert server.endpoint.live() == NOTHING


def test_a_cancel_from_elsewhere_does_not_end_a_call() -> None:
    server = Server()
    invite = server.request("INVITE", headers=[server.authorization(method="INVITE")])
    server.send(invite)
    cancel = "\r\n".join(
        line.replace("INVITE", "CANCEL") for line in invite.split("\r\n") if "Authorization" not in line
    )
    assert server.refusal(cancel, ELSEWHERE).status == 481
    assert server.endpoint.live()["sessions"] == 1


def test_a_retransmission_of_what_was_let_in_is_not_asked_again() -> None:
    server = Server()
    text = server.request(headers=[server.authorization()])
    assert admitted(server.send(text)) == "100"
    assert server.send(text) == []
    assert server.looked_up == ["100"]


def test_an_answer_that_is_sent_again_in_another_request_is_stale() -> None:
    server = Server()
    line = server.authorization()
    assert admitted(server.send(server.request(headers=[line]))) == "100"
    response = server.refusal(server.request(headers=[line]), ELSEWHERE)
    assert response.status == 401
    assert [challenge["stale"] for challenge in challenges(response)] == ["true", "true"]


def test_a_nonce_may_be_used_on_with_higher_counts_until_it_is_too_old() -> None:
    server = Server()
    challenge = server.challenge()
    for nc in (1, 2, 3):
        line = server.authorization(challenge=challenge, nc=nc)
        assert admitted(server.send(server.request(headers=[line]))) == "100"
    server.now += NONCE_SECONDS + 1
    line = server.authorization(challenge=challenge, nc=4)
    assert challenges(server.refusal(server.request(headers=[line])))[0]["stale"] == "true"


# -- what a stranger can find out ----------------------------------------------------------------------


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("algorithm", Algorithm)
def test_known_and_unknown_extensions_get_the_same_answer_for_the_same_work(
    algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    originals = dict(digest.HASH)

    def counting(algorithm: Algorithm, text: str) -> str:
        hashed.append(len(text))
        return originals[algorithm](text)

    def observe(username: str) -> object:
        """All that the other side could notice, but for the nonce and for what it sent itself."""
        server = Server()
        line = server.authorization(username, "guess", challenge=server.challenge(algorithm))
        text = server.request(from_=f"sip:{username}@pbx.example", headers=[line])
        hashed.clear()
        response = server.refusal(text, ELSEWHERE)
        told = [{**challenge, "nonce": len(challenge["nonce"])} for challenge in challenges(response)]
        names = [name for name, _ in response.headers]
        return response.status, response.reason, names, told, list(hashed), len(server.looked_up)

    counted = {
        algorithm: lambda text, algorithm=algorithm: counting(algorithm, text) for algorithm in Algorithm
    }
    monkeypatch.setattr(digest, "HASH", counted)
    known = observe("100")
    assert observe("999") == known
    assert observe("EXT") == known
    assert len(hashed) == 1


def test_known_and_unknown_extensions_are_slowed_down_alike() -> None:
    outcomes = []
    for username in ("100", "999", ""):
        server = Server()
        outcomes.append([len(server.guess(username)) for _ in range(FREE_FAILURES + 5)])
    assert outcomes == [[1] * FREE_FAILURES + [0] * 5] * 3


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Basic MTAwOnNlY3JldA==",
        "Authorization: Digest",
        'Authorization: Digest username="100',
        'Authorization: Digest username="100", realm="elsewhere", response="0"',
        'Authorization: Digest username="100", username="100", realm="myphone"',
        "Authorization:",
        "Authorization: \udcff",
    ],
    ids=ascii,
)
def test_credentials_that_are_not_for_us_are_as_good_as_none(line: str) -> None:
    server = Server()
    for _ in range(FREE_FAILURES * 3):
        assert server.refusal(server.request(headers=[line])).status == 401
    assert server.looked_up == []
    assert admitted(server.log_in()) == "100"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        ', username="100"',
        ', username="100", qop=auth, nc=00000001, cnonce="", nonce="", uri="", response=""',
        ', username="\udcff", qop=auth, nc=00000001, cnonce="c", nonce="\udcff", uri="sip:pbx.example", '
        'response="\udcff"',
        ', username="100", algorithm=MD5-sess, qop=auth',
        ', username="' + "1" * 8000 + '"',
    ],
    ids=lambda rest: ascii(rest)[:40],
)
def test_credentials_that_are_not_whole_are_wrong(rest: str) -> None:
    server = Server()
    assert (
        server.refusal(server.request(headers=[f'Authorization: Digest realm="myphone"{rest}'])).status == 401
    )


def test_our_realm_is_found_among_others() -> None:
    server = Server()
    others = [
        'Authorization: Digest username="7", realm="elsewhere", nonce="x", uri="sip:x", response="0"',
        "Authorization: Bearer x",
    ]
    for headers in ([*others, server.authorization()], [server.authorization(), *others]):
        assert admitted(server.send(server.request(headers=headers))) == "100"


# -- in whose name -------------------------------------------------------------------------------------


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize(
    ("method", "from_", "to", "open_"),
    [
        ("REGISTER", "sip:100@pbx.example", "sip:100@pbx.example", True),
        ("REGISTER", "sip:ext100@pbx.example", "sip:EXT100@pbx.example", True),
        ("REGISTER", "sip:%3100@pbx.example", "sip:100@pbx.example;x=y", True),
        ("REGISTER", "sip:100@pbx.example", "sip:101@pbx.example", False),
        ("REGISTER", "sip:101@pbx.example", "sip:100@pbx.example", False),
        ("REGISTER", "sip:101@pbx.example", "sip:101@pbx.example", False),
        ("REGISTER", "sip:100@pbx.example", "sip:ext101@pbx.example", False),
        ("REGISTER", "sip:100@pbx.example", "sip:pbx.example", False),
        ("REGISTER", "sip:pbx.example", "sip:100@pbx.example", False),
        ("OPTIONS", "sip:100@pbx.example", "sip:101@pbx.example", True),
        ("OPTIONS", "sip:101@pbx.example", "sip:101@pbx.example", False),
        ("OPTIONS", "sip:anonymous@anonymous.invalid", "sip:101@pbx.example", False),
    ],
)
def test_an_extension_speaks_in_its_own_name_only(method: str, from_: str, to: str, open_: bool) -> None:
    server = Server()
    text = server.request(method, from_=from_, to=to, headers=[server.authorization(method=method)])
    if open_:
        assert admitted(server.send(text)) == "100"
    else:
        assert server.refusal(text).status == 403
        assert server.endpoint.live() == NOTHING


@pytest.mark.parametrize(("sip_id", "user", "owns"), [("", "", False), ("", None, False), ("x", "X", True)])
def test_an_account_without_a_sip_id_owns_no_empty_name(sip_id: str, user: str | None, owns: bool) -> None:
    assert Account("100", ACCOUNTS["100"].credentials, sip_id).owns(user) is owns


def test_an_account_does_not_show_its_credentials() -> None:
    credentials = ACCOUNTS["100"].credentials
    assert credentials.md5 not in repr(ACCOUNTS["100"])
    assert credentials.sha256 not in repr(ACCOUNTS["100"])


# -- clients that know MD5 alone -----------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["SIPp/v3.7", "baresip v1.0.0 (x86_64/Linux)"])
def test_a_client_that_is_known_to_give_up_is_offered_md5_alone(agent: str) -> None:
    server = Server()
    assert algorithms(server.refusal(server.request(headers=[f"User-Agent: {agent}"]))) == ["MD5"]


def test_a_client_that_asks_again_without_an_answer_is_offered_md5_alone() -> None:
    server = Server()
    assert algorithms(server.refusal(server.request())) == ["SHA-256", "MD5"]
    server.now += RETRY_SECONDS / 2
    assert algorithms(server.refusal(server.request())) == ["SHA-256", "MD5"]
    server.now += RETRY_SECONDS / 2
    assert algorithms(server.refusal(server.request())) == ["MD5"]
    assert algorithms(server.refusal(server.request(), ELSEWHERE)) == ["SHA-256", "MD5"]
    assert algorithms(server.refusal(server.request(from_="sip:101@pbx.example"))) == ["SHA-256", "MD5"]


@pytest.mark.parametrize(
    ("algorithm", "offered"), [(Algorithm.MD5, ["MD5"]), (Algorithm.SHA256, ["SHA-256", "MD5"])]
)
def test_a_client_is_challenged_further_in_what_it_has_answered_in(
    algorithm: Algorithm, offered: list[str]
) -> None:
    server = Server()
    challenge = server.challenge(algorithm, HOME)
    line = server.authorization(challenge=challenge)
    assert admitted(server.send(server.request(headers=[line]))) == "100"
    assert algorithms(server.refusal(server.request(headers=[line]))) == offered
    server.now += RETRY_SECONDS
    assert algorithms(server.refusal(server.request())) == offered


@pytest.mark.parametrize("agent", ["", "baresip v3.1.0", "Desk Phone (SIPp)"])
def test_any_other_client_is_offered_both(agent: str) -> None:
    server = Server()
    text = server.request(headers=[f"User-Agent: {agent}"])
    assert algorithms(server.refusal(text)) == ["SHA-256", "MD5"]
