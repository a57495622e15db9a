"""In-band DTMF of any quality within ITU-T Q.24, at any instant, is understood; and channels keep to themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from media.plan import Codec
from media.tone_detect import DIGITS, DigitEnded
from tests.unit.media.keypad import PER_MS, Press, Sound, dialled, heard, silence

OFFSETS = st.floats(-0.015, 0.015)
TURNS = st.floats(0, 1)
MILLISECONDS = st.floats(40, 200)
PRESSES = st.builds(
    Press,
    digit=st.sampled_from(DIGITS),
    milliseconds=MILLISECONDS,
    level_dbm0=st.floats(-36, 0),
    twist_db=st.floats(-8, 4),
    low_offset=OFFSETS,
    high_offset=OFFSETS,
    phases=st.tuples(TURNS, TURNS),
)
Dialling = list[tuple[Press, float]]
"""Each with the pause after it."""


@st.composite
def diallings(draw: st.DrawFn) -> Dialling:
    """By one phone: twist is the same throughout, and the level nearly so."""
    level, twist = draw(st.floats(-33, -3)), draw(st.floats(-8, 4))
    dialled = draw(st.lists(st.tuples(PRESSES, MILLISECONDS, st.floats(-3, 3)), min_size=1, max_size=5))
    return [
        (replace(press, level_dbm0=level + deviation, twist_db=twist), pause)
        for press, pause, deviation in dialled
    ]


LEADS = st.integers(0, 320)
"""Samples before the first."""
CODECS = st.sampled_from([None, Codec.PCMA, Codec.PCMU])


def sound_of(dialling: Dialling, lead: int) -> Sound:
    parts = [part for press, pause in dialling for part in (press.sound(), silence(pause))]
    return np.concatenate([np.zeros(lead), *parts])


@given(diallings(), LEADS, CODECS)
def test_whatever_is_dialled_is_heard(dialling: Dialling, lead: int, codec: Codec | None) -> None:
    [events] = heard([sound_of(dialling, lead)], codec)
    assert dialled(events) == "".join(press.digit for press, _ in dialling)
    ends = [event for event in events if isinstance(event, DigitEnded)]
    assert [type(event) is DigitEnded for event in events] == [False, True] * len(dialling)
    for end, (press, _) in zip(ends, dialling, strict=True):
        assert end.digit == press.digit
        assert abs(end.duration_ms - press.milliseconds) <= 15


@given(st.lists(st.tuples(diallings(), LEADS), min_size=2, max_size=4))
@settings(max_examples=30)
def test_a_channel_is_heard_as_if_it_were_alone(
    channels: list[tuple[Dialling, int]],
) -> None:
    sounds = [sound_of(dialling, lead) for dialling, lead in channels]
    together = [[(event.digit, type(event)) for event in events] for events in heard(sounds)]
    alone = [
        [(event.digit, type(event)) for [events] in [heard([sound])] for event in events] for sound in sounds
    ]
    assert together == alone


@given(PRESSES, st.floats(0, 23), LEADS, CODECS)
def test_what_is_too_short_is_not_heard(
    press: Press, milliseconds: float, lead: int, codec: Codec | None
) -> None:
    sound = np.concatenate([np.zeros(lead), press.sound()[: round(milliseconds * PER_MS)]])
    assert heard([sound], codec) == [[]]


@given(st.binary(min_size=2, max_size=4000), st.integers(1, 8))
def test_any_samples_at_all_are_taken(data: bytes, repetitions: int) -> None:
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float64)
    [events] = heard([np.tile(samples, repetitions)])
    assert len([event for event in events if isinstance(event, DigitEnded)]) == len(dialled(events))
