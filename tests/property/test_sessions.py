"""Two endpoints over a pipe that loses, repeats and reorders, and two users who do anything at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import OfferState
from sipcore.effects import (
    Accepted,
    Acknowledged,
    Cancelled,
    Effect,
    Ended,
    Invited,
    Offered,
    Progressed,
    Rejected,
    RequestInDialog,
)
from sipcore.endpoint import EndpointSettings
from sipcore.syntax.message import Request, response_to
from sipcore.transport.flow import Transport
from tests.unit.sipcore.pair import ANSWER, OFFER, TIMEOUT, Pair, Side, assert_empty, description

TERMINAL = (Rejected, Cancelled, Ended)
MOST_CALLS = 3
QUIET_SECONDS = 4 * TIMEOUT
"""64*T1 for an ACK that a BYE waits for, 64*T1 for that BYE, and 64*T1 in which its repetitions are absorbed."""


@dataclass
class Talk:
    """What a user knows of one session."""

    session: Any
    calls: bool
    """Whether this user began it."""
    late: bool
    """Whether it began without an offer."""
    state: str = "new"
    """new, ringing (the called side may be asked things), answered, or over."""
    terminal: Effect | None = None
    offered: bool = False
    """The peer's change waits for our answer."""
    owes_answer: bool = False
    """To the offer in a 2xx."""
    acknowledged: bool = False
    authorized: bool = False
    refused_by_us: bool = False


class User:
    """Whoever speaks through one side. Does only what its knowledge allows: then no verb may raise anything."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.talks: dict[InviteSession, Talk] = {}
        self.leaving = False
        self.changes = 0
        side.on_fact = self.told

    # -- verbs ------------------------------------------------------------------------------------------

    def act(self, which: int, choice: int) -> None:
        """Do one of all the things that make sense now."""
        talks = [talk for talk in self.talks.values() if talk.state != "over"]
        if talks and which:
            actions = self.actions(talks[which % len(talks)])
        elif len(self.talks) < MOST_CALLS:
            actions = [self.call, self.call_without_offer]
        else:
            return
        actions[choice % len(actions)]()

    def call(self) -> None:
        session = self.side.invite(OFFER)
        self.talks[session] = Talk(session, calls=True, late=False)

    def call_without_offer(self) -> None:
        session = self.side.invite(None)
        self.talks[session] = Talk(session, calls=True, late=True)

    def actions(self, talk: Talk) -> list[Callable[[], None]]:
        def verb(name: str, *arguments: Any) -> Callable[[], None]:
            return lambda: self.do(talk, name, *arguments)

        actions: list[Callable[[], None]] = []
        if talk.state == "answered":
            if talk.owes_answer:
                actions.append(lambda: self.acknowledge(talk))
            if talk.offered:
                actions += [lambda: self.answer(talk), lambda: self.refuse(talk)]
            if talk.session.can_change:
                actions += [verb("modify", self.offer()), verb("update", self.offer())]
        elif not talk.calls:
            actions += [lambda: self.accept(talk), verb("progress", 180), verb("progress", 183, ANSWER)]
            actions += [
                lambda: self.accept(talk),
                lambda: self.reject(talk, 486),
                lambda: self.reject(talk, 401),
            ]
        if talk.state != "new":
            actions.append(verb("send_request", "INFO"))
        if talk.calls or talk.state == "answered":
            actions += [lambda: None] * 3  # so that hanging up is rarer
        return [*actions, lambda: self.hang_up(talk)]

    def do(self, talk: Talk, verb: str, *arguments: Any) -> None:
        self.side.session = talk.session
        if verb == "progress" and len(arguments) > 1:
            self.side.do(verb, arguments[0], description=arguments[1])
        else:
            self.side.do(verb, *arguments)

    def offer(self) -> Any:
        """A description unlike all before."""
        self.changes += 1
        return description(f"{self.side.arrow}{self.changes}")

    def accept(self, talk: Talk) -> None:
        talk.state = "answered"
        self.do(talk, "accept", self.offer())

    def acknowledge(self, talk: Talk) -> None:
        talk.owes_answer = False
        self.do(talk, "acknowledge", self.offer())

    def answer(self, talk: Talk) -> None:
        talk.offered = False
        self.do(talk, "answer", self.offer())

    def refuse(self, talk: Talk) -> None:
        talk.offered = False
        self.do(talk, "refuse", 488)

    def reject(self, talk: Talk, status: int) -> None:
        talk.state, talk.refused_by_us = "over", True
        self.do(talk, "reject", status)

    def hang_up(self, talk: Talk) -> None:
        talk.refused_by_us = not talk.calls and talk.state == "ringing"
        talk.state = "over"
        self.do(talk, "hang_up")

    def leave(self) -> None:
        """Hang up everything, and whatever may still come."""
        self.leaving = True
        for talk in list(self.talks.values()):
            if talk.state != "over":
                self.hang_up(talk)

    def settle_down(self) -> None:
        """Give every answer that is owed."""
        for talk in list(self.talks.values()):
            if talk.owes_answer and talk.state == "answered":
                self.acknowledge(talk)
            if talk.offered and talk.state == "answered":
                self.answer(talk)

    # -- facts ------------------------------------------------------------------------------------------

    def told(self, fact: Effect) -> None:
        if isinstance(fact, Invited):
            late = fact.offer is None
            self.talks[fact.session] = Talk(fact.session, calls=False, late=late, state="ringing")
            if self.leaving:
                self.hang_up(self.talks[fact.session])
            return
        talk = self.talks[fact.session]
        assert talk.terminal is None, f"{fact} after {talk.terminal}"
        if isinstance(fact, TERMINAL):
            self.over(talk, fact)
        elif isinstance(fact, RequestInDialog):
            response = response_to(fact.request, 200)
            self.side.perform(self.side.endpoint.respond(fact.transaction, response, self.side.pair.now))
        elif talk.state != "over":
            self.follow(talk, fact)

    def over(self, talk: Talk, fact: Effect) -> None:
        challenged = isinstance(fact, Rejected) and fact.response.status == 401
        if challenged and talk.state != "over" and not talk.authorized:
            talk.authorized, talk.state = True, "new"
            self.side.session = talk.session
            self.side.do("authorize", "Authorization", "Digest x")
            return
        talk.terminal, talk.state = fact, "over"

    def follow(self, talk: Talk, fact: Effect) -> None:
        if isinstance(fact, Progressed):
            talk.state = "ringing"
        elif isinstance(fact, Accepted):
            talk.state, talk.owes_answer = "answered", talk.late
        elif isinstance(fact, Acknowledged):
            talk.acknowledged = True
        elif isinstance(fact, Offered):
            assert not talk.offered, "two offers of the peer at once"
            assert talk.calls or not talk.late or talk.acknowledged, (
                "an offer while ours in the 2xx is pending"
            )
            assert not self.pending_offers(talk), "an offer while ours is pending"
            talk.offered = True

    def pending_offers(self, talk: Talk) -> set[int]:
        """The CSeq numbers of offers sent within this session that have had no final response."""
        call_id, pending = talk.session.dialog.call_id, set()
        for message in self.side.sent:
            if isinstance(message, Request) and message.method in ("INVITE", "UPDATE") and message.to.tag:
                pending.add((message.call_id, message.cseq.number))
        for message in self.side.received:
            if not isinstance(message, Request) and message.status >= 200:
                pending.discard((message.call_id, message.cseq.number))
        return {number for call, number in pending if call == call_id}


Step = tuple[float, int, int, int]
"""Seconds to wait, user, session, and what to do."""

steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.0, 3.0, 10.0, 40.0]),
        st.integers(0, 1),
        st.integers(0, 2 * MOST_CALLS - 1),
        st.integers(0, 11),
    ),
    max_size=40,
)


@st.composite
def impairments(draw: st.DrawFn) -> Callable[[str], list[float]]:
    """How long each copy of a message takes, if any arrives."""
    random = Random(draw(st.integers(0, 2**32)))
    loss = draw(st.sampled_from([0.0, 0.1, 0.3, 0.6]))
    repeated = draw(st.sampled_from([0.0, 0.2]))
    longest = draw(st.sampled_from([0.0, 0.05, 0.7, 5.0]))

    def route(line: str) -> list[float]:
        copies = 2 if random.random() < repeated else 1
        return [random.uniform(0, longest) for _ in range(copies) if random.random() >= loss]

    return route


def play(pair: Pair, story: list[Step]) -> tuple[User, User]:
    """Let two users act."""
    users = User(pair.caller), User(pair.callee)
    for wait, user, which, choice in story:
        users[user].act(which, choice)
        if wait:
            pair.advance(wait)
    return users


def assert_every_session_ended_once(users: tuple[User, User]) -> None:
    for user in users:
        for talk in user.talks.values():
            assert (talk.terminal is None) is talk.refused_by_us


@settings(max_examples=150)
@given(steps, impairments())
def test_whatever_happens_every_session_ends_once_and_nothing_is_left(
    story: list[Step], route: Callable[[str], list[float]]
) -> None:
    pair = Pair()
    pair.route = route
    users = play(pair, story)
    for user in users:
        user.leave()
    pair.advance(QUIET_SECONDS)
    assert_every_session_ended_once(users)
    assert_empty(pair.caller.endpoint)
    assert_empty(pair.callee.endpoint)


@settings(max_examples=100)
@given(steps, impairments())
def test_when_the_dust_settles_both_sides_have_agreed_on_the_same(
    story: list[Step], route: Callable[[str], list[float]]
) -> None:
    pair = Pair()
    pair.route = route
    users = play(pair, story)
    pair.heal()
    for _ in range(4):  # changes that met a 491 come again, and want an answer again
        pair.advance(TIMEOUT)
        for user in users:
            user.settle_down()
    pair.advance(TIMEOUT)
    agreed = [
        {
            talk.session.dialog.call_id: talk.session
            for talk in user.talks.values()
            if talk.state == "answered"
        }
        for user in users
    ]
    assert agreed[0].keys() == agreed[1].keys()
    for call_id, session in agreed[0].items():
        other = agreed[1][call_id]
        assert session.offers.state is other.offers.state is OfferState.STABLE
        assert session.local_description == other.remote_description is not None
        assert session.remote_description == other.local_description is not None


@given(steps, st.sampled_from([0.0, 0.05, 2.0]))
def test_nothing_outlives_a_connection(story: list[Step], delay: float) -> None:
    pair = Pair(Transport.TCP)
    pair.route = lambda line: [delay]
    users = play(pair, story)
    pair.lose()
    for user in users:
        user.leaving = True
        user.side.perform(user.side.endpoint.flow_closed(user.side.flow, pair.now))
    pair.discard()
    pair.assert_nothing_remains(EndpointSettings().adrift_seconds + 2 * TIMEOUT)
    assert_every_session_ended_once(users)
