"""The gate: strangers are refused in one place, learn nothing there, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random

import pytest

from sipcore.effects import Arrived, Effect, Invited, Transmit
from sipcore.endpoint import KNOWN_METHODS, Endpoint, EndpointSettings
from sipcore.registrar import digest, gate
from sipcore.registrar.digest import NONCE_SECONDS, Algorithm, Credentials, answer_challenge, parse_digest
from sipcore.registrar.gate import (
    FAILURES_PER_SECOND,
    FREE_FAILURES,
    RETRY_SECONDS,
    Account,
    DigestGate,
    Place,
    Throttle,
)
from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address, Flow, Transport

REALM = "myphone"
PASSWORDS = {"100": "correct horse", "101": "battery staple"}
ACCOUNTS = {
    number: Account(number, Credentials.of(number, REALM, password), sip_id=f"ext{number}")
    for number, password in PASSWORDS.items()
}
HOME, ELSEWHERE = "192.0.2.20", "198.51.100.66"
GATED_METHODS = [*sorted(KNOWN_METHODS - {"ACK", "CANCEL"}), "FROBNICATE", "register"]
NOTHING = {"transactions": 0, "sessions": 0, "dialogs": 0}


class Server:
    """An endpoint behind a digest gate, and clients that speak to it from any address."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looked_up: list[str] = []
        self.gate = DigestGate(REALM, self._account, b"a secret of the server")
        self.endpoint = Endpoint(EndpointSettings(), Random(1), self.gate)
        self._numbers = count(1)

    def _account(self, username: str) -> Account | None:
        self.looked_up.append(username)
        return ACCOUNTS.get(username)

    def request(
        self,
        method: str = "REGISTER",
        *,
        from_: str = "sip:100@pbx.example",
        to: str = "sip:100@pbx.example",
        uri: str = "sip:pbx.example",
        headers: Sequence[str] = (),
    ) -> str:
        """A request of a transaction of its own, as text."""
        number = next(self._numbers)
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOME}:5060;branch=z9hG4bK{number};rport",
            f"From: <{from_}>;tag=1",
            f"To: <{to}>",
            f"Call-ID: call-{number}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:100@{HOME}>",
            *headers,
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""])

    def send(self, text: str, source: str = HOME, port: int = 5060) -> list[Effect]:
        """Receive a request; what the endpoint does about it."""
        flow = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address(source, port))
        message = parse_message(text.encode("utf-8", "surrogateescape"))
        return self.endpoint.receive(message, flow, self.now)

    def refusal(self, text: str, source: str = HOME) -> Response:
        """The only answer to a request that is refused; nothing may be left of that."""
        before = self.endpoint.live()
        (effect,) = self.send(text, source)
        assert isinstance(effect, Transmit)
        assert self.endpoint.live() == before
        response = parse_message(effect.data)
        assert isinstance(response, Response)
        return response

    def challenge(self, algorithm: Algorithm = Algorithm.SHA256, source: str | None = None) -> str:
        """A challenge to a client that is new there, if no source is given."""
        somewhere = f"2001:db8:0:{next(self._numbers):x}::1"
        offered = self.refusal(self.request("OPTIONS"), source or somewhere).get_all("WWW-Authenticate")
        return next(value for value in offered if f"algorithm={algorithm.value}," in value)

    def authorization(
        self,
        username: str = "100",
        password: str | None = None,
        *,
        method: str = "REGISTER",
        challenge: str | None = None,
        nc: int = 1,
    ) -> str:
        """The header line that answers a challenge, a new one if none is given."""
        secret = PASSWORDS.get(username, "") if password is None else password
        offered = [challenge or self.challenge()]
        value = answer_challenge(offered, method, "sip:pbx.example", username, secret, nc=nc, cnonce="0a4f")
        return f"Authorization: {value}"

    def guess(
        self, username: str = "100", source: str = ELSEWHERE, port: int = 5060, challenge: str | None = None
    ) -> list[Effect]:
        """Try a wrong password."""
        line = self.authorization(username, "guess", challenge=challenge)
        return self.send(self.request(headers=[line]), source, port)

    def log_in(
        self,
        username: str = "100",
        source: str = HOME,
        port: int = 5060,
        challenge: str | None = None,
        nc: int = 1,
    ) -> list[Effect]:
        """REGISTER with the right password."""
        address = f"sip:{username}@pbx.example"
        line = self.authorization(username, challenge=challenge, nc=nc)
        return self.send(self.request(from_=address, to=address, headers=[line]), source, port)


def admitted(effects: list[Effect]) -> str:
    """Who was let in."""
    (arrived,) = effects
    assert isinstance(arrived, Arrived)
    return arrived.identity


def challenges(response: Response) -> list[dict[str, str]]:
    return [parse_digest(value) or {} for value in response.get_all("WWW-Authenticate")]


def algorithms(response: Response) -> list[str]:
    return [challenge["algorithm"] for challenge in challenges(response)]


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
    assert len(hashed) == 2


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
    assert "redentials" not in repr(ACCOUNTS["100"])


# -- guessing ------------------------------------------------------------------------------------------


@pytest.mark.row("CORE-23")
def test_who_guesses_is_not_heard_any_more_and_nobody_else_pays_for_it() -> None:
    server = Server()
    answers = [len(server.guess()) for _ in range(FREE_FAILURES + 20)]
    assert answers == [1] * FREE_FAILURES + [0] * 20
    assert server.log_in(source=ELSEWHERE) == []
    assert admitted(server.log_in(source=HOME)) == "100"


def test_guesses_at_different_names_count_together() -> None:
    server = Server()
    answers = [len(server.guess(str(number))) for number in range(100, 100 + FREE_FAILURES + 20)]
    assert answers == [1] * FREE_FAILURES + [0] * 20


def test_guesses_from_different_addresses_of_one_ipv6_network_count_together() -> None:
    server = Server()
    hosts = [f"2001:db8:0:7::{number:x}" for number in range(FREE_FAILURES + 20)]
    answers = [len(server.guess(source=host)) for host in hosts]
    assert answers == [1] * FREE_FAILURES + [0] * 20


def test_a_source_that_guesses_gets_a_try_now_and_then() -> None:
    server = Server()
    tried = 0
    for _ in range(1000):
        tried += len(server.guess())
        server.now += 1
    allowed = FREE_FAILURES + 1000 * FAILURES_PER_SECOND
    assert allowed - 2 <= tried <= allowed + 2


def test_a_source_that_has_stopped_guessing_is_forgiven() -> None:
    server = Server()
    for _ in range(FREE_FAILURES):
        server.guess()
    server.now += FREE_FAILURES / FAILURES_PER_SECOND
    assert [len(server.guess()) for _ in range(FREE_FAILURES + 1)] == [1] * FREE_FAILURES + [0]


@pytest.mark.row("CORE-23")
def test_an_owner_who_was_let_in_from_there_before_is_not_locked_out_by_who_guesses_there() -> None:
    server = Server()
    assert admitted(server.log_in("100", ELSEWHERE)) == "100"
    for username in ("101", "999", "100"):
        for _ in range(FREE_FAILURES * 2):
            server.guess(username, port=4000)
    assert admitted(server.log_in("100", ELSEWHERE)) == "100"
    assert server.log_in("101", ELSEWHERE) == []


@pytest.mark.row("CORE-23")
@pytest.mark.parametrize("port", [5060, 4000])
def test_the_password_of_a_known_owner_is_not_guessed_any_faster_from_where_he_is(port: int) -> None:
    """Not at his own address either: behind a router, others have that too."""
    server = Server()
    assert admitted(server.log_in("100", ELSEWHERE)) == "100"
    answers = [len(server.guess("100", port=port)) for _ in range(FREE_FAILURES + 20)]
    assert answers == [1] * FREE_FAILURES + [0] * 20
    assert server.log_in("100", ELSEWHERE, port) == []
    server.now += 1 / FAILURES_PER_SECOND
    assert admitted(server.log_in("100", ELSEWHERE, port)) == "100"


@pytest.mark.row("CORE-23")
def test_an_owner_goes_on_with_the_nonces_that_he_has_used_whoever_guesses() -> None:
    """Also with the one that follows a stale one; from wherever his router lets him out."""
    server = Server()
    nonce = server.challenge()
    assert admitted(server.log_in("100", ELSEWHERE, challenge=nonce)) == "100"

    def guess() -> None:
        for port in (4000, 5060, 7000):
            for _ in range(FREE_FAILURES * 2):
                server.guess("100", port=port)

    guess()
    assert admitted(server.log_in("100", ELSEWHERE, 7000, nonce, nc=2)) == "100"
    server.now += NONCE_SECONDS + 1
    guess()
    (stale,) = server.log_in("100", ELSEWHERE, 7001, nonce, nc=3)
    assert isinstance(stale, Transmit)
    response = parse_message(stale.data)
    assert isinstance(response, Response)
    assert challenges(response)[0]["stale"] == "true"
    guess()
    following = response.get_all("WWW-Authenticate")[0]
    assert admitted(server.log_in("100", ELSEWHERE, 7001, following)) == "100"


def test_a_nonce_that_a_wrong_password_comes_with_is_worth_no_more_than_others() -> None:
    server = Server()
    nonce = server.challenge()
    server.log_in("100", ELSEWHERE, challenge=nonce)
    answers = [len(server.guess("100", ELSEWHERE, 4000, nonce)) for _ in range(FREE_FAILURES + 20)]
    assert answers == [1] * FREE_FAILURES + [0] * 20


def test_a_nonce_counts_for_nobody_elses_name() -> None:
    server = Server()
    nonce = server.challenge()
    server.log_in("101", ELSEWHERE, challenge=nonce)
    answers = [len(server.guess("100", ELSEWHERE, 4000, nonce)) for _ in range(FREE_FAILURES + 20)]
    assert answers == [1] * FREE_FAILURES + [0] * 20


def test_a_phone_that_goes_on_with_an_old_password_does_not_shut_its_neighbours_out() -> None:
    server = Server()
    server.log_in("100", HOME)
    for _ in range(200):
        server.guess("100", HOME)
    assert admitted(server.log_in("101", HOME, 5070)) == "101"


def test_missing_and_stale_credentials_are_no_guesses() -> None:
    server = Server()
    old = server.challenge()
    server.now += NONCE_SECONDS + 1
    for nc in range(1, FREE_FAILURES * 3):
        server.send(server.request(), HOME)
        stale = server.refusal(server.request(headers=[server.authorization(challenge=old, nc=nc)]), HOME)
        assert challenges(stale)[0]["stale"] == "true"
    assert admitted(server.log_in(source=HOME)) == "100"


def test_no_guess_is_no_success_either() -> None:
    """A right password with the name of another extension is no guess, but makes nobody known for that name."""
    server = Server()
    line = server.authorization("100")
    server.refusal(server.request(from_="sip:101@pbx.example", headers=[line]), ELSEWHERE)
    for _ in range(FREE_FAILURES):
        server.guess("101")
    assert server.log_in("101", ELSEWHERE) == []


# -- memory --------------------------------------------------------------------------------------------


@pytest.mark.row("CORE-23")
def test_a_flood_from_everywhere_under_every_name_is_bounded_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "MAX_SOURCES", 50)
    server = Server()
    challenge = server.challenge()
    for number in range(300):
        source, name = f"10.0.{number // 250}.{number % 250}", f"{number}" + "x" * 5000
        server.send(server.request(from_=f"sip:{name}@pbx.example"), source)
        line = server.authorization(name, "guess", challenge=challenge)
        server.send(server.request(headers=[line]), source)
    throttle, clients = server.gate._throttle, server.gate._old_clients
    assert len(throttle._failures) == 50
    assert len(throttle._known) == 0
    assert len(clients._challenged) <= 50
    assert max(len(name) for _, name in clients._challenged) <= 64
    assert not server.gate._authenticator._nonces._used
    assert server.endpoint.live() == NOTHING


def test_the_owners_who_are_known_are_bounded_too_and_the_last_ones_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "MAX_SOURCES", 3)
    throttle = Throttle()
    for number in range(10):
        throttle.succeeded(place(number), f"nonce {number}")
    throttle.succeeded(place(7), "nonce 7")
    throttle.succeeded(place(10), "nonce 10")
    for number in range(11):
        for _ in range(FREE_FAILURES):
            throttle.failed(place(number, port=4000), "other", 0.0)
        assert throttle.may_try(place(number), "other", 0.0) is (number in (7, 9, 10))
        assert throttle.may_try(place(number, 4000), f"nonce {number}", 0.0) is (number in (7, 9, 10))


def place(number: int, port: int = 5060) -> Place:
    return Place(Address(f"10.0.0.{number}", port), "100")


def test_a_source_that_guesses_is_remembered_longer_than_one_that_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "MAX_SOURCES", 3)
    throttle = Throttle()
    for number in range(1, 100):
        throttle.failed(place(0), "", 0.0)
        throttle.failed(place(number), "", 0.0)
    assert len(throttle._failures) == 3
    assert not throttle.may_try(place(0), "", 0.0)


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
