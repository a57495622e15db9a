"""SIPp wants more than RFC 3261 of a call: reliable provisional responses, and a timer for the session."""

from __future__ import annotations

from tests.interop.conftest import Phones


def test_provisional_responses_are_reliable_on_both_sides(phone: Phones) -> None:
    """RFC 3262: the caller requires it, and so does the phone that rings; each side has its own PRACK."""
    caller, callee = phone("124", 124), phone("125", 125)
    callee.run("register")
    answering = callee.start("callee_reliable")
    caller.run("caller_reliable", dial="125")
    callee.finish(answering, "callee_reliable")


def test_a_session_has_a_timer(phone: Phones) -> None:
    """RFC 4028: what is too short gets 422, and a session is refreshed at half its time."""
    caller, callee = phone("126", 126), phone("127", 127)
    callee.run("register")
    answering = callee.start("callee")
    caller.run("caller_times", dial="127")
    callee.finish(answering, "callee")
