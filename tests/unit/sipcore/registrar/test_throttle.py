"""Guessing passwords: whoever does is slowed down, and nobody is locked out by that."""

from __future__ import annotations

import pytest

from sipcore.effects import Transmit
from sipcore.registrar import gate
from sipcore.registrar.digest import NONCE_SECONDS
from sipcore.registrar.gate import (
    FAILURES_PER_SECOND,
    FREE_FAILURES,
    Place,
    Throttle,
)
from sipcore.syntax.message import Response
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Address
from tests.unit.sipcore.registrar.gated import (
    ELSEWHERE,
    HOME,
    NOTHING,
    Server,
    admitted,
    challenges,
)


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
    return Address(f"10.0.0.{number}", port), "100"


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
