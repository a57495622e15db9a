"""Reliable responses, early changes, session timers, and two users who do anything at any time (RFC 3262, 3311, 4028).

The stories and the pipe are those of `test_sessions`; here both sides know more, so more can cross.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings

from sipcore.dialog.invite import InviteSession
from sipcore.dialog.offer_answer import OfferState
from sipcore.dialog.session import SessionState
from sipcore.dialog.session_timer import TimerSettings
from sipcore.effects import Accepted, Answered, Effect, OfferRefused, Progressed
from sipcore.endpoint import EndpointSettings
from sipcore.syntax.message import Request
from tests.property.test_sessions import (
    Step,
    Talk,
    User,
    assert_every_session_ended_once,
    impairments,
    steps,
)
from tests.unit.sipcore.pair import TIMEOUT, Pair, Side, assert_empty

QUIET_SECONDS = 6 * TIMEOUT
"""64*T1 for a PRACK that never comes, and then as long as a session without reliable responses may take."""


class ReliableUser(User):
    """One who makes and answers offers while it rings, too."""

    def __init__(self, side: Side) -> None:
        super().__init__(side)
        self.open_changes: dict[InviteSession, int] = {}
        """Changes of ours that have had no end yet."""

    def actions(self, talk: Talk) -> list[Callable[[], None]]:
        actions = super().actions(talk)
        if talk.state == "ringing":
            early: list[Callable[[], None]] = []
            if talk.owes_answer:
                early.append(lambda: self.acknowledge(talk))
            if talk.offered:
                early += [lambda: self.answer(talk), lambda: self.refuse(talk)]
            if talk.session.can_update:
                early.append(lambda: self.do(talk, "update", self.offer()))
            if not talk.calls:
                early.append(lambda: self.do(talk, "progress", 183, self.offer()))
            actions = early + actions
        return actions

    def do(self, talk: Talk, verb: str, *arguments: Any) -> None:
        if verb in ("update", "modify"):
            self.open_changes[talk.session] = self.open_changes.get(talk.session, 0) + 1
        super().do(talk, verb, *arguments)

    def hang_up(self, talk: Talk) -> None:
        setting_up = talk.session.state is SessionState.SETTING_UP  # though a 2xx may wait for a PRACK
        super().hang_up(talk)
        talk.refused_by_us = not talk.calls and setting_up

    def settle_down(self) -> None:
        for talk in list(self.talks.values()):
            if talk.state == "ringing" and talk.owes_answer:
                self.acknowledge(talk)
            if talk.state == "ringing" and talk.offered:
                self.answer(talk)
        super().settle_down()

    def over(self, talk: Talk, fact: Effect) -> None:
        super().over(talk, fact)
        if talk.state == "new":  # what was offered in the attempt that has been challenged is gone with it
            talk.owes_answer = False

    def follow(self, talk: Talk, fact: Effect) -> None:
        super().follow(talk, fact)
        if isinstance(fact, Progressed):
            owes = talk.late and fact.description is not None and "100rel" in fact.response.require
            talk.owes_answer = talk.owes_answer or (
                owes and talk.session.offers.state is OfferState.REMOTE_OFFER
            )
        elif isinstance(fact, Accepted):
            talk.owes_answer = fact.description is not None and talk.late
        elif isinstance(fact, Answered | OfferRefused):
            self.open_changes[talk.session] -= 1
            assert self.open_changes[talk.session] == 0, "an offer had two ends"


def make_pair() -> Pair:
    return Pair(settings=EndpointSettings(reliable=True, session_timers=TimerSettings(100)))


def play(pair: Pair, story: list[Step]) -> tuple[ReliableUser, ReliableUser]:
    users = ReliableUser(pair.caller), ReliableUser(pair.callee)
    for wait, user, which, choice in story:
        users[user].act(which, choice)
        if wait:
            pair.advance(wait)
    return users


@settings(max_examples=200)
@given(steps, impairments())
def test_whatever_happens_every_session_ends_once_and_nothing_is_left(
    story: list[Step], route: Callable[[str], list[float]]
) -> None:
    pair = make_pair()
    pair.route = route
    users = play(pair, story)
    for user in users:
        user.leave()
    pair.advance(QUIET_SECONDS)
    assert_every_session_ended_once(users)
    assert_empty(pair.caller.endpoint)
    assert_empty(pair.callee.endpoint)


@example(  # an offer in a reliable 183, a challenge, and a new attempt in which nothing has been offered yet
    [(0.01, 1, 0, 1), (0.0, 0, 1, 0), (0.0, 0, 1, 6), (0.0, 0, 0, 0), (0.01, 0, 0, 0), (0.0, 0, 2, 2)],
    lambda _: [0.0],
)
@settings(max_examples=150)
@given(steps, impairments())
def test_when_the_dust_settles_both_sides_have_agreed_on_the_same(
    story: list[Step], route: Callable[[str], list[float]]
) -> None:
    """Each offer was answered once, and the session lives on by its refreshes."""
    pair = make_pair()
    pair.route = route
    users = play(pair, story)
    pair.heal()
    for _ in range(6):
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
        assert session.timer.interval == other.timer.interval == 100
        assert session.timer.refreshes is not other.timer.refreshes
    for user in users:
        assert all(
            count == 0
            for session, count in user.open_changes.items()
            if user.talks[session].state == "answered"
        )


@settings(max_examples=50)
@given(steps, impairments())
def test_a_reliable_response_is_acknowledged_by_one_prack(
    story: list[Step], route: Callable[[str], list[float]]
) -> None:
    pair = make_pair()
    pair.route = route
    play(pair, story)
    for side in (pair.caller, pair.callee):
        pracks = {
            (message.call_id, message.cseq.number): message.get("RAck")
            for message in side.sent
            if isinstance(message, Request) and message.method == "PRACK"
        }
        for_what = [(call_id, rack) for (call_id, _), rack in pracks.items()]
        assert len(set(for_what)) == len(for_what)
