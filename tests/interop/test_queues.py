"""Baresip waits in a queue of `myphone serve`, and is led on by a receptionist: who is heard when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Softphones
from tests.interop.server import MUSIC_HZ, Server
from tests.interop.tones import write_tone

CALLER_HZ, AGENT_HZ, GREETING_HZ = 440.0, 1000.0, 1800.0

TABLES = """
[[queues]]
number = "804"
agents = ["131"]

[[receptionists]]
number = "800"
greeting = "{greeting}"

[receptionists.keys]
2 = "system:804"
"""


@pytest.fixture(scope="module")
def server(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a queue of one agent, and a receptionist whose key 2 leads there."""
    folder: Path = tmp_path_factory.mktemp("server")
    greeting = folder / "greeting.wav"
    write_tone(greeting, GREETING_HZ, seconds=60)
    tables = TABLES.format(greeting=greeting)
    with Server(folder / "run", f"{network}.1", ["130", "131"], tables=tables) as server:
        yield server


@pytest.mark.row("QUE-01", "ADM-13", "DC-12", "CORE-15")
def test_a_caller_chooses_the_queue_and_waits_until_an_agent_logs_in(softphone: Softphones) -> None:
    caller, agent = softphone("130", CALLER_HZ), softphone("131", AGENT_HZ, auto_answer=True)
    caller.dial("800")
    caller.wait_for("CALL_ESTABLISHED")
    caller.wait_until_hears(GREETING_HZ, MUSIC_HZ)
    caller.press("2")
    caller.wait_until_hears(MUSIC_HZ, GREETING_HZ, AGENT_HZ)
    agent.dial("*62")
    agent.wait_for("CALL_ESTABLISHED")
    agent.wait_for("CALL_CLOSED")  # it was said that he is logged in
    agent.wait_for("CALL_ESTABLISHED")
    caller.wait_until_hears(AGENT_HZ, MUSIC_HZ, CALLER_HZ)
    agent.wait_until_hears(CALLER_HZ, AGENT_HZ)
    agent.hang_up()
    caller.wait_for("CALL_CLOSED")
