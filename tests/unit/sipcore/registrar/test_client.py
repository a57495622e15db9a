"""Registering at a provider: refreshes, challenges, refusals, redirections, and the end."""

from __future__ import annotations

import re
from random import Random

import pytest

from sipcore.registrar.answering import DigestAccount
from sipcore.registrar.client import (
    ClientEffect,
    Registration,
    RegistrationChanged,
    RegistrationSettings,
    RegistrationState,
    SendRegister,
)
from sipcore.registrar.digest import Authenticator, Credentials, Verdict, parse_digest, proof_of
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.uri import Uri

REGISTRAR = Uri.parse("sip:provider.example")
AOR = Uri.parse("sip:12345@provider.example")
CONTACT = Uri.parse("sip:12345@192.0.2.1:5060")


class Provider:
    """A registrar on a clock that the test moves."""

    def __init__(self, *, realm: str = "provider", password: str = "right") -> None:
        self.authenticator = Authenticator("provider", b"secret")
        self.credentials = Credentials.of("12345", "provider", "right")
        account = DigestAccount("12345", password, Random(1), realm)
        self.client = Registration(RegistrationSettings(AOR, REGISTRAR), account, Random(2))
        self.now = 1000.0
        self.requests: list[Request] = []
        self.effects: list[ClientEffect] = []

    def take(self, effects: list[ClientEffect]) -> bool:
        """Note effects; whether a REGISTER is due."""
        self.effects += effects
        return any(isinstance(effect, SendRegister) for effect in effects)

    def receive(self, status: int, **headers: str) -> bool:
        """Answer the next request."""
        self.requests.append(request := self.client.request(CONTACT))
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.take(self.client.receive(response_to(request, status, headers=fields), self.now))

    def serve(self, expires: int = 600) -> None:
        """Answer as a registrar does, with challenges, until no REGISTER is due."""
        while True:
            self.requests.append(request := self.client.request(CONTACT))
            if not self.take(self.client.receive(self.answer(request, expires), self.now)):
                return

    def answer(self, request: Request, expires: int) -> Response:
        parameters = parse_digest(request.get("Authorization") or "")
        verdict = parameters and self.authenticator.check(
            proof_of(parameters), self.credentials, "REGISTER", request.uri_text, self.now
        )
        if verdict is not Verdict.VALID:
            stale = verdict is Verdict.STALE
            return response_to(request, 401, headers=self.authenticator.challenges(self.now, stale=stale))
        contact = f"<{CONTACT}>;expires={min(expires, request.expires or 0)}"
        return response_to(request, 200, headers=[("Contact", contact)])

    def pass_time(self) -> None:
        """Go to the next deadline."""
        assert self.client.deadline is not None
        self.now = self.client.deadline
        if self.take(self.client.tick(self.now)):
            self.serve()

    @property
    def state(self) -> RegistrationState:
        return self.client.state


def registered(provider: Provider) -> Provider:
    assert provider.take(provider.client.start(provider.now))
    provider.serve()
    assert provider.state is RegistrationState.REGISTERED
    return provider


@pytest.mark.row("ADM-08", "MYP-40")
def test_a_challenge_is_answered_and_the_account_registered() -> None:
    provider = registered(Provider())
    assert [request.has("Authorization") for request in provider.requests] == [False, True]
    assert [request.cseq.number for request in provider.requests] == [
        provider.requests[0].cseq.number,
        provider.requests[0].cseq.number + 1,
    ]
    assert provider.requests[0].call_id == provider.requests[1].call_id
    assert provider.effects[-1] == RegistrationChanged(RegistrationState.REGISTERED, "")


def test_a_registration_is_refreshed_within_its_life_with_a_counted_nonce() -> None:
    provider = registered(Provider())
    begun = provider.now
    provider.now = provider.client.deadline or 0.0
    assert 0.75 * 600 <= provider.now - begun <= 0.9 * 600
    # The nonce is too old by now: it is stale, and a new one is answered.
    assert provider.take(provider.client.tick(provider.now))
    provider.serve()
    counts = [re.search(r"nc=(\w+)", request.get("Authorization") or "") for request in provider.requests]
    assert [found and found[1] for found in counts] == [None, "00000001", "00000002", "00000001"]
    assert provider.state is RegistrationState.REGISTERED


def test_many_accounts_do_not_refresh_at_once() -> None:
    provider = registered(Provider())
    moments = set()
    for _ in range(5):
        before = provider.now
        provider.pass_time()
        moments.add(round(provider.now - before, 3))
    assert len(moments) == 5


def test_a_wrong_password_is_tried_once() -> None:
    provider = Provider(password="wrong")
    provider.take(provider.client.start(provider.now))
    provider.serve()
    assert (provider.state, provider.client.reason) == (
        RegistrationState.FAILED,
        "user name or password is wrong",
    )
    assert len(provider.requests) == 2


def test_a_foreign_realm_learns_nothing() -> None:
    provider = Provider(realm="provider")
    provider.take(provider.client.start(provider.now))
    assert not provider.receive(401, WWW_Authenticate='Digest realm="thief", nonce="x", qop="auth"')
    assert provider.state is RegistrationState.FAILED
    assert "realm" in provider.client.reason


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="provider", nonce="a\\\0b", qop="auth"',
        'Digest realm="provider", nonce="a", opaque="\udc80", qop="auth"',
        f'Digest realm="provider", nonce="{"n" * 2000}", qop="auth"',
        'Digest realm="provider", qop="auth"',
        'Digest realm="provider", nonce="a", algorithm=rot13',
        'Digest realm="provider", nonce="a", qop="auth-int"',
        "Basic realm=provider",
        "",
    ],
)
def test_a_challenge_that_makes_no_sense_is_not_answered(challenge: str) -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    assert not provider.receive(401, WWW_Authenticate=challenge)
    assert provider.state is RegistrationState.FAILED


def test_without_a_realm_the_first_one_is_kept() -> None:
    provider = registered(Provider(realm=""))
    provider.now = provider.client.deadline or 0.0
    provider.take(provider.client.tick(provider.now))
    assert not provider.receive(401, WWW_Authenticate='Digest realm="thief", nonce="x", qop="auth"')


def test_a_server_that_challenges_for_ever_gets_two_answers() -> None:
    provider = Provider()
    due = provider.take(provider.client.start(provider.now))
    while due:
        nonce = f"n{len(provider.requests)}"
        due = provider.receive(
            401, WWW_Authenticate=f'Digest realm="provider", nonce="{nonce}", stale=true, qop="auth"'
        )
    assert [request.has("Authorization") for request in provider.requests] == [False, True, True]
    assert "again and again" in provider.client.reason


def test_a_longer_expiry_is_asked_for_where_the_server_wants_one() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    assert provider.receive(423, Min_Expires="7200")
    assert provider.receive(423, Min_Expires="9000") is False
    assert [request.expires for request in provider.requests] == [3600, 7200]
    assert provider.state is RegistrationState.FAILED


def test_a_redirection_is_followed_and_a_circle_is_not() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    assert provider.receive(302, Contact="<sip:second.example>")
    assert provider.effects[-1] == SendRegister(Uri.parse("sip:second.example"))
    assert provider.receive(302, Contact="<sip:third.example>")
    assert not provider.receive(302, Contact="<sip:second.example>")
    assert provider.client.reason == "the server redirects in circles"
    assert [request.uri_text for request in provider.requests] == [
        "sip:provider.example",
        "sip:second.example",
        "sip:third.example",
    ]


def test_waits_after_failures_grow_to_a_limit_and_end_with_success() -> None:
    provider = Provider()
    due = provider.take(provider.client.start(provider.now))
    waits = []
    for _ in range(9):
        assert due
        provider.receive(500)
        assert provider.client.deadline is not None
        waits.append(provider.client.deadline - provider.now)
        provider.now = provider.client.deadline
        due = provider.take(provider.client.tick(provider.now))
    for failures, wait in enumerate(waits):
        longest = min(1800.0, 30.0 * 2**failures)
        assert longest / 2 <= wait <= longest
    provider.serve()
    assert provider.state is RegistrationState.REGISTERED


def test_a_server_may_say_when_to_come_back() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    provider.receive(503, Retry_After="900 (maintenance)")
    assert provider.client.deadline == provider.now + 900


def test_a_failed_refresh_leaves_the_rest_of_the_registration() -> None:
    provider = registered(Provider())
    ends = provider.now + 600
    provider.now = provider.client.deadline or 0.0
    provider.take(provider.client.tick(provider.now))
    provider.receive(408)
    assert (provider.state, provider.client.reason) == (
        RegistrationState.REGISTERED,
        "the server does not answer",
    )
    while provider.now < ends:
        provider.now = provider.client.deadline or 0.0
        if provider.take(provider.client.tick(provider.now)):
            provider.receive(408)
    assert provider.state is RegistrationState.FAILED


def test_a_way_that_is_gone_is_replaced_within_seconds_and_not_at_once() -> None:
    provider = registered(Provider())
    provider.client.flow_lost(provider.now)
    assert provider.client.deadline is not None
    assert 1.0 <= provider.client.deadline - provider.now <= 5.0
    provider.pass_time()
    assert provider.state is RegistrationState.REGISTERED
    assert provider.requests[-1].expires == 3600


def test_the_end_takes_the_registration_back() -> None:
    provider = registered(Provider())
    assert provider.take(provider.client.stop(provider.now))
    provider.serve()
    assert provider.requests[-1].expires == 0
    assert provider.state is RegistrationState.ENDED
    assert provider.client.deadline is None


def test_an_end_while_registering_waits_for_what_comes_of_it() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    assert not provider.take(provider.client.stop(provider.now))
    provider.serve()
    assert [request.expires for request in provider.requests] == [3600, 3600, 0]
    assert provider.state is RegistrationState.ENDED


def test_an_end_before_anything_was_registered() -> None:
    provider = Provider()
    assert not provider.take(provider.client.stop(provider.now))
    assert provider.state is RegistrationState.ENDED


def test_a_server_that_grants_nothing_is_not_asked_in_a_circle() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    provider.receive(200, Expires="0")
    before = provider.now
    while not provider.take(provider.client.tick(provider.client.deadline or 0.0)):
        provider.now = provider.client.deadline or 0.0
    assert (provider.client.deadline or provider.now + 15) - before >= 15 or provider.now - before >= 15


def test_service_routes_are_kept_and_nonsense_is_not() -> None:
    provider = Provider()
    provider.take(provider.client.start(provider.now))
    provider.receive(200, Expires="60", Service_Route="<sip:one.example;lr>, <sip:two.example;lr>")
    assert [str(route.uri) for route in provider.client.service_route] == [
        "sip:one.example;lr",
        "sip:two.example;lr",
    ]
    provider.now = provider.client.deadline or 0.0
    provider.take(provider.client.tick(provider.now))
    provider.receive(200, Expires="60", Service_Route="<<<")
    assert provider.client.service_route == ()
