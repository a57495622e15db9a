"""Who watches: SIPp has a lamp key, baresip shows presence and the message lamp."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.conftest import Phones, Softphones
from tests.interop.server import Server
from tests.interop.sipp import SippPhone

LEE_HZ, RICHARDSON_HZ, TAYLOR_HZ = 440.0, 800.0, 1000.0


@pytest.mark.row("PRES-17")
def test_a_lamp_follows_a_call(softphone: Softphones, phone: Phones) -> None:
    watcher, lee = phone("128", 128), softphone("130", LEE_HZ)
    richardson = softphone("131", RICHARDSON_HZ, auto_answer=True)
    watching = watcher.start("watcher", dial="131")
    watching.wait_until(lambda: lamp(watcher) == ["terminated"], "the first state")
    lee.dial("131")
    watching.wait_until(
        lambda: lamp(watcher)[-2:] == ["confirmed", "confirmed"], "the state after the refresh"
    )
    richardson.hang_up()
    watcher.finish(watching, "watcher")
    assert lamp(watcher)[-1] == "terminated"


def lamp(watcher: SippPhone) -> list[str]:
    """What the lamp has been told so far, in order."""
    told = watcher.trace("watcher")
    return re.findall(r"^<dialog .*?<state>(\w+)</state>", told.read_text(), re.M) if told.exists() else []


def test_an_unknown_event_is_refused_with_those_that_are_known(phone: Phones) -> None:
    phone("129", 129).run("watcher_unknown", dial="131")


def test_a_stranger_watches_nobody(server: Server, network: str, tmp_path: Path) -> None:
    SippPhone(tmp_path, f"{network}.132", "132", "wrong", server.address).run("watcher_stranger", dial="131")


@pytest.mark.row("PRES-17", "SFT-06")
def test_a_softphone_shows_presence(softphone: Softphones) -> None:
    lee = softphone("130", LEE_HZ, contacts=["131"])
    lee.wait_for_text("<basic>closed</basic>")  # what it hears first it does not show
    richardson = softphone("131", RICHARDSON_HZ)
    lee.wait_until_shown("131", "Online")
    taylor = softphone("132", TAYLOR_HZ, auto_answer=True)
    richardson.dial("132")
    lee.wait_until_shown("131", "Busy")
    taylor.wait_for("CALL_ESTABLISHED")
    taylor.hang_up()
    lee.wait_until_shown("131", "Online")
    richardson.switch_off()
    lee.wait_until_shown("131", "Offline")


@pytest.mark.row("VM-37", "SFT-06")
def test_a_softphone_shows_how_many_messages_there_are(softphone: Softphones) -> None:
    """Told at once, and again when it changes; the counts come from a plug-in of the test's own."""
    lee = softphone("130", LEE_HZ, message_lamp=True)
    lee.wait_for_text("Messages-Waiting: no")
    for new in (3, 0):
        lee.dial(f"*88{new}")
        lee.wait_for_text(f"Voice-Message: {new}/0")
        lee.wait_for("CALL_CLOSED")


@pytest.mark.row("PRES-17")
def test_a_lamp_key_picks_up_what_rings(softphone: Softphones, phone: Phones) -> None:
    """INVITE with Replaces (RFC 3891). SIPp, which picks up, echoes what it hears."""
    lee, richardson, picker = softphone("130", LEE_HZ), softphone("131", RICHARDSON_HZ), phone("128", 128)
    lee.dial("131")
    lee.wait_for("CALL_RINGING")
    picking = picker.start("picker", dial="131")
    lee.wait_until_hears(LEE_HZ)
    richardson.wait_for("CALL_CLOSED")
    lee.hang_up()
    picker.finish(picking, "picker")
