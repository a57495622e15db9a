"""Two baresip softphones call each other through `myphone serve`: each hears the other, not itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.baresip import Account, Baresip
from tests.interop.server import PASSWORD, Server
from tests.interop.tones import AMPLITUDE, level, voiced

CALLER_HZ, CALLEE_HZ = 440.0, 1000.0
SECONDS = 2.0

FIRST_PORTS = {"udp": 24000, "tcp": 24100, "tls": 24200}


@pytest.mark.row("CORE-01", "CORE-03", "SFT-06", "ADM-20")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_two_phones_talk(transport: str, server: Server, certificate_authority: Path, tmp_path: Path) -> None:
    port = FIRST_PORTS[transport]
    assert talk(tmp_path, server, certificate_authority, transport, port) == (False, False)


@pytest.mark.parametrize(
    ("transport", "port", "calling", "called", "secured"),
    [
        ("udp", 24300, "srtp", "", (True, False)),
        ("udp", 24400, "srtp-mand", "srtp", (True, False)),
        ("tls", 24500, "srtp-mand", "srtp-mand", (True, True)),
        ("tls", 24600, "", "srtp", (False, True)),
    ],
)
def test_each_phone_has_srtp_as_far_as_it_wants_it(
    transport: str,
    port: int,
    calling: str,
    called: str,
    secured: tuple[bool, bool],
    server: Server,
    certificate_authority: Path,
    tmp_path: Path,
) -> None:
    """The server offers it over TLS."""
    assert talk(tmp_path, server, certificate_authority, transport, port, calling, called) == secured


def talk(
    folder: Path,
    server: Server,
    certificate_authority: Path,
    transport: str,
    port: int,
    calling: str = "",
    called: str = "",
) -> tuple[bool, bool]:
    """One phone calls the other, and they hear each other; which of both had SRTP."""
    address = f"{server.address}:{5061 if transport == 'tls' else 5060}"
    with (
        Baresip(
            folder / "caller",
            Account("130", PASSWORD, address, transport),
            first_port=port,
            tone_hz=CALLER_HZ,
            certificate_authority=certificate_authority,
            encryption=calling,
        ) as caller,
        Baresip(
            folder / "callee",
            Account("131", PASSWORD, address, transport),
            first_port=port + 40,
            tone_hz=CALLEE_HZ,
            auto_answer=True,
            certificate_authority=certificate_authority,
            encryption=called,
        ) as callee,
    ):
        caller.wait_until_registered()
        callee.wait_until_registered()
        caller.dial("131")
        caller.wait_for("CALL_ESTABLISHED")
        caller.wait_until_heard(SECONDS)
        callee.wait_until_heard(SECONDS)
        caller.hang_up()
        callee.wait_for("CALL_CLOSED")
    assert_hears(caller, other_hz=CALLEE_HZ, own_hz=CALLER_HZ)
    assert_hears(callee, other_hz=CALLER_HZ, own_hz=CALLEE_HZ)
    return caller.secured, callee.secured


def assert_hears(phone: Baresip, *, other_hz: float, own_hz: float) -> None:
    """The other's tone at its full level, and nothing of the phone's own: 40 dB below at least."""
    samples = voiced(phone.heard())
    assert len(samples) > SECONDS * 8000 / 2
    assert level(samples, other_hz) == pytest.approx(AMPLITUDE, rel=0.1)
    assert level(samples, own_hz) < AMPLITUDE / 100
