"""SIPp, a SIP stack by other hands, plays phones of all sorts against `myphone serve`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.conftest import Phones
from tests.interop.server import Server
from tests.interop.sipp import SippPhone


@pytest.mark.row("CORE-02", "CORE-23", "SFT-06")
def test_digest_registration(phone: Phones) -> None:
    phone("100", 100).run("register")


@pytest.mark.row("CORE-23")
def test_wrong_password(server: Server, network: str, tmp_path: Path) -> None:
    SippPhone(tmp_path, f"{network}.101", "101", "wrong", server.address).run("wrong_password")


@pytest.mark.row("CORE-10")
def test_unregistration(phone: Phones) -> None:
    leaving = phone("102", 102)
    leaving.run("register")
    leaving.run("unregister")
    phone("103", 103).run("caller_finds_nobody", dial="102")


@pytest.mark.parametrize(
    ("scenario", "place"), [("caller", 110), ("caller_late_offer", 112), ("caller_reinvites", 114)]
)
@pytest.mark.row("CORE-03", "CORE-23", "SFT-06")
def test_call(phone: Phones, scenario: str, place: int) -> None:
    """Both roles: one SIPp calls, with credentials; the other is registered and answers."""
    caller, callee = phone(str(place), place), phone(str(place + 1), place + 1)
    callee.run("register")
    answering = callee.start("callee")
    calling = caller.start(scenario, dial=callee.number)
    for number in (2, 3, 4) if scenario == "caller_reinvites" else ():
        caller.go_on(calling, scenario, after=f"^CSeq: {number} ACK")
    caller.finish(calling, scenario)
    callee.finish(answering, "callee")


def test_cancel(phone: Phones) -> None:
    caller, callee = phone("120", 120), phone("121", 121)
    callee.run("register")
    ringing = callee.start("callee_rings")
    caller.run("caller_cancels", dial=callee.number)
    callee.finish(ringing, "callee_rings")


def test_a_repeated_invite_makes_one_call(phone: Phones) -> None:
    """RFC 3261 section 17.2.3: equal branches are one transaction."""
    caller, callee = phone("122", 122), phone("123", 123)
    callee.run("register")
    answering = callee.start("callee")
    caller.run("caller_repeats", dial=callee.number)
    callee.finish(answering, "callee")
    invites = re.findall(r"^INVITE .*?^Call-ID: *(\S+)", callee.trace("callee").read_text(), re.M | re.S)
    assert len(invites) == 1
