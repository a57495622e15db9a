"""What a stream that moves goes on with."""

from __future__ import annotations

from media.messages import (
    Bridge,
    CloseStream,
    JoinRoom,
    LeaveRoom,
    ListenForDigits,
    PlayEnded,
    PlayFiles,
    Quiet,
    RecordCall,
    Statistics,
    StopRecording,
    StreamCommand,
)
from media.standing import Standing, together

MUSIC = PlayFiles(1, ("music.wav",), again=True)


def after(*commands: StreamCommand) -> Standing:
    standing = Standing(lambda: 100.0)
    for command in commands:
        standing.note(command)
    return standing


def test_a_stream_that_nothing_was_asked_of_does_nothing() -> None:
    assert Standing(lambda: 0.0).again(1) == []


def test_both_of_a_bridge_come_together_again() -> None:
    standing = after(Bridge(1, 2))
    assert (standing.again(1), standing.again(2)) == ([Bridge(1, 2)], [Bridge(2, 1)])


def test_who_is_held_has_the_music_again_and_is_heard() -> None:
    standing = after(Bridge(1, 2), MUSIC)
    assert standing.again(1) == [Bridge(1, 2), MUSIC]
    assert standing.again(2) == [Bridge(2, 1), MUSIC]
    standing.note(Bridge(1, 2))
    assert standing.again(1) == [Bridge(1, 2)]


def test_music_goes_on_where_it_was() -> None:
    now = [100.0]
    standing = Standing(lambda: now[0])

    def after_seconds(seconds: float, *commands: StreamCommand) -> None:
        now[0] += seconds
        for command in commands:
            standing.note(command)

    def skipped(stream: int) -> list[float]:
        return [command.skip for command in standing.again(stream) if isinstance(command, PlayFiles)]

    after_seconds(0, Bridge(1, 2), MUSIC)
    after_seconds(5)
    assert (skipped(1), skipped(2)) == ([5.0], [5.0])
    after_seconds(1, Bridge(1, 2))
    assert skipped(1) == []
    after_seconds(60, MUSIC)  # held once more: the engine goes on where it was, too
    after_seconds(2)
    assert skipped(1) == [8.0]
    after_seconds(0, PlayFiles(1, ("hello.wav", "music.wav"), again=True, once=1))
    after_seconds(3)
    assert skipped(1) == [3.0]
    after_seconds(0, PlayFiles(1, ("other.wav",), again=True))
    after_seconds(4)
    assert skipped(1) == [4.0]
    after_seconds(0, PlayFiles(1, ("prompt.wav",)))
    after_seconds(1)
    assert skipped(1) == [0.0]  # no music: it begins anew


def test_a_partner_that_has_found_another_is_left_alone() -> None:
    assert after(Bridge(1, 2), Bridge(2, 3)).again(1) == []


def test_silence_stays_silence() -> None:
    assert after(MUSIC, Quiet(1)).again(1) == [Quiet(1)]


def test_files_begin_anew_unless_they_have_ended() -> None:
    files = PlayFiles(1, ("prompt.wav",), number=7)
    standing = after(files)
    standing.told(PlayEnded(1, number=6))
    assert standing.again(1) == [files]
    standing.told(PlayEnded(1, number=7))
    assert standing.again(1) == []


def test_after_a_file_the_partner_is_not_heard_again() -> None:
    standing = after(Bridge(1, 2), PlayFiles(1, ("prompt.wav",), number=7))
    standing.told(PlayEnded(1, number=7))
    assert standing.again(1) == [Bridge(1, 2), Quiet(1)]


def test_room_and_keys() -> None:
    standing = after(JoinRoom(1, 5), ListenForDigits(1))
    assert standing.again(1) == [JoinRoom(1, 5), ListenForDigits(1)]
    standing.note(LeaveRoom(1))
    standing.note(ListenForDigits(1, on=False))
    assert standing.again(1) == [ListenForDigits(1, on=False)]


def test_every_part_of_a_recording_has_a_file_of_its_own() -> None:
    standing = after(RecordCall(1, "/there/call.wav"))
    assert standing.again(1) == [RecordCall(1, "/there/call-2.wav")]
    assert standing.again(1) == [RecordCall(1, "/there/call-3.wav")]
    standing.note(StopRecording(1))  # that of a message
    assert standing.again(1) == [RecordCall(1, "/there/call-4.wav")]
    standing.note(StopRecording(1, call=True))
    assert standing.again(1) == []


def test_nothing_is_kept_of_a_stream_that_is_closed() -> None:
    standing = after(Bridge(1, 2), CloseStream(1))
    assert standing.again(2) == []
    standing.note(CloseStream(2))
    assert len(standing) == 0


def test_packets_add_up_and_the_rest_is_of_the_later_part() -> None:
    first = Statistics(packets_received=5, packets_sent=7, jitter_ms=9.0, remote_packets_lost=2)
    then = Statistics(packets_received=10, packets_sent=20, jitter_ms=1.0)
    assert together(first, then) == Statistics(
        packets_received=15, packets_sent=27, jitter_ms=1.0, remote_packets_lost=2
    )
