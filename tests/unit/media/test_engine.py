"""The engine carries commands out, and what goes wrong with one stream is told and hurts no other."""

from __future__ import annotations

import asyncio
import errno
import logging
import struct
from pathlib import Path

import pytest

from media.codecs import g711
from media.engine import DISK_SECONDS, MediaEngine
from media.messages import (
    Bridge,
    ChangeStream,
    CloseStream,
    Command,
    Echo,
    OpenStream,
    PausePlaying,
    PlayEnded,
    PlayFile,
    PlayFiles,
    PlayTone,
    PortsReady,
    Quiet,
    RecordCall,
    RecordFile,
    RecordingEnded,
    RecordingFailed,
    SeekPlaying,
    SendDigits,
    StreamClosed,
    StreamFailed,
)
from media.plan import Codec
from media.ports import Ports
from media.tones import Tone
from media.wav import WavReader, WavWriter
from tests.simulation.simulation import Simulation
from tests.unit.media.studio import FRAME_SECONDS, PBX, Peer, SlowDisk, Studio, frames, plan_for

NOBODY = ("10.0.9.9", 4000)
HELLO = frames(1, 10)
TONE = Tone.sine(440)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A file of a quarter of a second, each sample different from its neighbours."""
    path = tmp_path / "song.wav"
    writer = WavWriter(path)
    writer.write(struct.pack("<2000h", *range(-16000, 16000, 16)))
    writer.close()
    return path


def talk(simulation: Simulation) -> tuple[Studio, Peer, int]:
    """A studio with one stream."""
    studio = Studio(simulation)
    lee = studio.peer()
    return studio, lee, studio.open(lee)


# -- streams ---------------------------------------------------------------------------------------


async def test_the_ports_that_are_ready_are_told(simulation: Simulation) -> None:
    studio = Studio(simulation, 20000, 20005)
    assert studio.told == [PortsReady(0, (20000, 20002, 20004))]
    studio.stop()


@pytest.mark.parametrize("port", [0, 19998, 20001, 20020, 99999])
async def test_a_stream_on_a_port_that_is_not_ready_fails(simulation: Simulation, port: int) -> None:
    studio = Studio(simulation)
    studio.do(OpenStream(1, port, plan_for(NOBODY)))
    assert studio.told_of(StreamFailed) == [StreamFailed(1, f"port {port} is not ready")]
    studio.stop()


async def test_a_port_serves_one_stream_at_a_time(simulation: Simulation) -> None:
    studio, lee, stream = talk(simulation)
    studio.do(OpenStream(7, lee.towards[1], plan_for(NOBODY)), Echo(stream))
    assert [event.stream for event in studio.told_of(StreamFailed)] == [7]
    await lee.say(HELLO)
    assert lee.heard() == HELLO
    studio.stop()


async def test_a_stream_that_is_opened_twice_keeps_its_port_and_costs_no_other(
    simulation: Simulation,
) -> None:
    studio, lee, stream = talk(simulation)
    second = studio.free[0]
    studio.do(OpenStream(stream, second, plan_for(NOBODY)), Echo(stream))
    assert len(studio.told_of(StreamFailed)) == 1
    await lee.say(HELLO)
    assert lee.heard() == HELLO
    studio.do(OpenStream(stream + 1, second, plan_for(NOBODY)))
    assert len(studio.told_of(StreamFailed)) == 1
    studio.stop()


@pytest.mark.parametrize(
    "command",
    [
        ChangeStream(9, plan_for(NOBODY)),
        Bridge(9, 1),
        Bridge(1, 9),
        Echo(9),
        PlayTone(9, TONE),
        PlayFile(9, "nowhere.wav"),
        RecordFile(9, "nowhere.wav"),
        SendDigits(9, "1"),
        Quiet(9),
        CloseStream(9),
    ],
)
async def test_a_command_for_a_stream_that_has_ended_is_too_late(
    simulation: Simulation, command: Command
) -> None:
    studio, lee, stream = talk(simulation)
    studio.do(Echo(stream))
    before = list(studio.told)
    studio.do(command)
    assert studio.told == before
    await lee.say(HELLO)
    assert lee.heard() == HELLO
    studio.stop()


async def test_a_closed_stream_frees_its_port_for_another(simulation: Simulation) -> None:
    studio = Studio(simulation, 20000, 20001)
    lee = studio.peer()
    for count in range(1, 4):
        stream = studio.open(lee)
        studio.do(Echo(stream))
        await lee.say(HELLO)
        assert lee.heard() == HELLO
        studio.do(CloseStream(stream), CloseStream(stream))
        assert len(studio.told_of(StreamClosed)) == count
        studio.free = [20000]
    studio.stop()


async def test_stopping_closes_every_stream_and_port(
    simulation: Simulation, song: Path, tmp_path: Path
) -> None:
    """With a BYE to each peer, and files complete."""
    studio = Studio(simulation)
    peers = [studio.peer() for _ in range(4)]
    first, second, third, fourth = (studio.open(peer) for peer in peers)
    studio.do(Bridge(first, second), PlayFile(third, str(song)), PlayTone(fourth, TONE))
    recorded = tmp_path / "recorded.wav"
    studio.do(RecordFile(first, str(recorded)))
    await asyncio.gather(*(peer.say(HELLO) for peer in peers))
    studio.stop()
    assert {event.stream for event in studio.told_of(StreamClosed)} == {first, second, third, fourth}
    assert int.from_bytes(recorded.read_bytes()[40:44], "little") == recorded.stat().st_size - 44
    heard = len(peers[3].packets)
    await asyncio.sleep(30)
    assert [peer.reports[-1].bye for peer in peers] == [True] * 4
    assert len(peers[3].packets) - heard <= 1


async def test_the_streams_of_one_engine_do_not_disturb_each_other(simulation: Simulation) -> None:
    studio = Studio(simulation)
    peers = [studio.peer() for _ in range(6)]
    streams = [studio.open(peer) for peer in peers]
    for one, other in zip(streams[::2], streams[1::2], strict=True):
        studio.do(Bridge(one, other))
    said = [frames(20 * index, 20) for index in range(6)]
    await asyncio.gather(*(peer.say(words) for peer, words in zip(peers, said, strict=True)))
    assert [peer.heard() for peer in peers] == [said[index ^ 1] for index in range(6)]
    studio.stop()


# -- files -----------------------------------------------------------------------------------------


async def test_a_file_is_played_and_its_end_told(simulation: Simulation, song: Path) -> None:
    studio, lee, stream = talk(simulation)
    studio.do(PlayFile(stream, str(song)))
    await asyncio.sleep(12.5 * FRAME_SECONDS)
    assert studio.told_of(PlayEnded) == []
    await asyncio.sleep(1)
    assert studio.told_of(PlayEnded) == [PlayEnded(stream)]
    pcm = song.read_bytes()[44:].ljust(13 * 320, b"\0")
    assert b"".join(lee.heard()) == g711.encode(Codec.PCMU, pcm)
    studio.stop()


async def test_a_file_waits_and_goes_on_elsewhere(simulation: Simulation, tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "numbers.wav")
    for number in range(100):
        writer.write((100 * number).to_bytes(2, "little") * 160)
    writer.close()
    studio, lee, stream = talk(simulation)
    studio.do(PausePlaying(stream), SeekPlaying(stream, 1))  # of nothing: too early
    studio.do(PlayFile(stream, str(tmp_path / "numbers.wav")))

    async def heard(*commands: Command) -> list[int]:
        lee.heard()
        studio.do(*commands)
        await asyncio.sleep(0.1)
        pcm = [g711.decode(Codec.PCMU, payload)[:2] for payload in lee.heard()]
        return [round(int.from_bytes(sample, "little", signed=True) / 100) for sample in pcm]

    await asyncio.sleep(0.01)
    assert await heard() == pytest.approx([0, 1, 2, 3, 4], abs=1)
    assert set(await heard(PausePlaying(stream))) == {0}
    assert (await heard(PausePlaying(stream, on=False)))[0] == 5
    assert await heard(SeekPlaying(stream, 1.0)) == pytest.approx([50, 51, 52, 53, 54], abs=2)
    assert await heard(SeekPlaying(stream, -0.5, from_here=True)) == pytest.approx(
        [30, 31, 32, 33, 34], abs=1
    )
    studio.do(SeekPlaying(stream, 99))
    await asyncio.sleep(0.1)
    assert len(studio.told_of(PlayEnded)) == 1
    studio.do(PausePlaying(stream))
    studio.stop()


async def test_music_goes_on_after_an_announcement_where_it_was(
    simulation: Simulation, tmp_path: Path
) -> None:
    def stairs(name: str, numbers: range) -> str:
        writer = WavWriter(tmp_path / name)
        for number in numbers:
            writer.write((100 * number).to_bytes(2, "little", signed=True) * 160)
        writer.close()
        return str(tmp_path / name)

    song, other = stairs("song.wav", range(1, 100)), stairs("other.wav", range(1, 100))
    prompt = stairs("prompt.wav", range(-10, -5))
    studio, lee, stream = talk(simulation)

    async def heard(seconds: float, *commands: Command) -> list[int]:
        studio.do(*commands)
        await asyncio.sleep(seconds)
        studio.do(Quiet(stream))
        await asyncio.sleep(0.1)
        pcm = [g711.decode(Codec.PCMU, payload)[:2] for payload in lee.heard()]
        return [round(int.from_bytes(sample, "little", signed=True) / 100) for sample in pcm]

    music = PlayFiles(stream, (song,), again=True)
    announced = PlayFiles(stream, (prompt, song), again=True, once=1)
    first = await heard(0.2, music)
    assert first == pytest.approx(list(range(1, len(first) + 1)), abs=1)
    assert len(await heard(0.06, announced)) == 3  # something else comes before the music is heard again
    then = await heard(0.2, announced)
    assert then[:5] == pytest.approx([-10, -9, -8, -7, -6], abs=1)
    assert then[5:8] == pytest.approx([first[-1] + 1, first[-1] + 2, first[-1] + 3], abs=1)
    assert (await heard(0.1, music))[0] == pytest.approx(then[-1] + 1, abs=1)
    for files in (PlayFiles(stream, (other,), again=True), music):  # it is not what was heard last
        assert (await heard(0.1, files))[0] == pytest.approx(1, abs=1)
    elsewhere = PlayFiles(stream, (other,), again=True, skip=0.6)
    assert (await heard(0.1, elsewhere))[0] == pytest.approx(31, abs=1)
    assert (await heard(0.1, elsewhere))[0] == pytest.approx(36, abs=2)  # it is known here where it was
    studio.stop()


async def test_nothing_is_kept_of_music_whose_hearer_has_gone(simulation: Simulation, song: Path) -> None:
    studio, _, stream = talk(simulation)
    studio.do(PlayFiles(stream, (str(song),), again=True))
    await asyncio.sleep(0.1)
    studio.do(CloseStream(stream))
    await asyncio.sleep(0.1)
    assert studio.engine._music == {}
    studio.stop()


async def test_what_is_played_next_takes_the_place_of_a_file(simulation: Simulation, song: Path) -> None:
    """Nobody waits any more for the end of the first."""
    studio, lee, stream = talk(simulation)
    studio.do(PlayFile(stream, str(song)), PlayFile(stream, str(song)))
    await asyncio.sleep(1)
    assert studio.told_of(PlayEnded) == [PlayEnded(stream)]
    assert len(lee.heard()) == 13
    studio.do(PlayFile(stream, str(song)), Quiet(stream))
    await asyncio.sleep(1)
    assert len(studio.told_of(PlayEnded)) == 1
    assert lee.heard() == []
    studio.stop()


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"", "cut short"), (b"no sound" * 10, "is no WAV file")]
)
async def test_a_file_that_cannot_be_played_has_ended_with_a_problem(
    simulation: Simulation, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "hostile.wav"
    if content is not None:
        path.write_bytes(content)
    studio, lee, stream = talk(simulation)
    studio.do(Echo(stream), PlayFile(stream, str(path)))
    [ended] = studio.told_of(PlayEnded)
    assert ended.stream == stream
    assert problem in ended.problem
    await lee.say(HELLO)
    assert lee.heard() == HELLO  # what was heard before goes on
    studio.stop()


async def test_a_file_that_breaks_while_it_is_played_has_ended_with_a_problem(
    simulation: Simulation, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails, a share that goes away."""

    class Failing(WavReader):
        frames = 0

        def frame(self) -> bytes | None:
            self.frames += 1
            if self.frames > 5:
                raise OSError(errno.EIO, "Input/output error")
            return super().frame()

    monkeypatch.setattr("media.prompts.files.WavReader", Failing)
    studio, lee, stream = talk(simulation)
    studio.do(PlayFile(stream, str(song)))
    await asyncio.sleep(1)
    assert len(lee.heard()) == 5
    assert studio.told_of(PlayEnded) == [PlayEnded(stream, "[Errno 5] Input/output error")]
    studio.stop()


@pytest.mark.parametrize("then", [None, Quiet, CloseStream])
async def test_a_file_is_heard_when_a_slow_disk_has_opened_it_unless_something_else_is_to_be_heard(
    simulation: Simulation, song: Path, then: type[Quiet] | type[CloseStream] | None
) -> None:
    library = SlowDisk()
    studio = Studio(simulation, library=library)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(Echo(stream), PlayFile(stream, str(song)))
    await lee.say(HELLO)
    assert lee.heard() == HELLO  # what was heard before goes on
    if then is not None:
        studio.do(then(stream))
    library.catch_up()
    await asyncio.sleep(1)
    if then is None:
        assert len(lee.heard()) == 13
        assert studio.told_of(PlayEnded) == [PlayEnded(stream)]
    else:
        assert lee.heard() == []
        assert studio.told_of(PlayEnded) == []
    library.catch_up()
    studio.stop()


async def test_a_file_that_is_not_open_yet_can_be_paused(simulation: Simulation, song: Path) -> None:
    library = SlowDisk()
    studio = Studio(simulation, library=library)
    lee = studio.peer()
    stream = studio.open(lee)
    studio.do(PlayFile(stream, str(song)), PausePlaying(stream))
    library.catch_up()
    await asyncio.sleep(1)
    assert set(lee.heard()) == {g711.SILENCE[Codec.PCMU] * 160}
    studio.do(PausePlaying(stream, on=False))
    await asyncio.sleep(1)
    assert studio.told_of(PlayEnded) == [PlayEnded(stream)]
    studio.stop()
    library.catch_up()


async def test_a_recording_that_cannot_begin_is_told_and_the_call_goes_on(
    simulation: Simulation, tmp_path: Path
) -> None:
    studio, lee, stream = talk(simulation)
    studio.do(Echo(stream), RecordFile(stream, str(tmp_path / "nowhere" / "recorded.wav")))
    [failed] = studio.told_of(RecordingFailed)
    assert failed.stream == stream
    assert "No such file" in failed.problem
    await lee.say(HELLO)
    assert lee.heard() == HELLO
    studio.stop()


@pytest.mark.parametrize("seconds", [0.0, DISK_SECONDS - 1, DISK_SECONDS + 1])
async def test_the_end_of_a_stream_waits_for_no_disk_and_each_recording_has_one_end(
    simulation: Simulation, tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    disk, paths = SlowDisk(), [str(tmp_path / name) for name in ("one.wav", "both.wav")]
    studio = Studio(simulation, disk=disk)
    stream = studio.open(studio.peer())
    studio.do(RecordFile(stream, paths[0]), RecordCall(stream, paths[1]), CloseStream(stream))
    [closed] = studio.told_of(StreamClosed)
    assert (closed.recordings, studio.told_of(RecordingEnded)) == (2, [])
    await asyncio.sleep(seconds)
    disk.catch_up()
    await asyncio.sleep(2 * DISK_SECONDS)
    late = seconds > DISK_SECONDS
    assert sorted(event.path for event in studio.told_of(RecordingEnded)) == ([] if late else sorted(paths))
    assert sorted(event.path for event in studio.told_of(RecordingFailed)) == (sorted(paths) if late else [])
    assert ("is not written long after its end" in caplog.text) is late
    assert len(studio.told_of(StreamClosed)) == 1
    studio.stop()


async def test_a_recording_that_breaks_is_told_once_and_the_call_goes_on(
    simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: neither the sound nor the header at the end can be written."""

    class Full(WavWriter):
        def write(self, pcm: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("media.recorder.WavWriter", Full)
    studio, lee, stream = talk(simulation)
    studio.do(Echo(stream), RecordFile(stream, str(tmp_path / "recorded.wav")))
    await lee.say(HELLO + HELLO)
    [failed] = studio.told_of(RecordingFailed)
    assert failed == RecordingFailed(
        stream, "[Errno 28] No space left on device", str(tmp_path / "recorded.wav")
    )
    assert lee.heard() == HELLO + HELLO
    studio.stop()
    assert len(studio.told_of(RecordingFailed)) == 1


async def test_a_recording_that_cannot_be_completed_is_told(
    simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(WavWriter):
        def close(self) -> None:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("media.recorder.WavWriter", Full)
    studio, _, stream = talk(simulation)
    studio.do(RecordFile(stream, str(tmp_path / "recorded.wav")), CloseStream(stream))
    assert [event.stream for event in studio.told_of(RecordingFailed)] == [stream]
    assert len(studio.told_of(StreamClosed)) == 1
    studio.stop()


@pytest.mark.parametrize("again", [False, True])
async def test_a_recording_ends_with_its_stream_or_with_the_next(
    simulation: Simulation, tmp_path: Path, again: bool
) -> None:
    studio, lee, stream = talk(simulation)
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    studio.do(RecordFile(stream, str(first)))
    await lee.say(HELLO)
    studio.do(RecordFile(stream, str(second)) if again else CloseStream(stream))
    size = first.stat().st_size
    await lee.say(HELLO)
    assert size == first.stat().st_size >= 44 + 9 * 320
    studio.stop()
    assert second.exists() is again


async def test_a_recording_begins_with_what_comes_after_it_was_asked_for(
    simulation: Simulation, tmp_path: Path
) -> None:
    """Not with what the one before had no time to write."""
    studio, lee, stream = talk(simulation)
    paths = [tmp_path / "first.wav", tmp_path / "second.wav"]
    studio.do(RecordFile(stream, str(paths[0])))
    for payload in HELLO:  # all at once, as after a hiccup of the network
        lee.send(payload)
    await asyncio.sleep(2.5 * FRAME_SECONDS)
    studio.do(RecordFile(stream, str(paths[1])))
    await asyncio.sleep(1)
    studio.do(CloseStream(stream))
    assert any(paths[0].read_bytes()[44:])
    assert not any(paths[1].read_bytes()[44:])
    studio.stop()


# -- trouble ---------------------------------------------------------------------------------------


async def test_what_cannot_be_sent_as_digits_is_only_logged(
    simulation: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    studio, _, stream = talk(simulation)
    with caplog.at_level(logging.WARNING):
        studio.do(SendDigits(stream, "12x"))
    assert "12x" in caplog.text
    studio.stop()


async def test_an_engine_without_a_single_port_does_not_start(simulation: Simulation) -> None:
    studio = Studio(simulation, 20000, 20001)
    other = MediaEngine(
        studio.host, Ports(studio.host, PBX, 20000, 20001), simulation.dice("other"), studio.told.append
    )
    with pytest.raises(OSError, match=r"10\.0\.0\.1 20000-20001"):
        other.start()
    studio.stop()
