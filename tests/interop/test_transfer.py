"""Transfers that baresip and SIPp ask for: whoever is left hears the other, and nobody else."""

from __future__ import annotations

import pytest

from tests.interop.baresip import assert_talk
from tests.interop.conftest import Phones, Softphones
from tests.interop.server import MUSIC_HZ

LEE_HZ, RICHARDSON_HZ, TAYLOR_HZ = 350.0, 800.0, 1000.0
RINGING_HZ = 425.0


@pytest.mark.row("CORE-12", "SFT-06")
@pytest.mark.parametrize(("by", "security"), [("caller", ""), ("callee", "srtp-mand")])
def test_blind_transfer(by: str, security: str, softphone: Softphones) -> None:
    """To a phone like the others, and to one that speaks TLS and SRTP alone."""
    caller, callee = softphone("130", LEE_HZ), softphone("131", RICHARDSON_HZ, auto_answer=True)
    transport = "tls" if security else "udp"
    target = softphone("132", TAYLOR_HZ, transport, encryption=security, auto_answer=True)
    leaves, stays = (caller, callee) if by == "caller" else (callee, caller)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    stays.wait_until_hears(leaves.tone_hz, stays.tone_hz)
    leaves.transfer("132")
    assert_talk(stays, target, without=leaves)
    assert target.secured == bool(security)
    leaves.wait_for("CALL_CLOSED")
    target.hang_up()
    stays.wait_for("CALL_CLOSED")


@pytest.mark.row("CORE-12")
def test_who_transfers_is_told_that_nobody_is_there(softphone: Softphones) -> None:
    """Baresip then hangs up by itself."""
    caller, callee = softphone("130", LEE_HZ), softphone("131", RICHARDSON_HZ, auto_answer=True)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    callee.wait_until_hears(LEE_HZ, RICHARDSON_HZ)
    caller.transfer("139")
    caller.wait_for("TRANSFER_FAILED")
    callee.wait_for("CALL_CLOSED")
    assert "transfer failed: 480" in caller.text


@pytest.mark.row("CORE-12")
def test_progress_of_a_blind_transfer(softphone: Softphones, phone: Phones) -> None:
    """RFC 3515: first 100, ringing, and at last 200, with which the subscription ends."""
    leaves, stays = phone("120", 120), softphone("131", RICHARDSON_HZ, auto_answer=True)
    target = softphone("132", TAYLOR_HZ, auto_answer=True)
    scenario = leaves.start("caller_refers", dial="131", target="132")
    stays.wait_until_hears(RICHARDSON_HZ)  # SIPp echoes
    leaves.go_on(scenario, "caller_refers", after="^CSeq: 2 ACK")
    stays.wait_until_hears(TAYLOR_HZ, RICHARDSON_HZ)
    target.wait_until_hears(RICHARDSON_HZ, TAYLOR_HZ)
    leaves.go_on(scenario, "caller_refers", after="^Subscription-State: terminated")
    leaves.finish(scenario, "caller_refers")
    first, *_, last = leaves.progress("caller_refers")
    assert (first, last) == (100, 200)
    assert_talk(stays, target)


@pytest.mark.row("CORE-12", "CORE-15")
def test_a_transfer_that_fails_gives_the_call_back(softphone: Softphones, phone: Phones) -> None:
    """SIPp echoes: who stays hears itself, then how the target rings until it declines, and itself again."""
    leaves, stays = phone("121", 121), softphone("131", RICHARDSON_HZ, auto_answer=True)
    target = phone("123", 123)
    target.run("register")
    declining = target.start("callee_declines")
    scenario = leaves.start("caller_refers", dial="131", target="123")
    stays.wait_until_hears(RICHARDSON_HZ)
    leaves.go_on(scenario, "caller_refers", after="^CSeq: 2 ACK")
    stays.wait_until_hears(RINGING_HZ, RICHARDSON_HZ)
    target.go_on(declining, "callee_declines", after="^SIP/2.0 180")
    stays.wait_until_hears(RICHARDSON_HZ, RINGING_HZ)
    leaves.go_on(scenario, "caller_refers", after="^Subscription-State: terminated")
    leaves.finish(scenario, "caller_refers")
    stays.wait_for("CALL_CLOSED")
    target.finish(declining, "callee_declines")
    assert leaves.progress("caller_refers") == [100, 180, 603]


@pytest.mark.row("CORE-13", "CORE-15", "SFT-06")
def test_attended_transfer(softphone: Softphones, phone: Phones) -> None:
    """SIPp, which echoes, is called, holds, consults, and joins the two."""
    leaves, stays = phone("122", 122), softphone("130", LEE_HZ)
    target = softphone("132", TAYLOR_HZ, auto_answer=True)
    leaves.run("register")
    scenario = leaves.start("callee_attends", dial="132")
    stays.dial("122")
    stays.wait_until_hears(LEE_HZ)
    leaves.go_on(scenario, "callee_attends", after="^ACK ")
    stays.wait_until_hears(MUSIC_HZ)
    target.wait_until_hears(TAYLOR_HZ)
    leaves.go_on(scenario, "callee_attends", after=r"^Call-ID: consultation.*\s+CSeq: 2 ACK")
    leaves.finish(scenario, "callee_attends")
    assert leaves.progress("callee_attends")[-1] == 200
    assert_talk(stays, target)
    stays.hang_up()
    target.wait_for("CALL_CLOSED")


@pytest.mark.row("CORE-13", "CORE-15")
def test_transfer_to_a_target_that_still_rings(softphone: Softphones, phone: Phones) -> None:
    """Who stays hears the ringing, and then the target."""
    leaves, stays, target = phone("124", 124), softphone("130", LEE_HZ), softphone("132", TAYLOR_HZ)
    leaves.run("register")
    scenario = leaves.start("callee_attends_early", dial="132")
    stays.dial("124")
    stays.wait_until_hears(LEE_HZ)
    leaves.go_on(scenario, "callee_attends_early", after="^ACK ")
    stays.wait_until_hears(MUSIC_HZ)
    leaves.go_on(scenario, "callee_attends_early", after="^SIP/2.0 180")
    stays.wait_until_hears(RINGING_HZ)
    target.answer()
    assert_talk(stays, target)
    leaves.finish(scenario, "callee_attends_early")
    assert leaves.progress("callee_attends_early")[-1] == 200
    target.hang_up()
    stays.wait_for("CALL_CLOSED")
