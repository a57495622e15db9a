"""Baresip calls an extension that does not take the call: who is heard in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from media.wav import HEADER_BYTES
from tests.interop.baresip import assert_talk
from tests.interop.conftest import Softphones
from tests.interop.programs import until
from tests.interop.server import PASSWORD, Server
from tests.interop.tones import AMPLITUDE, level, read_samples, write_tone

CALLER_HZ, CALLED_HZ, SUBSTITUTE_HZ, GREETING_HZ = 350.0, 800.0, 1000.0, 1800.0
MESSAGE_SECONDS = 3.0
BYTES_A_SECOND = 16000

TABLES = f"""
[[extensions]]
number = "131"
password = "{PASSWORD}"
no_answer_seconds = 2
forward = {{ no_answer = "132", busy = "133", not_registered = "voicemail" }}
"""


@pytest.fixture(scope="module")
def server(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With an extension 131 that has a forward for each case, and a greeting of its own."""
    folder: Path = tmp_path_factory.mktemp("server") / "run"
    mailbox = folder / "data" / "voicemail" / "131"
    mailbox.mkdir(parents=True)
    write_tone(mailbox / "greeting.wav", GREETING_HZ, seconds=60)
    with Server(folder, f"{network}.1", ["130", "132", "133"], tables=TABLES) as server:
        yield server


@pytest.mark.row("FWD-04", "FWD-06", "FWD-54")
def test_a_call_that_nobody_answers_goes_on_to_another_extension(softphone: Softphones) -> None:
    caller, called = softphone("130", CALLER_HZ), softphone("131", CALLED_HZ)
    substitute = softphone("132", SUBSTITUTE_HZ, auto_answer=True)
    caller.dial("131")
    called.wait_for("CALL_INCOMING")
    called.wait_for("CALL_CLOSED")
    assert_talk(caller, substitute, without=called)
    caller.hang_up()
    substitute.wait_for("CALL_CLOSED")


@pytest.mark.row("CORE-21", "FWD-09", "FWD-54")
def test_a_call_to_who_is_busy_goes_on_to_another_extension(softphone: Softphones) -> None:
    """The phone that is busy is left alone."""
    caller, called = softphone("130", CALLER_HZ), softphone("131", CALLED_HZ)
    substitute = softphone("133", SUBSTITUTE_HZ, auto_answer=True)
    called.dial("*777")
    called.wait_for("CALL_ESTABLISHED")
    caller.dial("131")
    assert_talk(caller, substitute, without=called)
    assert "Incoming call" not in called.text
    substitute.hang_up()
    caller.wait_for("CALL_CLOSED")
    called.wait_until_hears(CALLED_HZ)
    called.hang_up()


@pytest.mark.row("FWD-01", "FWD-45", "FWD-52", "VM-01", "VM-39")
def test_a_caller_of_who_is_not_registered_leaves_a_message(server: Server, softphone: Softphones) -> None:
    """A key cuts the greeting short; hanging up ends the message."""
    folder = server.folder / "data" / "voicemail"
    caller = softphone("130", CALLER_HZ)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    caller.wait_until_hears(GREETING_HZ, CALLER_HZ)
    caller.press("1")
    until(lambda: recorded(folder) > MESSAGE_SECONDS, "a recording")
    caller.hang_up()
    until(lambda: list((folder / "131").glob("130-*.wav")), "the message")
    [message] = (folder / "131").glob("130-*.wav")
    sound = read_samples(message)
    assert len(sound) / 8000 > MESSAGE_SECONDS - 1
    assert level(sound, CALLER_HZ) > AMPLITUDE / 2
    assert level(sound, GREETING_HZ) < AMPLITUDE / 50


def recorded(folder: Path) -> float:
    """How many seconds there are of a message that is not whole yet."""
    total = 0
    for path in (folder / "incoming").glob(".131-130-*.part"):
        try:
            total += path.stat().st_size - HEADER_BYTES
        except FileNotFoundError:  # it has just become whole
            continue
    return total / BYTES_A_SECOND
