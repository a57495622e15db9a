"""WAV files: ours are right at every moment, others' headers are hostile until read."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from media.codecs import g711
from media.plan import Codec
from media.wav import FRAME_SAMPLES, RATE_HZ, WavError, WavReader, WavWriter
from tests.interop.tones import level

ROOT = Path(__file__).resolve().parents[3]

FRAME_BYTES = 2 * FRAME_SAMPLES
PCM, A_LAW, MU_LAW = 1, 6, 7
SOUND = struct.pack(f"<{3 * FRAME_SAMPLES}h", *range(-240, 240))
"""Three frames."""


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """A chunk; one of odd length is padded."""
    return name + struct.pack("<I", len(data) if size is None else size) + data + bytes(len(data) % 2)


def format_chunk(
    kind: int = PCM, channels: int = 1, rate: int = RATE_HZ, bits: int = 16, more: bytes = b""
) -> bytes:
    fields = (
        kind,
        channels,
        rate,
        rate * channels * bits // 8 & 0xFFFFFFFF,
        channels * bits // 8 & 0xFFFF,
        bits,
    )
    return chunk(b"fmt ", struct.pack("<HHIIHH", *fields) + more)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "sound.wav"
    path.write_bytes(data)
    return path


def played(path: Path) -> bytes:
    """All frames of a file."""
    reader = WavReader(path)
    frames = list(iter(reader.frame, None))
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    return b"".join(frames)


# -- what is played --------------------------------------------------------------------------------


def test_pcm_is_played_as_it_is(tmp_path: Path) -> None:
    assert played(saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND)))) == SOUND


@pytest.mark.parametrize(("kind", "codec"), [(A_LAW, Codec.PCMA), (MU_LAW, Codec.PCMU)])
def test_g711_is_played_as_pcm(tmp_path: Path, kind: int, codec: Codec) -> None:
    payload = g711.encode(codec, SOUND)
    path = saved(tmp_path, riff(format_chunk(kind, bits=8), chunk(b"data", payload)))
    assert played(path) == g711.decode(codec, payload)


def tone(rate: int, *amplitudes: int, seconds: float = 1.0) -> bytes:
    """A WAV file of 440 Hz, with a channel for each amplitude."""
    times = np.arange(int(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * 440 * times)[:, None] * np.array(amplitudes)
    return riff(
        format_chunk(channels=len(amplitudes), rate=rate), chunk(b"data", wave.astype("<i2").tobytes())
    )


def samples_of(pcm: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize(("channels", "heard"), [((8000,), 8000), ((8000, 4000), 6000), ((8000, -8000), 0)])
def test_higher_rates_and_two_channels_are_played(
    tmp_path: Path, rate: int, channels: tuple[int, ...], heard: int
) -> None:
    sound = samples_of(played(saved(tmp_path, tone(rate, *channels))))
    assert len(sound) == RATE_HZ
    assert level(sound[400:], 440) == pytest.approx(heard, rel=0.01, abs=10)


def test_two_loud_channels_are_not_too_loud(tmp_path: Path) -> None:
    data = struct.pack("<8h", 32767, 32767, -32768, -32768, 32767, -32768, -1, 0)
    pcm = played(saved(tmp_path, riff(format_chunk(channels=2), chunk(b"data", data))))
    assert struct.unpack("<4h", pcm[:8]) == (32767, -32768, -1, -1)


@pytest.mark.parametrize("size", [3 * 1920 - 1, 3 * 1920 - 2, 2 * 1920 + 2])
def test_half_a_frame_at_a_higher_rate_is_filled_up(tmp_path: Path, size: int) -> None:
    data = bytes(b"\x10" * size)
    path = saved(tmp_path, riff(format_chunk(rate=48000), chunk(b"data", data)))
    assert len(played(path)) == 3 * FRAME_BYTES


def test_files_at_8_khz_are_played_without_numpy(tmp_path: Path) -> None:
    """A system with recordings in its own format does not carry it."""
    path = saved(tmp_path, riff(format_chunk(channels=2), chunk(b"data", SOUND)))
    script = (
        "import sys; from pathlib import Path; from media.player import Player;"
        "player = Player((sys.argv[1],)); assert player.frame(); player.close(); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, cwd=ROOT)


# -- places in a file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "begins"),
    [(0, 0), (0.02, 160), (0.0200625, 160), (0.00125, 10), (0.059, 472), (-1, 0), (-math.inf, 0)],
)
def test_a_file_is_played_from_any_place(tmp_path: Path, seconds: float, begins: int) -> None:
    reader = WavReader(saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND))))
    reader.frame()
    reader.seek(seconds)
    assert reader.position == begins / RATE_HZ
    frame = reader.frame()
    assert frame is not None
    assert frame.startswith(SOUND[2 * begins : 2 * begins + FRAME_BYTES])
    reader.close()


@pytest.mark.parametrize("seconds", [0.06, 1, 1e12, math.inf])
def test_beyond_the_end_there_is_nothing(tmp_path: Path, seconds: float) -> None:
    reader = WavReader(saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND), chunk(b"LIST", SOUND))))
    reader.seek(seconds)
    assert reader.position == 0.06
    assert reader.frame() is None
    reader.seek(0)
    assert reader.frame() is None


@pytest.mark.parametrize(("kind", "codec"), [(A_LAW, Codec.PCMA), (MU_LAW, Codec.PCMU)])
def test_places_in_g711(tmp_path: Path, kind: int, codec: Codec) -> None:
    payload = g711.encode(codec, SOUND)
    reader = WavReader(saved(tmp_path, riff(format_chunk(kind, bits=8), chunk(b"data", payload))))
    reader.seek(0.04)
    assert reader.frame() == g711.decode(codec, payload[320:])
    assert reader.frame() is None


@pytest.mark.parametrize("rate", [16000, 48000])
def test_places_at_a_higher_rate(tmp_path: Path, rate: int) -> None:
    """The first half silent, the second half a tone."""
    times = np.arange(rate) / rate
    wave = np.where(times < 0.5, 0, 8000 * np.sin(2 * np.pi * 440 * times)).astype("<i2")
    reader = WavReader(saved(tmp_path, riff(format_chunk(rate=rate), chunk(b"data", wave.tobytes()))))
    reader.seek(0.5)
    tone = b"".join(iter(reader.frame, None))
    assert len(tone) == 25 * FRAME_BYTES
    assert level(samples_of(tone), 440) == pytest.approx(8000, rel=0.05)
    reader = WavReader(tmp_path / "sound.wav")
    reader.seek(0.9)
    reader.frame()
    reader.seek(0.1)
    silence = reader.frame()
    assert silence == bytes(FRAME_BYTES)  # nothing of what was heard before is left in the filter
    reader.close()


def test_the_last_frame_is_filled_up_with_silence(tmp_path: Path) -> None:
    path = saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND[: FRAME_BYTES + 10])))
    assert played(path) == SOUND[: FRAME_BYTES + 10] + bytes(FRAME_BYTES - 10)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk(b"LIST", b"INFO"), format_chunk()], id="one before the format"),
        pytest.param([format_chunk(), chunk(b"fact", bytes(4))], id="one before the data"),
        pytest.param([format_chunk(), chunk(b"LIST", b"odd")], id="of odd length"),
        pytest.param([format_chunk(more=b"\0\0")], id="a format of 18 bytes"),
        pytest.param([format_chunk(more=b"\0")], id="a format of 17 bytes"),
        pytest.param([format_chunk(more=bytes(84))], id="a format of 100 bytes"),
        pytest.param([format_chunk(more=bytes(85))], id="a format of 101 bytes"),
        pytest.param([format_chunk(), *[chunk(b"junk", b"")] * 60], id="many"),
    ],
)
def test_other_chunks_are_passed_over(tmp_path: Path, chunks: list[bytes]) -> None:
    path = saved(tmp_path, riff(*chunks, chunk(b"data", SOUND), chunk(b"LIST", b"more")))
    assert played(path) == SOUND


@pytest.mark.parametrize("size", [len(SOUND) + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_file_that_is_shorter_than_it_says_ends_where_it_ends(tmp_path: Path, size: int) -> None:
    """Programs that write to a pipe do not know the size."""
    assert played(saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND, size)))) == SOUND


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_half_a_sample_at_the_end_is_dropped(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND))[:-cut])
    whole = SOUND[: (len(SOUND) - cut) // 2 * 2]
    assert played(path) == whole.ljust(len(SOUND), b"\0")


def test_no_sound_at_all(tmp_path: Path) -> None:
    assert played(saved(tmp_path, riff(format_chunk(), chunk(b"data", b"")))) == b""


def test_after_its_end_a_reader_has_nothing_more(tmp_path: Path) -> None:
    reader = WavReader(saved(tmp_path, riff(format_chunk(), chunk(b"data", SOUND[:FRAME_BYTES]))))
    assert [reader.frame() is None for _ in range(2)] == [False, True]


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "cut short", id="nothing"),
        pytest.param(b"RIFF\0\0", "cut short", id="half a header"),
        pytest.param(b"ID3\x04" + bytes(100), "no WAV", id="MP3"),
        pytest.param(b"RIFX" + riff(format_chunk(), chunk(b"data", SOUND))[4:], "no WAV", id="big-endian"),
        pytest.param(b"RIFF\0\0\0\0AVI " + bytes(100), "no WAV", id="AVI"),
        pytest.param(riff(), "cut short", id="no chunk"),
        pytest.param(riff(format_chunk()), "cut short", id="no data"),
        pytest.param(riff(format_chunk(), *[chunk(b"junk", b"")] * 100), "no data", id="too many chunks"),
        pytest.param(riff(chunk(b"data", SOUND)), "no format", id="no format"),
        pytest.param(riff(chunk(b"data", SOUND), format_chunk()), "no format", id="format last"),
        pytest.param(riff(chunk(b"fmt ", bytes(15)), chunk(b"data", SOUND)), "cut short", id="short format"),
        pytest.param(riff(chunk(b"fmt ", b"", 0xFFFFFFFF)), "cut short", id="format past the end"),
        pytest.param(
            riff(chunk(b"LIST", b"", 0xFFFFFFFF), format_chunk()), "cut short", id="chunk past the end"
        ),
        pytest.param(riff(format_chunk(channels=0)), "0 channels", id="no channel"),
        pytest.param(riff(format_chunk(channels=3)), "3 channels", id="three channels"),
        pytest.param(riff(format_chunk(A_LAW, channels=2, bits=8)), "2 channels", id="A-law in stereo"),
        pytest.param(riff(format_chunk(A_LAW, rate=16000, bits=8)), "at 16000 Hz", id="A-law at 16 kHz"),
        pytest.param(riff(format_chunk(channels=0xFFFF)), "65535 channels", id="a crowd"),
        pytest.param(riff(format_chunk(rate=0)), "at 0 Hz", id="no rate"),
        pytest.param(riff(format_chunk(rate=44100)), "at 44100 Hz", id="CD rate"),
        pytest.param(riff(format_chunk(rate=0xFFFFFFFF)), "at 4294967295 Hz", id="any rate"),
        pytest.param(riff(format_chunk(bits=8)), "format 1 with 8 bits", id="8 bits"),
        pytest.param(riff(format_chunk(bits=0)), "format 1 with 0 bits", id="no bits"),
        pytest.param(riff(format_chunk(A_LAW, bits=16)), "format 6 with 16 bits", id="A-law of 16 bits"),
        pytest.param(riff(format_chunk(3, bits=32)), "format 3 with 32 bits", id="float"),
        pytest.param(riff(format_chunk(0xFFFE)), "format 65534", id="extensible"),
    ],
)
def test_what_is_no_playable_file_is_refused_and_says_why(tmp_path: Path, data: bytes, why: str) -> None:
    path = saved(tmp_path, data)
    with pytest.raises(WavError, match=why) as caught:
        WavReader(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WavReader(tmp_path / "nowhere.wav")


# -- what is recorded ------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [0, 1, 3, 49, 50, 51, 125])
def test_what_is_recorded_can_be_played(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "recorded.wav"
    sound = (SOUND * 42)[: frames * FRAME_BYTES]
    writer = WavWriter(path)
    for start in range(0, len(sound), FRAME_BYTES):
        writer.write(sound[start : start + FRAME_BYTES])
    writer.close()
    assert played(path) == sound
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        assert file.readframes(file.getnframes()) == sound
    assert struct.unpack("<I", path.read_bytes()[4:8]) == (path.stat().st_size - 8,)


def test_a_crash_loses_no_whole_second(tmp_path: Path) -> None:
    """The file is playable while it is being written."""
    path = tmp_path / "recorded.wav"
    writer = WavWriter(path)
    for _ in range(55):
        writer.write(SOUND[:FRAME_BYTES])
    assert played(path) == SOUND[:FRAME_BYTES] * 50
    writer.close()


def test_closing_twice_is_closing(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "recorded.wav")
    writer.close()
    writer.close()


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WavWriter(tmp_path / "nowhere" / "recorded.wav")


FULL = Path("/dev/full")
"""A device on which every write fails: the disk is full."""


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_os_error_and_leaves_no_file_open() -> None:
    with pytest.raises(OSError, match="No space"):
        WavWriter(FULL)  # a file left open would be a ResourceWarning, which is an error here
