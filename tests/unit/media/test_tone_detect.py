"""In-band DTMF: the limits of ITU-T Q.24, on every digit and through G.711, and what is no digit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from media.plan import Codec
from media.tone_detect import (
    DIGITS,
    FRAME_SAMPLES,
    HIGH_HZ,
    LOW_HZ,
    RATE_HZ,
    DigitBegan,
    DigitEnded,
    DtmfDetector,
    Samples,
)
from media.tones import BUSY, CONGESTION, RINGBACK, Country, Tone, ToneSource
from tests.unit.media.keypad import (
    PER_MS,
    Press,
    Sound,
    coded,
    dialled,
    heard,
    level,
    silence,
    speech,
    with_noise,
)

CODECS = [
    pytest.param(None, id="linear"),
    pytest.param(Codec.PCMA, id="A-law"),
    pytest.param(Codec.PCMU, id="mu-law"),
]
LEADS_MS = [20 + 1.375 * lead for lead in range(8)]
"""Silence before a digit: it begins anywhere between two hops of the detector."""
NOMINAL = Press("1")


def presses(press: Press) -> list[Press]:
    """Every digit as often as there are leads, each with phases of its own."""
    return [
        replace(press, digit=digit, phases=(0.37 * index % 1, 0.73 * index % 1))
        for digit in DIGITS
        for index in range(len(LEADS_MS))
    ]


def each_heard_as(found: list[str], times: int = 1) -> None:
    """Every press of `presses` was heard as so many of its digit."""
    wanted = [digit * times for digit in DIGITS for _ in LEADS_MS]
    assert [pair for pair in zip(wanted, found, strict=True) if pair[0] != pair[1]] == []


def after_silence(sounds: list[Sound]) -> list[Sound]:
    return [
        np.concatenate([silence(LEADS_MS[index % len(LEADS_MS)]), sound])
        for index, sound in enumerate(sounds)
    ]


# -- what is a digit -------------------------------------------------------------------------------

ACCEPTED = {
    "nominal": NOMINAL,
    "both 1.5 % high": replace(NOMINAL, low_offset=0.015, high_offset=0.015),
    "both 1.5 % low": replace(NOMINAL, low_offset=-0.015, high_offset=-0.015),
    "1.5 % apart": replace(NOMINAL, low_offset=-0.015, high_offset=0.015),
    "1.5 % nearer": replace(NOMINAL, low_offset=0.015, high_offset=-0.015),
    "high tone 4 dB stronger": replace(NOMINAL, twist_db=4),
    "low tone 8 dB stronger": replace(NOMINAL, twist_db=-8),
    "0 dBm0 a tone, which clips": replace(NOMINAL, level_dbm0=0),
    "-36 dBm0": replace(NOMINAL, level_dbm0=-36),
    "40 ms": replace(NOMINAL, milliseconds=40),
    "faint, short, twisted, high": Press("1", 40, -36, 4, 0.015, 0.015),
    "faint, short, twisted, low": Press("1", 40, -36, -8, -0.015, -0.015),
    "loud, short, twisted, apart": Press("1", 40, 0, -8, -0.015, 0.015),
    "loud, short, twisted, nearer": Press("1", 40, 0, 4, 0.015, -0.015),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("press", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_each_digit_within_the_limits_is_heard_once(press: Press, codec: Codec | None) -> None:
    events = heard(after_silence([press.sound() for press in presses(press)]), codec)
    each_heard_as([dialled(of_one) for of_one in events])
    ends = [event for of_one in events for event in of_one if isinstance(event, DigitEnded)]
    assert [end.digit for end in ends] == [digit for digit in DIGITS for _ in LEADS_MS]
    assert max(abs(end.duration_ms - press.milliseconds) for end in ends) <= 10


NOISY = {
    "nominal": replace(NOMINAL, milliseconds=50),
    "high tone 4 dB stronger, 1.5 % high": Press("1", 50, -10, 4, 0.015, 0.015),
    "low tone 8 dB stronger, 1.5 % low": Press("1", 50, -10, -8, -0.015, -0.015),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("press", NOISY.values(), ids=NOISY.keys())
def test_each_digit_is_heard_through_white_noise_15_db_below(
    press: Press, codec: Codec | None, seed: int
) -> None:
    dice = np.random.default_rng(seed)
    sounds = []
    for pressed in presses(press):
        sound = pressed.sound()
        [around] = after_silence([np.concatenate([sound, silence(60)])])
        sounds.append(with_noise(around, sound, 15, dice))
    each_heard_as([dialled(events) for events in heard(sounds, codec)])


# -- what is none ----------------------------------------------------------------------------------

REJECTED = {
    "low tone 3.5 % high": replace(NOMINAL, low_offset=0.035),
    "low tone 3.5 % low": replace(NOMINAL, low_offset=-0.035),
    "high tone 3.5 % high": replace(NOMINAL, high_offset=0.035),
    "high tone 3.5 % low": replace(NOMINAL, high_offset=-0.035),
    "both 3.5 % high": replace(NOMINAL, low_offset=0.035, high_offset=0.035),
    "both 3.5 % low": replace(NOMINAL, low_offset=-0.035, high_offset=-0.035),
    "23 ms": replace(NOMINAL, milliseconds=23),
    "20 ms": replace(NOMINAL, milliseconds=20),
    "-55 dBm0": replace(NOMINAL, level_dbm0=-55),
    "high tone alone": replace(NOMINAL, twist_db=100),
    "low tone alone": replace(NOMINAL, twist_db=-100),
    "high tone 10 dB stronger": replace(NOMINAL, twist_db=10),
    "low tone 14 dB stronger": replace(NOMINAL, twist_db=-14),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("press", REJECTED.values(), ids=REJECTED.keys())
def test_nothing_beyond_the_limits_is_a_digit(press: Press, codec: Codec | None) -> None:
    assert not any(heard(after_silence([press.sound() for press in presses(press)]), codec))


def test_two_tones_anywhere_are_a_digit_only_near_one() -> None:
    """Low tones from 600 to 1100 Hz and high tones from 1150 to 1750 Hz."""
    places = list(product(np.arange(600, 1100, 7.3), np.arange(1150, 1750, 11.9)))
    sounds = [
        Press("1", 60, -10, 0, low / LOW_HZ[0] - 1, high / HIGH_HZ[0] - 1).sound() for low, high in places
    ]
    digits = 0
    for (low, high), events in zip(places, heard(sounds), strict=True):
        row, low_offset = nearest(low, LOW_HZ)
        column, high_offset = nearest(high, HIGH_HZ)
        offset = max(low_offset, high_offset)
        if offset <= 0.015:
            assert dialled(events) == DIGITS[4 * row + column]
            digits += 1
        elif offset >= 0.035:
            assert events == []
    assert digits > 100


def nearest(hertz: float, tones: tuple[int, ...]) -> tuple[int, float]:
    """The place of the tone that is nearest, and how far off that is, of its frequency."""
    place = min(range(4), key=lambda index: abs(hertz / tones[index] - 1))
    return place, abs(hertz / tones[place] - 1)


def chords(seconds: float, dice: np.random.Generator) -> Sound:
    """Three notes of the scale at a time, each with harmonics, and dying away."""
    times = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
    sound = []
    for _ in range(round(seconds / 0.3)):
        notes = 220 * 2 ** (dice.choice(36, 3, replace=False) / 12)
        waves = [
            np.sin(2 * np.pi * (hertz * k * times + dice.random())) / k
            for hertz in notes
            for k in range(1, 5)
        ]
        sound.append(level(-20) * np.exp(-3 * times) * np.sum(waves, axis=0))
    return np.concatenate(sound)


def sweep(seconds: float) -> Sound:
    """A sine from 200 to 3800 Hz."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    octaves = np.log2(3800 / 200)
    turns = 200 * seconds / (octaves * np.log(2)) * 2 ** (octaves * times / seconds)
    sound: Sound = level(-10) * np.sin(2 * np.pi * turns)
    return sound


@pytest.mark.parametrize("codec", CODECS)
def test_noise_is_no_digit(codec: Codec | None, seed: int) -> None:
    dice = np.random.default_rng(seed)
    assert not any(heard([level(-40 + step) * dice.normal(0, 1, 10 * RATE_HZ) for step in range(40)], codec))


def test_music_is_no_digit(seed: int) -> None:
    dice = np.random.default_rng(seed)
    assert not any(heard([chords(12, dice) for _ in range(10)]))


@pytest.mark.parametrize("seconds", [0.05, 0.2, 1, 5, 20])
def test_a_sweep_is_no_digit(seconds: float) -> None:
    assert heard([sweep(seconds), sweep(seconds)[::-1]]) == [[], []]


@pytest.mark.parametrize("codec", CODECS)
def test_the_tones_of_a_call_are_no_digits(codec: Codec | None) -> None:
    tones = [tones[country] for tones in (RINGBACK, BUSY, CONGESTION) for country in Country]
    tones += [
        Tone((350, 440)),
        Tone((440, 480), (2, 4)),
        Tone((480, 620), (0.5, 0.5)),
        Tone((1100,), (0.5, 3)),
    ]
    sources = [ToneSource(tone) for tone in tones]
    pcm = [np.frombuffer(b"".join(source.frame() for _ in range(300)), "<i2") for source in sources]
    assert not any(heard([samples.astype(np.float64) for samples in pcm], codec))


@pytest.mark.parametrize("pitch_hertz", [90, 130, 180, 240, 308])
def test_five_minutes_of_speech_have_no_digit(pitch_hertz: float, seed: int) -> None:
    """A minute for each voice; the last has its third and fourth harmonics where * has its tones.

    Two hours of people's speech (the usual prompts in five languages) had none either.
    """
    dice = np.random.default_rng(seed)
    assert not any(heard([speech(10, pitch_hertz, dice) for _ in range(6)]))


def test_samples_of_any_size_are_no_digit() -> None:
    square = np.repeat([32767, -32768], 4)
    extremes = [np.full(1600, -32768), np.full(1600, 32767), np.tile(square, 200), np.eye(1, 1600)[0] * 32767]
    assert not any(heard([extreme.astype(np.float64) for extreme in extremes]))


# -- one digit, or two -----------------------------------------------------------------------------


def interrupted(press: Press, gap_ms: float, *, jumps: bool) -> Sound:
    """A digit that is not there for a moment, after which its phases may have jumped."""
    first = press.sound()
    low, high = press.phases
    phases = (
        (low + 0.5, high + 0.5)
        if jumps
        else (
            low + (press.milliseconds + gap_ms) / 1000 * LOW_HZ[DIGITS.index(press.digit) // 4],
            high + (press.milliseconds + gap_ms) / 1000 * HIGH_HZ[DIGITS.index(press.digit) % 4],
        )
    )
    return np.concatenate([first, silence(gap_ms), replace(press, phases=phases).sound()])


@pytest.mark.parametrize("twist_db", [-8, 0, 4])
@pytest.mark.parametrize(
    ("gap_ms", "jumps"), [(1, False), (5, False), (10, False), (20, False), (0, True), (5, True), (10, True)]
)
def test_a_short_interruption_does_not_split_a_digit(gap_ms: float, jumps: bool, twist_db: float) -> None:
    """Of up to 10 ms; and of 20 ms, where the network has lost a packet."""
    pressed = presses(replace(NOMINAL, milliseconds=40, twist_db=twist_db))
    events = heard(after_silence([interrupted(press, gap_ms, jumps=jumps) for press in pressed]))
    each_heard_as([dialled(of_one) for of_one in events])
    durations = [event.duration_ms for of_one in events for event in of_one if isinstance(event, DigitEnded)]
    assert max(abs(duration - 80 - gap_ms) for duration in durations) <= 10


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("press", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_pause_of_40_ms_is_between_two_digits(press: Press, codec: Codec | None) -> None:
    sounds = [np.concatenate([press.sound(), silence(40), press.sound()]) for press in presses(press)]
    each_heard_as([dialled(events) for events in heard(after_silence(sounds), codec)], times=2)


def test_the_pause_may_be_noisy(seed: int) -> None:
    dice = np.random.default_rng(seed)
    sounds = []
    for press in presses(replace(NOMINAL, milliseconds=50, twist_db=-8)):
        sound = press.sound()
        sounds.append(
            with_noise(np.concatenate([silence(30), sound, silence(40), sound, silence(60)]), sound, 15, dice)
        )
    each_heard_as([dialled(events) for events in heard(sounds)], times=2)


def test_another_digit_may_follow_at_once() -> None:
    pairs = [(one, other) for one, other in product(DIGITS, DIGITS) if one != other]
    sounds = [np.concatenate([Press(one, 60).sound(), Press(other, 60).sound()]) for one, other in pairs]
    for (one, other), events in zip(pairs, heard(after_silence(sounds)), strict=True):
        assert [(type(event), event.digit) for event in events] == [
            (DigitBegan, one),
            (DigitEnded, one),
            (DigitBegan, other),
            (DigitEnded, other),
        ]


def test_a_change_of_level_does_not_split_a_digit() -> None:
    loud, faint = Press("5", 200, -3).sound(), Press("5", 200, -25).sound()
    events = heard([np.concatenate([loud, faint]), np.concatenate([faint, loud])])
    assert [dialled(of_one) for of_one in events] == ["5", "5"]


def test_a_digit_that_swells_ends_all_the_same_before_the_next() -> None:
    swelling = [
        np.concatenate([replace(press, level_dbm0=-28).sound(), press.sound()]) for press in presses(NOMINAL)
    ]
    sounds = [np.concatenate([sound, silence(40), sound[-800:]]) for sound in swelling]
    each_heard_as([dialled(events) for events in heard(after_silence(sounds))], times=2)


def test_a_digit_held_for_long_is_one() -> None:
    [[began, ended]] = heard([Press("9", 30_000).sound()])
    assert began == DigitBegan(0, "9")
    assert isinstance(ended, DigitEnded)
    assert ended.duration_ms == pytest.approx(30_000, abs=10)


# -- the detector ----------------------------------------------------------------------------------


def test_a_digit_is_told_within_50_ms_of_its_begin_and_55_of_its_end() -> None:
    press = Press("7", 100)
    for lead in range(FRAME_SAMPLES):
        detector, told = DtmfDetector(1), dict[type, float]()
        sound = np.concatenate([np.zeros(lead), press.sound(), silence(100)])
        for index, frame in enumerate(frames_of(sound)):
            told |= {type(event): 20 * (index + 1) - lead / PER_MS for event in detector.detect(frame)}
        assert 26 <= told[DigitBegan] <= 50
        assert 0 < told[DigitEnded] - press.milliseconds <= 55


def frames_of(sound: Sound) -> list[Samples]:
    """For one channel; what does not fill a frame is left out."""
    samples = coded(sound, None)
    return list(samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, 1, FRAME_SAMPLES))


def test_channels_do_not_hear_each_other() -> None:
    digits = "0123456789*#ABCD" * 4
    sounds = [Press(digit).sound() if index % 3 else silence(100) for index, digit in enumerate(digits)]
    found = [dialled(events) for events in heard(sounds)]
    assert found == [digit if index % 3 else "" for index, digit in enumerate(digits)]


def test_a_channel_that_is_reset_knows_nothing_of_what_was() -> None:
    detector = DtmfDetector(2)
    tones = [np.concatenate([frame, frame]) for frame in frames_of(Press("3", 100).sound())]
    assert [event for frame in tones for event in detector.detect(frame)] == [
        DigitBegan(0, "3"),
        DigitBegan(1, "3"),
    ]
    detector.reset(0)
    quiet = np.zeros((2, FRAME_SAMPLES), np.int16)
    events = [event for _ in range(5) for event in detector.detect(quiet)]
    assert [(event.channel, event.digit) for event in events] == [(1, "3")]


def test_half_a_digit_before_a_reset_and_half_after_are_none() -> None:
    detector = DtmfDetector(1)
    tones = frames_of(Press("3", 40).sound())
    quiet = np.zeros((1, FRAME_SAMPLES), np.int16)
    assert [event for frame in [tones[0], tones[1], quiet] for event in detector.detect(frame)] != []
    detector = DtmfDetector(1)
    assert detector.detect(tones[0]) == []
    detector.reset(0)
    assert [event for frame in [tones[1], quiet] for event in detector.detect(frame)] == []


@pytest.mark.parametrize("shape", [(160,), (1, 160), (3, 160), (2, 80)])
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 frames of 160 samples"):
        DtmfDetector(2).detect(np.zeros(shape, np.int16))
