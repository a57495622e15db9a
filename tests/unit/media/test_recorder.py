"""Recordings keep time, mix what is said with what is told, and leave a file that is whole or a part that plays."""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from media.codecs.codec import make_encoder
from media.messages import RecordingEnd
from media.plan import Codec
from media.recorder import SILENT_PEAK, Recorder, mixed
from media.rtp import RtpPacket
from media.ticker import TICK_SECONDS
from media.wav import FRAME_SAMPLES, WavReader, WavWriter
from tests.interop.tones import RATE_HZ, level, read_samples
from tests.unit.media.studio import SlowDisk

LOUD = 8000
FRAME_BYTES = 2 * FRAME_SAMPLES


class Party:
    """Somebody who says a tone, in packets of 20 ms."""

    def __init__(self, hertz: float, codec: Codec = Codec.PCMU, loud: int = LOUD) -> None:
        self.codec = codec
        self._hertz, self.loud = hertz, loud
        self._encoder = make_encoder(codec.encoding_name)
        self._count = 0

    def packet(self) -> RtpPacket:
        """The next 20 ms."""
        size = self._encoder.frame_samples
        times = (self._count * size + np.arange(size)) / self._encoder.rate
        wave = self.loud * np.sin(2 * math.pi * self._hertz * times)
        self._count += 1
        timestamp = self._count * self.codec.frame_ticks
        return RtpPacket(0, False, self._count, timestamp, 7, self._encoder.encode(wave.astype(np.int16)))


class Desk:
    """A recorder, and a clock of ticks before each of which a packet may come."""

    def __init__(self, recorder: Recorder, start: float = 1000.0) -> None:
        self.recorder = recorder
        self._start = start
        self._tick = 0

    def run(
        self,
        seconds: float,
        said: Party | None = None,
        told: Party | None = None,
        lost: Callable[[int], bool] = lambda number: False,
        skipped: Callable[[int], bool] = lambda number: False,
    ) -> RecordingEnd | None:
        """`lost`: which packets never come; `skipped`: which ticks do not (by number in this run)."""
        for number in range(round(seconds / TICK_SECONDS)):
            now = self._start + self._tick * TICK_SECONDS
            self._tick += 1
            for party, put in ((said, self.recorder.said), (told, self.recorder.told)):
                if party is not None:
                    packet = party.packet()
                    if not lost(number):
                        put(packet, party.codec, now + TICK_SECONDS / 2)
            if not skipped(number):
                end = self.recorder.tick(now + TICK_SECONDS)
                if end is not None:
                    return end
        return None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recorded.wav"


def parts(path: Path) -> list[Path]:
    """What is beside the file that is to be."""
    return [other for other in path.parent.iterdir() if other != path]


# -- sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", Codec)
def test_what_is_said_is_recorded(path: Path, codec: Codec) -> None:
    desk = Desk(Recorder(path))
    desk.run(2, Party(440, codec), Party(1010))
    desk.recorder.close()
    samples = read_samples(path)
    assert level(samples, 440) == pytest.approx(LOUD, rel=0.1)
    assert level(samples, 1010) < 100  # what is told was not asked for


@pytest.mark.parametrize(
    "codecs", [(Codec.PCMU, Codec.PCMA), (Codec.G722, Codec.PCMU), (Codec.OPUS, Codec.G722)]
)
def test_both_directions_are_mixed_when_asked_for(path: Path, codecs: tuple[Codec, Codec]) -> None:
    desk = Desk(Recorder(path, both=True))
    desk.run(2, Party(440, codecs[0]), Party(1010, codecs[1]))
    desk.recorder.close()
    samples = read_samples(path)
    assert level(samples, 440) == pytest.approx(LOUD, rel=0.1)
    assert level(samples, 1010) == pytest.approx(LOUD, rel=0.1)


def test_where_one_is_quiet_the_other_is_alone(path: Path) -> None:
    desk = Desk(Recorder(path, both=True))
    lee, richardson = Party(440), Party(1010)
    desk.run(1, lee)
    desk.run(1, None, richardson)
    desk.run(1)
    desk.recorder.close()
    first, second, third = np.split(read_samples(path), [RATE_HZ, 2 * RATE_HZ])
    assert level(first, 440) > 1000 > level(first, 1010)
    assert level(second[800:], 1010) > 1000 > level(second[800:], 440)
    assert not third[800:].any()


def test_a_party_that_changes_its_codec_is_heard_on(path: Path) -> None:
    desk = Desk(Recorder(path))
    for codec in (Codec.PCMU, Codec.G722, Codec.PCMA):
        desk.run(1, Party(440, codec))
    desk.recorder.close()
    for second in np.split(read_samples(path), 3):
        assert level(second, 440) > LOUD / 2


def test_the_sum_of_loud_voices_is_cut_off() -> None:
    values = [(1, 2), (30000, 30000), (-30000, -30000), (32767, -32768), (-32768, -32768), (32767, 1)]
    ours, theirs = (struct.pack("<6h", *(pair[side] for pair in values)) for side in (0, 1))
    assert struct.unpack("<6h", mixed(ours, theirs)) == (3, 32767, -32768, -1, -32768, 32767)


def test_a_telephone_event_is_no_lost_sound(path: Path) -> None:
    desk = Desk(Recorder(path))
    lee = Party(440)
    desk.run(0.5, lee)
    for _ in range(5):
        event = lee.packet()._replace(payload=b"")
        desk.recorder.said(event, lee.codec, 1000.5)
    desk.run(0.5, lee)
    desk.recorder.close()
    assert level(read_samples(path), 440) > LOUD / 2


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 0.013, 86400.007, 1e7 + 1 / 3])
@pytest.mark.parametrize(
    "lost",
    [lambda number: False, lambda number: number % 3 == 0, lambda number: number > 100, lambda number: True],
)
def test_a_minute_of_a_call_is_a_minute_of_the_file(
    path: Path, start: float, lost: Callable[[int], bool]
) -> None:
    desk = Desk(Recorder(path, both=True), start)
    desk.run(60, Party(440), Party(1010), lost)
    desk.recorder.close()
    assert len(read_samples(path)) == 60 * RATE_HZ
    assert desk.recorder.seconds == 60


def test_ticks_that_were_skipped_are_made_up_for(path: Path) -> None:
    """A machine that is busy for half a second loses no time of the recording."""
    desk = Desk(Recorder(path))
    desk.run(10, Party(440), skipped=lambda number: number % 100 >= 75)
    desk.run(TICK_SECONDS)
    desk.recorder.close()
    assert len(read_samples(path)) == pytest.approx(10 * RATE_HZ, abs=2 * FRAME_SAMPLES)


def test_what_comes_late_is_where_it_belongs(path: Path) -> None:
    """A packet that is overtaken by the next one."""
    recorder, lee = Recorder(path), Party(440)
    packets = [lee.packet() for _ in range(100)]
    for index in range(10, 100, 10):
        packets[index], packets[index + 1] = packets[index + 1], packets[index]
    for index, packet in enumerate(packets):
        recorder.said(packet, lee.codec, 1000.01 + index * TICK_SECONDS)
        recorder.tick(1000.02 + index * TICK_SECONDS)
    recorder.close()
    assert level(read_samples(path), 440) > LOUD / 2


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.row("VM-39")
def test_a_recording_is_exactly_as_long_as_it_may_be(path: Path) -> None:
    desk = Desk(Recorder(path, most_seconds=3))
    assert desk.run(5, Party(440)) is RecordingEnd.LENGTH
    desk.recorder.close()
    assert len(read_samples(path)) == 3 * RATE_HZ


@pytest.mark.row("VM-39")
@pytest.mark.parametrize("loud", [0, SILENT_PEAK - 50])
def test_long_silence_ends_a_recording_and_short_silence_does_not(path: Path, loud: int) -> None:
    """Noise of a line is silence."""
    desk = Desk(Recorder(path, silence_seconds=2))
    lee = Party(440)
    for _ in range(3):
        lee.loud = LOUD
        assert desk.run(0.5, lee) is None
        lee.loud = loud
        assert desk.run(1.8, lee) is None
    lee.loud = LOUD
    assert desk.run(0.5, lee) is None
    lee.loud = loud
    assert desk.run(60, lee) is RecordingEnd.SILENCE
    desk.recorder.close()
    assert desk.recorder.seconds == pytest.approx(3 * 2.3 + 2.5, abs=0.1)


@pytest.mark.row("VM-39")
def test_a_recording_of_nothing_ends_too(path: Path) -> None:
    desk = Desk(Recorder(path, silence_seconds=2))
    assert desk.run(60) is RecordingEnd.SILENCE
    assert desk.recorder.peak == 0
    desk.recorder.close()


# -- files -----------------------------------------------------------------------------------------


def test_a_file_appears_when_it_is_whole(path: Path) -> None:
    path.write_bytes(b"of yesterday")
    desk = Desk(Recorder(path))
    desk.run(1, Party(440))
    assert path.read_bytes() == b"of yesterday"
    desk.recorder.close()
    assert len(read_samples(path)) == RATE_HZ
    assert parts(path) == []


def test_a_crash_leaves_a_hidden_part_that_plays(path: Path) -> None:
    """As it is on the disk between two ticks."""
    desk = Desk(Recorder(path))
    desk.run(3.5, Party(440))
    (part,) = parts(path)
    assert part.name.startswith(".recorded.wav.")
    assert part.suffix == ".part"
    reader = WavReader(part)
    assert len(list(iter(reader.frame, None))) == 150
    assert not path.exists()
    desk.recorder.close()


def test_two_recordings_of_one_name_do_not_meet(path: Path) -> None:
    """The one that ends last stays."""
    first, second = Desk(Recorder(path)), Desk(Recorder(path))
    first.run(1, Party(440))
    second.run(1, Party(1010))
    first.recorder.close()
    assert level(read_samples(path), 440) > 1000
    second.recorder.close()
    assert level(read_samples(path), 1010) > 1000
    assert parts(path) == []


@pytest.mark.parametrize("seconds", [0, 2.5])
def test_a_full_disk_keeps_what_was_recorded(
    path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    class Full(WavWriter):
        def write(self, pcm: bytes) -> None:
            if self.seconds >= seconds:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(pcm)

    monkeypatch.setattr("media.recorder.WavWriter", Full)
    desk = Desk(Recorder(path))
    with pytest.raises(OSError, match="No space") as failed:
        desk.run(5, Party(440))
    desk.recorder.give_up(failed.value)
    assert path.exists() is (seconds > 0)
    assert not seconds or level(read_samples(path), 440) > 1000
    assert parts(path) == []


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 125 + ".wav")
    recorder = Recorder(path)
    recorder.close()
    assert path.exists()


def test_a_slow_disk_keeps_no_tick_waiting_and_loses_nothing(path: Path) -> None:
    disk = SlowDisk()
    desk, whole = Desk(Recorder(path, disk=disk)), list[Exception | None]()
    desk.run(3, Party(440))
    desk.recorder.close(whole.append)
    assert whole == []
    assert not path.exists()
    disk.catch_up()
    assert whole == [None]
    assert len(read_samples(path)) == 3 * RATE_HZ


def test_what_could_not_be_written_is_known_when_the_file_is_completed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(WavWriter):
        def write(self, pcm: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("media.recorder.WavWriter", Full)
    disk = SlowDisk()
    desk, whole = Desk(Recorder(path, disk=disk)), list[Exception | None]()
    desk.run(1, Party(440))
    desk.recorder.close(whole.append)
    disk.catch_up()
    assert "No space" in str(whole)
    assert parts(path) == []


def test_a_disk_that_does_not_move_ends_the_recording_before_memory_does(path: Path) -> None:
    disk = SlowDisk()
    desk = Desk(Recorder(path, disk=disk))
    with pytest.raises(OSError, match="too slow"):
        desk.run(20, Party(440))
    assert 10 <= desk.recorder.seconds <= 11
    desk.recorder.give_up(OSError("too slow"))
    disk.catch_up()
    assert level(read_samples(path), 440) > 1000
    assert parts(path) == []


@pytest.mark.parametrize("name", ["", "nowhere/recorded.wav", "recorded\0.wav", "x" * 300])
def test_what_a_slow_disk_cannot_record_ends_at_the_next_tick(tmp_path: Path, name: str) -> None:
    disk, done = SlowDisk(), list[Exception | None]()
    recorder = Recorder(tmp_path / name, disk=disk)
    desk = Desk(recorder)
    desk.run(1, Party(440))
    disk.catch_up()
    with pytest.raises(OSError, match=r"regular|director|null|too long"):
        desk.run(1, Party(440))
    recorder.close(done.append)
    disk.catch_up()
    assert len(done) == 1
    assert isinstance(done[0], OSError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "nowhere/recorded.wav", "recorded\0.wav", "x" * 300])
def test_what_cannot_be_recorded_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises((OSError, ValueError)):
        Recorder(tmp_path / name).close()
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(OSError, match="not a regular file"):
        Recorder(Path("/dev/null"))
