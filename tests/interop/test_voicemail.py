"""Baresip leaves a message in `myphone serve`, and another one hears it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from media.wav import HEADER_BYTES
from tests.interop.baresip import Baresip
from tests.interop.conftest import Softphones
from tests.interop.programs import PATIENCE_SECONDS, until
from tests.interop.server import Server
from tests.interop.tones import AMPLITUDE, level, read_samples

CALLER_HZ, OWNER_HZ = 440.0, 1000.0
MESSAGE_SECONDS = 8.0
KEY_SECONDS = 0.4
"""Between one key and the next, as fingers have it."""


def said(folder: Path) -> float:
    """How many seconds of a message have been recorded that is not whole yet."""
    parts = list((folder / "incoming").glob(".131-130-*.part"))
    return sum(path.stat().st_size - HEADER_BYTES for path in parts if path.exists()) / 16000


def hears_within(phone: Baresip, hertz: float, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if phone.hears(hertz):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.row("VM-01", "VM-02", "VM-05", "VM-06", "VM-09", "VM-35", "VM-39")
def test_a_message_is_left_by_one_phone_and_heard_by_another(server: Server, softphone: Softphones) -> None:
    caller, owner = softphone("130", CALLER_HZ), softphone("131", OWNER_HZ)
    folder = server.folder / "data" / "voicemail"
    caller.dial("*4131")
    caller.wait_for("CALL_ESTABLISHED")
    until(lambda: said(folder) > MESSAGE_SECONDS, "a recording", 2 * PATIENCE_SECONDS)
    caller.press("#")
    caller.wait_for("CALL_CLOSED")
    [message] = (folder / "131").glob("130-*.wav")
    sound = read_samples(message)
    assert level(sound, CALLER_HZ) > AMPLITUDE / 2
    assert level(sound, OWNER_HZ) < AMPLITUDE / 50
    listens = False
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    while not listens:  # on a machine with much to do a pause may have ended what was being typed
        assert time.monotonic() < deadline, "no message is heard"
        owner.dial("999")
        owner.wait_for("CALL_ESTABLISHED")
        for key in "#131#*":
            owner.press(key)
            time.sleep(KEY_SECONDS)
        listens = hears_within(owner, CALLER_HZ, 2 * MESSAGE_SECONDS)
        if not listens:
            owner.hang_up()
            owner.wait_for("CALL_CLOSED")
    owner.press("3")
    left = folder / "131"
    until(lambda: not list(left.glob("*.wav")), "the message to be deleted", 2 * PATIENCE_SECONDS)
    owner.hang_up()
    owner.wait_for("CALL_CLOSED")
