"""Whatever a registrar answers, the client stays in a known state, gives nothing away, and does not run wild."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sipcore.registrar.answering import MAX_ANSWERS, DigestAccount
from sipcore.registrar.client import (
    ClientEffect,
    Registration,
    RegistrationSettings,
    RegistrationState,
    SendRegister,
)
from sipcore.registrar.digest import parse_digest
from sipcore.syntax.message import Request, response_to
from sipcore.syntax.uri import Uri

CONTACT = Uri.parse("sip:me@192.0.2.1")
MOST_AT_ONCE = 12
"""REGISTERs without a wait: answers, a longer expiry, redirections, and the end."""

realms = st.sampled_from(["ours", "theirs", ""])
challenges = st.builds(
    lambda realm, nonce, stale, rest: f'Digest realm="{realm}", nonce="{nonce}", stale={stale}{rest}',
    realms,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["true", "false"]),
    st.sampled_from(["", ', qop="auth"', ', qop="auth-int"', ", algorithm=SHA-256", ", algorithm=rot13"]),
)
headers = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["WWW-Authenticate", "Proxy-Authenticate"]), challenges | st.just("garbage")
        ),
        st.tuples(
            st.sampled_from(["Expires", "Min-Expires", "Retry-After"]),
            st.sampled_from(["0", "1", "60", "7200", "99999999999999", "-1", "soon", "٣"]),
        ),
        st.tuples(
            st.just("Contact"),
            st.sampled_from(
                [f"<{CONTACT}>;expires=30", "<sip:a.example>", "<sip:b.example>", "*", "<<", "<tel:1>"]
            ),
        ),
        st.tuples(st.just("Service-Route"), st.sampled_from(["<sip:r.example;lr>", "nonsense <"])),
    ),
    max_size=4,
)
answers = st.tuples(
    st.sampled_from([100, 200, 200, 301, 302, 400, 401, 401, 403, 404, 407, 408, 423, 500, 503, 603]), headers
)


class World:
    """A client whose requests are all looked at."""

    def __init__(self, seed: int) -> None:
        account = DigestAccount("me", "secret", Random(seed), "ours")
        aor, registrar = Uri.parse("sip:me@ours.example"), Uri.parse("sip:ours.example")
        self.client = Registration(RegistrationSettings(aor, registrar), account, Random(seed))
        self.now = 0.0
        self.answered = 0
        """In the attempt that goes on."""
        self.sent_at: list[float] = []

    def request(self) -> Request:
        request = self.client.request(CONTACT)
        self.sent_at.append(self.now)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in request.get_all(name):
                assert (parse_digest(value) or {})["realm"] == "ours"
        return request

    def due(self, effects: list[ClientEffect]) -> bool:
        return any(isinstance(effect, SendRegister) for effect in effects)


@given(st.integers(), st.lists(answers, max_size=30), st.integers(0, 40))
def test_a_client_survives_every_registrar(
    seed: int, script: list[tuple[int, list[tuple[str, str]]]], stop_after: int
) -> None:
    world = World(seed)
    due = world.due(world.client.start(0.0))
    in_attempt = 0
    for step, (status, fields) in enumerate(script):
        if step == stop_after:
            due = world.due(world.client.stop(world.now)) or due
        if not due:
            if world.client.deadline is None:
                break
            world.now = max(world.now, world.client.deadline)
            due, in_attempt = world.due(world.client.tick(world.now)), 0
            continue
        request = world.request()
        effects = world.client.receive(response_to(request, status, headers=fields), world.now)
        if status in (401, 407) and world.due(effects):
            in_attempt += 1
            assert in_attempt <= 2 * MAX_ANSWERS  # an attempt to register, and one to take it back
        due = world.due(effects) or status < 200
        assert isinstance(world.client.state, RegistrationState)
    assert all(world.sent_at.count(moment) <= MOST_AT_ONCE + len(script) // 2 for moment in world.sent_at)


@given(st.integers(), st.lists(st.integers(300, 699), max_size=20))
def test_a_client_that_is_refused_always_has_a_next_time(seed: int, statuses: list[int]) -> None:
    world = World(seed)
    due = world.due(world.client.start(0.0))
    for status in statuses:
        while due:
            due = world.due(world.client.receive(response_to(world.request(), status), world.now))
        assert world.client.state is RegistrationState.FAILED
        assert world.client.reason
        assert world.client.deadline is not None
        assert world.client.deadline >= world.now + 15
        world.now = world.client.deadline
        due = world.due(world.client.tick(world.now))
        assert due
