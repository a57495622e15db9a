"""Digits in every form that phones send: features get one for each press, and the far end of a call understands it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from media.codecs import g711
from media.plan import Codec
from media.rtp import parse_rtp
from media.wav import WavWriter
from pbx.phone import Phone, PhoneCall
from pbx.plugin import Call, Feature
from tests.interop.tones import read_samples, write_tone
from tests.journeys.talking import assert_talk, connect, couple
from tests.simulation.impairment import INTERNET, LAN, WIRELESS, Profile
from tests.simulation.office import PBX, Office
from tests.simulation.prompter import PROMPT_HZ, Prompter
from tests.unit.media.keypad import dialled, heard

pytestmark = pytest.mark.row("CORE-25")

KEYS = "1550*#77"
FORMS = ["event", "info", "plain info", "tone"]
LOUD = 2000
"""Of a sample: louder than noise, not louder than a prompt or a digit."""


@dataclass
class Menu:
    """An office with a menu on *5: it speaks for ten seconds, but for the first key; then it takes any number."""

    office: Office
    folder: Path
    keys: list[str]
    """Those that the menu was given."""

    async def dial(self, form: str = "event", link: Profile = LAN, phase_ms: int = 0) -> PhoneCall:
        """A call to the menu, from a phone whose digits are tones if that is the form.

        `phase_ms`: of its ticks, after those of the PBX.
        """
        phone = await self.office.phone("100", link=link)
        phone.telephone_events = form != "tone"
        call = await phone.call("*5")
        await asyncio.sleep(phase_ms / 1000)
        call.play(self.folder / "office.wav")
        await asyncio.sleep(1)
        return call

    @property
    def pressed(self) -> str:
        """The keys in one."""
        return "".join(self.keys)


@pytest.fixture
def menu(make_office: Callable[..., Office], tmp_path: Path) -> Menu:
    speech, feature, keys = tmp_path / "speech.wav", Feature("menu"), list[str]()
    write_tone(speech, PROMPT_HZ, 10)
    write_hum(tmp_path / "office.wav", 60)

    @feature.dial("*5", summary="A menu")
    async def listen(call: Call) -> None:
        voice = await call.answer()
        keys.append(await voice.key(speech))
        while True:
            keys.append(await voice.key())

    office = make_office(features=[feature], prompts=Prompter(tmp_path))
    office.simulation.run(office.open())
    return Menu(office, tmp_path, keys)


def write_hum(path: Path, seconds: int) -> None:
    """The sounds of an office, softly: phones send all the time."""
    noise = np.random.default_rng(1).normal(0, 150, seconds * 8000)
    writer = WavWriter(path)
    writer.write(noise.astype("<i2").tobytes())
    writer.close()


def press(call: PhoneCall, form: str, digit: str) -> None:
    """Press a key of a phone that tells of it in one form."""
    if form == "info":
        call.send_info_digit(digit)
    elif form == "plain info":
        call.send_info_digit(digit, milliseconds=None)
    else:
        call.send_digits(digit)


class Wiretap:
    """What passes between the PBX and one phone from now on: when a key was told first, when sound was sent last."""

    def __init__(self, office: Office, phone: Phone) -> None:
        self._ladder = office.simulation.ladder
        self._record = self._ladder.record
        self._phone = phone.media_host
        self.key_at: float | None = None
        self.sound_until = 0.0
        """The end of the sound that was sent last."""
        self.answers: list[bytes] = []
        """SIP responses to the phone."""
        self._ladder.record = self._note  # type: ignore[method-assign]

    def _note(self, at: float, sender: str, receiver: str, data: bytes, fate: str = "") -> None:
        self._record(at, sender, receiver, data, fate)
        if receiver == self._phone and data.startswith(b"SIP/2.0"):
            self.answers.append(data)
        packet = parse_rtp(data)
        loud = packet is not None and packet.payload_type == 0 and _loudness(packet.payload) > LOUD
        if sender == self._phone and self.key_at is None:
            if loud or data.startswith(b"INFO") or (packet is not None and packet.payload_type == 101):
                self.key_at = at
        elif sender == PBX and receiver == self._phone and loud:
            self.sound_until = at + 0.02


def _loudness(payload: bytes) -> int:
    pcm = np.frombuffer(g711.decode(Codec.PCMU, payload), "<i2").astype(np.int32)
    return int(np.abs(pcm).max(initial=0))


# -- features --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_every_press_is_one_key(menu: Menu, form: str) -> None:
    call = await menu.dial(form)
    for digit in KEYS:
        press(call, form, digit)
        await asyncio.sleep(0.25)
    await asyncio.sleep(0.2)
    assert menu.pressed == KEYS


@pytest.mark.row("VM-19")
@pytest.mark.parametrize("phase_ms", range(0, 20, 3))
@pytest.mark.parametrize("form", FORMS)
async def test_a_key_cuts_a_prompt_at_once(menu: Menu, form: str, phase_ms: int) -> None:
    """Wherever in the tick of the PBX it comes: 60 ms after its first packet no more of the prompt is heard."""
    call = await menu.dial(form, phase_ms=phase_ms)
    wire = Wiretap(menu.office, call.phone)
    await asyncio.sleep(0.2)
    press(call, form, "5")
    await asyncio.sleep(1)
    assert menu.keys == ["5"]
    assert wire.key_at is not None
    assert 0 <= wire.sound_until - wire.key_at < 0.06


@pytest.mark.parametrize("form", ["event", "tone"])
@pytest.mark.parametrize("link", [WIRELESS, INTERNET], ids=["wireless", "internet"])
async def test_presses_over_a_worse_link(menu: Menu, link: Profile, form: str) -> None:
    """A lost packet or two of a tone are no pause, and jitter makes none."""
    call = await menu.dial(form, link)
    for digit in KEYS:
        press(call, form, digit)
        await asyncio.sleep(0.3)
    await asyncio.sleep(0.5)
    assert menu.pressed == KEYS


@pytest.mark.parametrize("other", ["info", "plain info"])
@pytest.mark.parametrize("form", ["event", "tone"])
@pytest.mark.parametrize("later_ms", [-300, -20, 0, 10, 100, 400])
async def test_a_press_in_two_forms_is_one_key(menu: Menu, form: str, other: str, later_ms: int) -> None:
    """Whichever comes first, and twice is two."""
    call = await menu.dial(form)
    loop = call.phone.loop
    for digit in "55":
        loop.call_later(0.3, press, call, form, digit)
        loop.call_later(0.3 + later_ms / 1000, press, call, other, digit)
        await asyncio.sleep(0.35)
    await asyncio.sleep(2)
    assert menu.pressed == "55"


async def test_a_key_in_an_early_dialog_or_after_the_end_disturbs_nobody(
    make_office: Callable[..., Office],
) -> None:
    office = make_office()
    await office.open()
    lee, richardson = await couple(office)
    call = lee.dial("101")
    ringing = await richardson.incoming()
    await asyncio.sleep(0.2)
    call.send_info_digit("5")
    await asyncio.sleep(0.5)
    ringing.answer()
    await call.answered()
    call.hang_up()
    call.send_info_digit("6")
    await asyncio.sleep(1)
    assert ringing.digits == ""


@pytest.mark.parametrize(
    ("content_type", "body", "answer"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160", "200 OK"),
        ("application/dtmf", b"5", "200 OK"),
        ("application/dtmf-relay", b"", "200 OK"),
        ("application/dtmf-relay", b"Signal=\xff", "400 Bad Request"),
        ("application/dtmf", b"5" * 3000, "400 Bad Request"),
        ("text/plain", b"5", "415 Unsupported Media Type"),
    ],
)
async def test_what_an_info_is_answered_with(menu: Menu, content_type: str, body: bytes, answer: str) -> None:
    """And the call goes on whatever was in it."""
    call = await menu.dial()
    wire = Wiretap(menu.office, call.phone)
    call.send_info(content_type, body)
    await asyncio.sleep(0.5)
    [response] = wire.answers
    assert response.startswith(f"SIP/2.0 {answer}\r\n".encode())
    accepted = b"\r\nAccept: application/dtmf-relay, application/dtmf\r\n" in response
    assert accepted == answer.startswith("415")
    press(call, "info", "9")
    await asyncio.sleep(0.2)
    assert menu.pressed == ("59" if answer == "200 OK" and body else "9")


# -- calls -----------------------------------------------------------------------------------------


async def test_digits_of_an_info_are_telephone_events_for_the_far_end(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    """Both ways, and the parties hear each other afterwards."""
    office = make_office()
    await office.open()
    lee, richardson = await couple(office)
    calling, called = await connect(lee, "101", richardson)
    for digit in "10#":
        calling.send_info_digit(digit)
        called.send_info_digit(digit, milliseconds=None)
        await asyncio.sleep(0.3)
    assert (called.digits, calling.digits) == ("10#", "10#")
    await assert_talk(tmp_path, calling, called)


@pytest.mark.parametrize("form", ["event", "info"])
@pytest.mark.parametrize("caller_takes_events", [True, False])
async def test_digits_are_tones_for_a_far_end_that_knows_no_telephone_events(
    make_office: Callable[..., Office], tmp_path: Path, form: str, caller_takes_events: bool
) -> None:
    office = make_office()
    await office.open()
    lee, richardson = await couple(office)
    (lee if not caller_takes_events else richardson).telephone_events = False
    calling, called = await connect(lee, "101", richardson)
    sender, receiver = (calling, called) if caller_takes_events else (called, calling)
    receiver.record(tmp_path / "heard.wav")
    for digit in "10#":
        press(sender, form, digit)
        await asyncio.sleep(0.3)
    receiver.record(tmp_path / "after.wav")
    assert dialled(heard([read_samples(tmp_path / "heard.wav")])[0]) == "10#"
    assert receiver.digits == ""
    await assert_talk(tmp_path, calling, called)


async def test_a_phone_that_sends_both_forms_sends_each_digit_once(
    make_office: Callable[..., Office],
) -> None:
    office = make_office()
    await office.open()
    lee, richardson = await couple(office)
    calling, called = await connect(lee, "101", richardson)
    for order in (["event", "info"], ["info", "event"]):
        for digit in "77":
            for form in order:
                press(calling, form, digit)
                await asyncio.sleep(0.03)
            await asyncio.sleep(0.4)
    assert called.digits == "7777"


async def test_who_holds_sends_no_digits_into_the_music(
    make_office: Callable[..., Office], tmp_path: Path
) -> None:
    office = make_office(prompts=Prompter(tmp_path))
    await office.open()
    lee, richardson = await couple(office)
    calling, called = await connect(lee, "101", richardson)
    calling.hold()
    await asyncio.sleep(0.5)
    calling.send_info_digit("5")
    await asyncio.sleep(0.5)
    assert called.digits == ""
    calling.resume()
    await asyncio.sleep(0.5)
    calling.send_info_digit("6")
    await asyncio.sleep(0.5)
    assert called.digits == "6"
