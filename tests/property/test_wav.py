"""WAV headers of every kind: a file is played to its end, or refused with a WavError."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.wav import FRAME_SAMPLES, WavError, WavReader

SIZES = st.integers(0, 70) | st.sampled_from([0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
NAMES = st.sampled_from([b"fmt ", b"data", b"LIST", b"\0\0\0\0"])
FORMATS = st.tuples(
    st.sampled_from([1, 6, 7, 0xFFFE]),
    st.integers(0, 2),
    st.sampled_from([0, 8000, 16000, 48000]),
    st.sampled_from([8, 16]),
).map(lambda found: struct.pack("<HHIIHH", found[0], found[1], found[2], 0, 0, found[3]))
CHUNKS = st.tuples(NAMES, SIZES, FORMATS | st.binary(max_size=70)).map(
    lambda found: found[0] + struct.pack("<I", found[1]) + found[2]
)
PLAYABLE = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wav") / "hostile.wav"


@given(
    st.sampled_from([b"", PLAYABLE]),
    st.lists(CHUNKS, max_size=5).map(b"".join) | st.binary(max_size=50),
)
@example(PLAYABLE, b"data\xff\xff\xff\xff" + bytes(1001))
def test_any_bytes_are_played_to_their_end_or_refused(path: Path, begin: bytes, rest: bytes) -> None:
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + begin + rest)
    try:
        reader = WavReader(path)
    except WavError:
        return
    frames = list(iter(reader.frame, None))
    assert all(len(frame) == 2 * FRAME_SAMPLES for frame in frames)
    assert len(frames) <= path.stat().st_size / FRAME_SAMPLES + 1
