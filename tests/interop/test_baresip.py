"""Two baresip softphones call each other through `myphone serve`: each hears the other, not itself; and they write."""

from __future__ import annotations

import pytest

from tests.interop.conftest import Phones, Softphones
from tests.interop.server import MUSIC_HZ

CALLER_HZ, CALLEE_HZ = 440.0, 1000.0


@pytest.mark.row("CORE-01", "CORE-03", "SFT-06", "ADM-20")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_two_phones_talk(transport: str, softphone: Softphones) -> None:
    assert talk(softphone, transport) == (False, False)


@pytest.mark.parametrize(
    ("transport", "calling", "called", "secured"),
    [
        ("udp", "srtp", "", (True, False)),
        ("udp", "srtp-mand", "srtp", (True, False)),
        ("tls", "srtp-mand", "srtp-mand", (True, True)),
        ("tls", "", "srtp", (False, True)),
    ],
)
def test_each_phone_has_srtp_as_far_as_it_wants_it(
    transport: str, calling: str, called: str, secured: tuple[bool, bool], softphone: Softphones
) -> None:
    """The server offers it over TLS."""
    assert talk(softphone, transport, calling, called) == secured


@pytest.mark.row("SFT-06")
@pytest.mark.parametrize("codec", ["G722/16000", "opus/48000/2"])
def test_phones_of_different_codecs_talk(codec: str, softphone: Softphones) -> None:
    caller, callee = softphone("130", CALLER_HZ), softphone("131", CALLEE_HZ, auto_answer=True, codec=codec)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    caller.wait_until_hears(CALLEE_HZ, CALLER_HZ)
    callee.wait_until_hears(CALLER_HZ, CALLEE_HZ)
    caller.hang_up()
    callee.wait_for("CALL_CLOSED")


@pytest.mark.row("CORE-14", "CORE-15", "SFT-06")
@pytest.mark.parametrize(
    ("holder", "transport", "encryption"), [("caller", "udp", ""), ("callee", "tls", "srtp-mand")]
)
def test_hold_and_resume(holder: str, transport: str, encryption: str, softphone: Softphones) -> None:
    """Music for the one who waits, and the other's voice after it; twice, for the second time is another offer."""
    caller = softphone("130", CALLER_HZ, transport, encryption=encryption)
    callee = softphone("131", CALLEE_HZ, transport, encryption=encryption, auto_answer=True)
    holding, held = (caller, callee) if holder == "caller" else (callee, caller)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    holding.wait_until_hears(held.tone_hz, holding.tone_hz, MUSIC_HZ)
    for _ in range(2):
        held.wait_until_hears(holding.tone_hz, held.tone_hz, MUSIC_HZ)
        holding.hold()
        held.wait_until_hears(MUSIC_HZ, holding.tone_hz, held.tone_hz)
        holding.resume()
    held.wait_until_hears(holding.tone_hz, held.tone_hz, MUSIC_HZ)
    held.hang_up()
    holding.wait_for("CALL_CLOSED")


@pytest.mark.row("CORE-14", "CORE-15")
def test_the_holder_hears_again_after_the_resume(softphone: Softphones, phone: Phones) -> None:
    """SIPp holds, and echoes what it hears: the softphone hears itself as long as nobody holds."""
    holding, held = phone("120", 120), softphone("130", CALLEE_HZ, auto_answer=True)
    scenario = holding.start("caller_reinvites", dial="130")
    for number, heard_hz in ((2, CALLEE_HZ), (3, MUSIC_HZ), (4, CALLEE_HZ)):
        held.wait_until_hears(heard_hz)
        holding.go_on(scenario, "caller_reinvites", after=f"^CSeq: {number} ACK")
    holding.finish(scenario, "caller_reinvites")


@pytest.mark.row("SFT-06")
def test_a_message_is_read_at_the_other_phone(softphone: Softphones) -> None:
    richardson, lee = softphone("131", CALLEE_HZ), softphone("130", CALLER_HZ, contacts=["131"])
    lee.write("Lunch at one?")
    richardson.wait_for_text("\n\nLunch at one?")
    message = next(said for said in richardson.text.split("\n#\n") if "\nMESSAGE " in said)
    assert 'From: "Test Phone 130" <sip:130@' in message


def talk(softphone: Softphones, transport: str, calling: str = "", called: str = "") -> tuple[bool, bool]:
    """One phone calls the other, and they hear each other; which of both had SRTP."""
    caller = softphone("130", CALLER_HZ, transport, encryption=calling)
    callee = softphone("131", CALLEE_HZ, transport, encryption=called, auto_answer=True)
    caller.dial("131")
    caller.wait_for("CALL_ESTABLISHED")
    caller.wait_until_hears_clearly(CALLEE_HZ, CALLER_HZ)
    callee.wait_until_hears_clearly(CALLER_HZ, CALLEE_HZ)
    caller.hang_up()
    callee.wait_for("CALL_CLOSED")
    return caller.secured, callee.secured
