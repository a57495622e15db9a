"""The commands as processes, on the loopback interface: what an administrator sees, and exit codes."""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sipcore.syntax.message import Request, response_to
from sipcore.syntax.parser import parse_message
from tests.journeys.commands import PATIENCE, Demo, Run, new_certificate

# -- phones ----------------------------------------------------------------------------------------


@pytest.mark.row("CORE-02", "CORE-03", "ADM-20", "SFT-06")
def test_two_phones_talk(demo: Demo) -> None:
    called = demo.phone("101", "--answer")
    assert called.told() == {"event": "registered", "extension": "101", "server": demo.told["server"]}
    calling = demo.phone("100", "--call", "101", "--seconds", "0.2")
    exit_code, events, errors = calling.end()
    assert (exit_code, errors) == (0, "")
    assert [event["event"] for event in events] == ["registered", "calling", "answered", "ended"]
    exit_code, events, errors = called.end()
    assert (exit_code, errors) == (0, "")
    assert [event["event"] for event in events] == ["answered", "ended"]
    assert demo.stop()[0] == 0


def test_a_call_to_nobody(demo: Demo) -> None:
    """Who has no phone has voicemail; who is not there at all has nothing."""
    exit_code, events, _ = demo.phone("100", "--call", "555").end()
    assert exit_code == 1
    assert events[-1] == {"event": "not answered", "number": "555", "status": 404}


def test_a_call_that_a_mailbox_takes(demo: Demo) -> None:
    exit_code, events, _ = demo.phone("100", "--call", "101", "--seconds", "0.2").end()
    assert exit_code == 0
    assert [event["event"] for event in events] == ["registered", "calling", "answered", "ended"]


def test_a_wrong_password(demo: Demo) -> None:
    exit_code, events, errors = demo.phone("100", password="wrong").end()
    assert (exit_code, events) == (1, [])
    assert "the password is wrong, or there is no such extension" in errors


def test_a_phone_waits_until_a_signal_ends_it(demo: Demo) -> None:
    phone = demo.phone("100")
    phone.told()
    phone.signal(signal.SIGINT)
    exit_code, events, errors = phone.end()
    assert (exit_code, errors) == (0, "")
    assert events == [{"event": "interrupted"}]


def test_a_phone_that_is_interrupted_while_it_calls_stops_the_ringing(demo: Demo) -> None:
    called = demo.phone("101")
    called.told()
    calling = demo.phone("100", "--call", "101")
    for event in ("registered", "calling"):
        assert calling.told()["event"] == event
    calling.signal(signal.SIGTERM)
    exit_code, events, errors = calling.end()
    assert (exit_code, errors) == (1, "")
    assert events == [{"event": "interrupted"}]
    assert demo.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_phone_that_is_interrupted_while_it_leaves_goes_on_leaving(
    run: Run, here: str, number: signal.Signals
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((here, 5060))
        where = ("--server", here, "--listen", here)
        phone = run("phone", "100", *where, "--seconds", "0.01", "--json", password="x")
        server.settimeout(PATIENCE)
        data, source = server.recvfrom(4096)
        request = parse_message(data, stream=False)
        assert isinstance(request, Request)
        server.sendto(response_to(request, 200).to_bytes(), source)
        while b"Expires: 0" not in server.recv(
            4096
        ):  # which nobody answers; before it there may be repetitions
            pass
        phone.signal(number)
        exit_code, _, errors = phone.end()
    assert (exit_code, errors) == (0, "")


@pytest.mark.skipif(
    not entry_points(group="myphone.features"),
    reason="features are found once the package is installed: pip install -e .",
)
def test_the_echo_answers(demo: Demo) -> None:
    exit_code, events, _ = demo.phone("100", "--call", "*777", "--seconds", "0.2").end()
    assert exit_code == 0
    assert events[-2]["event"] == "answered"


# -- the system ------------------------------------------------------------------------------------


def test_a_stop_hangs_up_and_frees_the_ports(demo: Demo, here: str) -> None:
    called = demo.phone("101", "--answer")
    called.told()
    calling = demo.phone("100", "--call", "101")
    for event in ("registered", "calling", "answered"):
        assert calling.told()["event"] == event
    exit_code, logs = demo.stop()
    assert exit_code == 0
    assert [event["event"] for event in calling.end()[1]] == ["ended"]
    assert [event["event"] for event in called.end()[1]] == ["answered", "ended"]
    assert [json.loads(line)["level"] for line in logs.splitlines()] == ["info"] * 3
    with socket.create_server((here, 5060)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind((here, 5060))


def test_passwords_survive_a_restart(run: Run, here: str, demo: Demo) -> None:
    assert demo.stop()[0] == 0
    assert Demo(run, here, demo.folder).passwords == demo.passwords


def test_a_port_in_use_is_named(run: Run, here: str, demo: Demo, tmp_path: Path) -> None:
    second = run("demo", "--listen", here, "--data-dir", tmp_path / "another")
    exit_code, _, errors = second.end()
    assert exit_code == 1
    assert f"myphone: --port: UDP port 5060 at {here} is used by another program" in errors


def test_a_port_that_is_free_is_not_named(run: Run, here: str, tmp_path: Path) -> None:
    with socket.create_server((here, 5060)):
        exit_code, _, errors = run("demo", "--listen", here, "--data-dir", tmp_path).end()
    assert exit_code == 1
    assert f"myphone: --port: TCP port 5060 at {here} is used by another program" in errors
    assert "UDP port" not in errors


def test_without_a_free_port_for_sound_nothing_starts(run: Run, here: str, tmp_path: Path) -> None:
    with ExitStack() as used:
        for port in (23000, 23002):
            used.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind((here, port))
        options = ("--listen", here, "--data-dir", tmp_path, "--media-ports", "23000-23003")
        exit_code, _, errors = run("demo", *options).end()
    assert exit_code == 1
    assert f"myphone: --media-ports: no two UDP ports of 23000 to 23003 at {here} are free" in errors


def test_a_closed_terminal_ends_the_demo(demo: Demo) -> None:
    demo.process.signal(signal.SIGHUP)
    assert demo.process.end()[0] == 0


def test_a_data_folder_that_cannot_be_used_stops_the_start(run: Run, here: str, tmp_path: Path) -> None:
    (tmp_path / "myphone.toml").write_text(f'[sip]\nlisten = "{here}"\n[store]\ndata_dir = "myphone.toml"\n')
    exit_code, _, errors = run("serve", "--config", tmp_path / "myphone.toml").end()
    assert exit_code == 1
    assert f"myphone: store.data_dir: {tmp_path / 'myphone.toml'} cannot be used (File exists)" in errors


def test_a_trace_holds_the_messages_but_no_secret(run: Run, here: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    demo = Demo(run, here, tmp_path, "--trace", "100", "--trace-file", trace)
    assert demo.phone("100", "--seconds", "0.1").end()[0] == 0
    assert demo.phone("101", "--seconds", "0.1").end()[0] == 0
    assert demo.stop()[0] == 0
    text = trace.read_text()
    assert "REGISTER sip:" in text
    assert "SIP/2.0 200 OK" in text
    assert "sip:101@" not in text
    assert re.search(r"^    Authorization: \[redacted\]$", text, re.MULTILINE)
    assert "response=" not in text


# -- a configuration of one's own ------------------------------------------------------------------


TLS_ONLY = """
[sip]
listen = "{host}"
udp_port = 0
tcp_port = 0
certificate = "pbx.crt"
key = "pbx.key"
[media]
workers = 0
[[extensions]]
number = "100"
password = "correct horse"
"""


def test_a_certificate_is_renewed_while_running(run: Run, here: str, tmp_path: Path) -> None:
    new_certificate(tmp_path, here)
    (tmp_path / "myphone.toml").write_text(TLS_ONLY.format(host=here))
    system = run("serve", "--config", tmp_path / "myphone.toml")
    system.wait_for_log("ready")

    def phone() -> int:
        options = ("--server", here, "--listen", here, "--transport", "tls", "--ca", tmp_path / "ca.crt")
        exit_code, _, _ = run(
            "phone", "100", *options, "--json", "--seconds", "0.1", password="correct horse"
        ).end()
        return exit_code

    assert phone() == 0
    key = (tmp_path / "pbx.key").read_bytes()
    (tmp_path / "pbx.key").write_text("spoilt")
    system.signal(signal.SIGHUP)
    system.wait_for_log("certificate not reloaded: sip.certificate: cannot be used with sip.key")
    assert phone() == 0
    (tmp_path / "pbx.key").write_bytes(key)
    new_certificate(tmp_path, here)
    assert phone() == 1
    system.signal(signal.SIGHUP)
    system.wait_for_log("certificate reloaded")
    assert phone() == 0
    system.signal(signal.SIGTERM)
    assert system.end()[0] == 0
