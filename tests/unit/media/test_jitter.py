"""The playout buffer: whatever the network does, sound comes out in order, early, and steadily."""

from __future__ import annotations

from typing import Any

import pytest

from media.jitter import CONCEAL, NOTHING, JitterBuffer
from media.opus_ticks import opus_ticks
from media.rtp import RtpPacket
from tests.unit.media.listener import FRAME, TAPE, TICK, Heard, Listener, frames, listen, packet

# -- what is simple --------------------------------------------------------------------------------


def test_before_the_first_packet_nothing_is_sent() -> None:
    listener = Listener()
    assert listener.take(100) == [NOTHING] * 100
    assert listener.counts() == {}


def test_on_a_steady_network_a_frame_is_heard_at_the_next_take() -> None:
    listener = Listener()
    assert listener.each(packet(number) for number in range(200)) == frames(*range(200))
    assert listener.counts() == {}
    assert listener.buffer.received == 200
    assert listener.buffer.delay_ms == pytest.approx(5)
    assert listener.buffer.target_ms == pytest.approx(20)


def test_a_frame_is_the_payload_itself() -> None:
    """Nothing is copied."""
    listener = Listener()
    only = packet(0)
    assert listener.each([only])[0] is only.payload


def test_a_buffer_has_no_room_for_more_than_its_slots() -> None:
    assert not hasattr(JitterBuffer(), "__dict__")


@pytest.mark.parametrize("samples", [80, 160, 240, 320, 480])
def test_packets_of_any_length_are_cut_into_frames(samples: int) -> None:
    buffer = JitterBuffer()
    packets = [(number * samples / 8000, packet(number, samples)) for number in range(120)]
    heard = [frame for _, frame in listen(buffer, packets) if isinstance(frame, bytes)]
    assert heard == frames(*range(120 * samples // FRAME))
    assert (buffer.lost, buffer.dropped, buffer.discarded) == (0, 0, 0)
    assert buffer.inserted <= 1  # of 30 ms, one must wait for the next
    assert buffer.delay_ms <= 30


@pytest.mark.parametrize("first", [0xFFFF, 0xFFF0, 0x7FFF])
@pytest.mark.parametrize("start", [0xFFFFFFFF, 0xFFFFFF00, 0x7FFFFFF0])
def test_numbers_and_clocks_that_wrap_are_no_jump(first: int, start: int) -> None:
    listener = Listener()
    packets = [packet(number, first=first, start=start) for number in range(40)]
    packets[20:22] = packets[21], packets[20]
    listener.put(packets[0])  # one more than needed waits all the time
    heard = listener.each(packets[1:])
    assert [frame for frame in heard if isinstance(frame, bytes)] == frames(*range(39))
    assert listener.counts() == {"reordered": 1}


# -- loss, delay, order ----------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [[5], [5, 6], [5, 6, 7], [5, 7, 9]])
def test_what_is_lost_is_concealed_in_its_place(missing: list[int]) -> None:
    listener, heard = Listener(), list[Heard]()
    for number in range(20):
        if number not in missing:
            listener.put(packet(number))
        heard += listener.take()
    expected = [CONCEAL if number in missing else frames(number)[0] for number in range(20)]
    assert heard == expected
    assert listener.counts() == {"lost": len(missing), "concealed": len(missing)}


def test_a_long_loss_is_concealed_for_60_ms_and_then_silent() -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    assert listener.take(40) == [CONCEAL] * 3 + [NOTHING] * 37
    assert listener.each(packet(number) for number in range(50, 60)) == frames(*range(50, 60))
    assert listener.counts() == {"lost": 40, "concealed": 3}
    assert listener.buffer.delay_ms == pytest.approx(5)


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_a_packet_a_little_late_is_played_and_the_delay_grows(ticks: int) -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    heard = listener.take(ticks)
    listener.put(*(packet(number) for number in range(10, 10 + ticks)))
    heard += listener.each(packet(number) for number in range(10 + ticks, 15 + ticks))
    assert heard == [CONCEAL] * ticks + frames(*range(10, 15))
    assert listener.counts() == {"concealed": ticks, "inserted": ticks}


def test_a_packet_that_comes_after_its_time_is_late_and_lost() -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    assert listener.each([packet(11)]) == [CONCEAL]  # the one after it waits already
    listener.put(packet(10))
    assert listener.each([packet(12), packet(13)]) == frames(11, 12)
    assert listener.counts() == {"lost": 1, "late": 1, "reordered": 1, "concealed": 1}


def test_a_packet_overtaken_by_the_one_that_was_played_is_late() -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    listener.take()  # where 10 should have been
    assert listener.each([packet(11)]) == frames(11)
    listener.put(packet(10))
    assert listener.each([packet(12)]) == frames(12)
    assert listener.counts() == {"lost": 1, "late": 1, "reordered": 1, "concealed": 1}


def test_duplicates_are_heard_once() -> None:
    listener = Listener()
    heard = list[Heard]()
    for number in range(10):
        listener.put(packet(number), packet(number))
        heard += listener.take()
        listener.put(packet(number))
    assert heard == frames(*range(10))
    assert listener.counts() == {"duplicate": 20}


def test_packets_that_change_places_in_time_are_put_in_order() -> None:
    listener = Listener()
    listener.put(packet(0), packet(2), packet(1), packet(4), packet(3))
    assert listener.take(5) == frames(*range(5))
    assert listener.counts() == {"reordered": 2}


def test_the_first_packets_of_a_stream_may_change_places() -> None:
    listener = Listener()
    listener.put(packet(2), packet(0), packet(1))
    assert listener.take(3) == frames(0, 1, 2)
    assert listener.counts() == {"reordered": 2}


@pytest.mark.parametrize(("missing", "filled"), [(20, 0), (21, 80)])
def test_half_a_frame_that_is_lost_is_filled_from_the_frame_before(missing: int, filled: int) -> None:
    """Packets of 10 ms."""
    buffer = JitterBuffer()
    packets = [(number / 100, packet(number, 80)) for number in range(60) if number != missing]
    expected = frames(*range(30))
    frame = bytearray(expected[10])
    frame[filled : filled + 80] = expected[9][filled : filled + 80]
    expected[10] = bytes(frame)
    assert [frame for _, frame in listen(buffer, packets) if isinstance(frame, bytes)] == expected
    assert (buffer.lost, buffer.concealed) == (1, 1 + 3)  # and 60 ms at the end


# -- jumps -----------------------------------------------------------------------------------------


def test_another_source_is_heard_at_once() -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    listener.put(packet(10))
    later = [packet(number, ssrc=2, first=999 - 50, start=123456789) for number in range(50, 55)]
    assert listener.each(later) == frames(*range(50, 55))
    assert listener.counts() == {"discarded": 1, "resyncs": 1}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"first": 20_000}, id="numbers leap ahead"),
        pytest.param({"first": 20_000, "start": 0x90000000}, id="numbers and clock leap ahead"),
        pytest.param({"start": 0x10000000}, id="clock leaps ahead"),
        pytest.param({"start": 0x90000000}, id="clock leaps back"),
        pytest.param({"start": -1600 & 0xFFFFFFFF}, id="clock is set back by 200 ms"),
        pytest.param({"start": -160 & 0xFFFFFFFF}, id="clock is set back by 20 ms"),
    ],
)
def test_a_jump_is_followed_at_once(changes: dict[str, Any]) -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(50))
    after = [packet(number, **changes) for number in range(50, 60)]
    assert listener.each(after) == frames(*range(50, 60))
    assert listener.counts() == {"resyncs": 1}
    assert listener.buffer.delay_ms == pytest.approx(5)


def test_a_jump_back_is_followed_with_its_second_packet() -> None:
    """RFC 3550 section A.1: the first may be a packet that was very late."""
    listener = Listener()
    listener.each(packet(number) for number in range(50))
    heard = listener.each(packet(number, first=-1000 & 0xFFFF) for number in range(50, 60))
    assert heard == [CONCEAL, *frames(*range(51, 60))]
    assert listener.counts() == {"concealed": 1, "discarded": 1, "resyncs": 1}


@pytest.mark.parametrize(
    ("behind", "name"), [(50, "late"), (98, "late"), (150, "discarded"), (280, "discarded")]
)
def test_a_very_late_packet_disturbs_nothing(behind: int, name: str) -> None:
    listener = Listener()
    heard = listener.each(packet(number) for number in range(300))
    listener.put(packet(300 - behind))
    heard += listener.each(packet(number) for number in range(300, 400))
    listener.put(packet(400 - behind))
    heard += listener.each(packet(number) for number in range(400, 410))
    assert heard == frames(*range(410))
    counts = listener.counts()
    assert counts.pop("reordered", 2) == 2
    assert counts == {name: 2}


def test_a_packet_whose_clock_and_number_do_not_agree_is_discarded() -> None:
    listener = Listener()
    listener.put(packet(0), packet(2))
    listener.put(packet(1, shift=80_000))
    assert listener.take(3) == [*frames(0), CONCEAL, *frames(2)]
    assert listener.counts() == {"reordered": 1, "discarded": 1, "lost": 1, "concealed": 1}


def test_a_packet_too_old_to_begin_with_is_discarded() -> None:
    """After an outage, the newest came first."""
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    listener.take(20)
    listener.put(packet(29), packet(10))
    assert listener.take() == frames(29)
    assert listener.counts() == {"reordered": 1, "discarded": 1, "lost": 19, "concealed": 3}


def test_a_clock_that_stands_still_is_no_hindrance() -> None:
    listener = Listener()
    heard = listener.each(packet(number, shift=-number * FRAME) for number in range(50))
    assert heard == frames(*range(50))


def test_packets_of_5_ms_are_no_more_than_fit() -> None:
    """As long as none is taken, those that are too many push out the older ones."""
    listener, sizes = Listener(), list[int]()
    for number in range(200):
        listener.put(packet(number, 40))
        sizes.append(sum(len(payload) for payload in listener.buffer._payloads if payload))
    assert max(sizes) <= 32 * 40
    heard = [frame for frame in listener.take(12) if isinstance(frame, bytes)]
    assert heard[-1] == TAPE[8000 - FRAME : 8000]
    assert b"".join(heard) == TAPE[8000 - FRAME * len(heard) : 8000]


def test_early_packets_push_no_others_out() -> None:
    listener = Listener()
    listener.put(*(packet(number, 40) for number in range(4, 36)))
    listener.put(packet(3, 40))
    heard = [frame for frame in listener.take(9) if isinstance(frame, bytes)]
    assert b"".join(heard) == TAPE[160 : 36 * 40]
    assert listener.counts() == {"reordered": 1, "late": 1}


def test_sound_that_overlaps_is_heard_once() -> None:
    listener = Listener()
    listener.put(packet(0, 320), packet(1), RtpPacket(0, False, 2, 240, 1, TAPE[240:480]))
    assert listener.take(3) == frames(0, 1, 2)
    assert listener.counts() == {"discarded": 1}


# -- silence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", [True, False])
@pytest.mark.parametrize("stands_still", [False, True])
@pytest.mark.parametrize("ticks", [1, 4, 50, 1000])
def test_silence_is_no_loss_and_adds_no_delay(ticks: int, stands_still: bool, marker: bool) -> None:
    """Discontinuous transmission: the numbers go on, and the clock does, or should (RFC 3551 section 4.1)."""
    listener = Listener()
    listener.each(packet(number) for number in range(20))
    pause = listener.take(ticks)
    assert pause == ([CONCEAL] * 3 + [NOTHING] * 1000)[:ticks]
    shift = 0 if stands_still else ticks * FRAME
    spurt = [packet(number, shift=shift, marker=marker and number == 20) for number in range(20, 30)]
    heard = [frame for frame in listener.each(spurt) if frame is not NOTHING]
    assert heard == frames(*range(20, 20 + len(heard)))
    assert len(heard) >= 8
    assert listener.buffer.lost == listener.buffer.resyncs == 0
    if (
        ticks > 10 or not stands_still
    ):  # a short pause without a mark on the clock could be a late packet, too
        assert len(heard) == 10
        assert listener.counts() == {"concealed": min(ticks, 3)}
        assert listener.buffer.delay_ms == pytest.approx(5)


def deep(listener: Listener) -> None:
    """Let 80 ms of sound wait: the frames 20 to 23 are next."""
    listener.put(*(packet(number) for number in range(5)))
    listener.each(packet(number) for number in range(5, 24))
    assert listener.take() == frames(19)


def test_silence_between_packets_that_wait_is_silence() -> None:
    listener = Listener()
    listener.put(packet(0), packet(1), packet(2, shift=3 * FRAME))
    assert listener.take(6) == [*frames(0, 1), NOTHING, NOTHING, NOTHING, *frames(2)]
    assert listener.counts() == {}


def test_loss_between_packets_that_wait_is_concealed() -> None:
    listener = Listener()
    listener.put(packet(0), packet(1), packet(5))
    assert listener.take(6) == [*frames(0, 1), CONCEAL, CONCEAL, CONCEAL, *frames(5)]
    assert listener.counts() == {"lost": 3, "concealed": 3}


@pytest.mark.parametrize(("gap", "pause"), [(30, 0), (79, 0), (80, 1), (159, 1), (200, 1), (250, 2)])
def test_silence_is_rounded_to_frames(gap: int, pause: int) -> None:
    listener = Listener()
    listener.put(packet(0), packet(1, shift=gap), packet(2, shift=gap))
    assert listener.take(3 + pause) == [*frames(0), *[NOTHING] * pause, *frames(1, 2)]
    assert listener.counts() == {}


def test_packets_of_another_kind_are_no_losses() -> None:
    """A digit: ten telephone-events with one timestamp in the place of sound."""
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    events = [RtpPacket(101, number == 10, number, 1600, 1, b"") for number in range(10, 20)]
    assert listener.each(events) == [CONCEAL] * 3 + [NOTHING] * 7
    assert listener.each(packet(number) for number in range(20, 30)) == frames(*range(20, 30))
    assert listener.counts() == {"concealed": 3}


def test_a_digit_of_any_length_is_no_jump() -> None:
    listener = Listener()
    listener.each(packet(number) for number in range(10))
    listener.each(RtpPacket(101, False, number, 1600, 1, b"") for number in range(10, 500))
    assert listener.each(packet(number) for number in range(500, 505)) == frames(*range(500, 505))
    assert listener.counts() == {"concealed": 3}


def test_a_payload_larger_than_a_packet_is_discarded() -> None:
    listener = Listener()
    assert listener.each([packet(0), packet(1), RtpPacket(0, False, 2, 320, 1, bytes(1501))]) == [
        *frames(0, 1),
        CONCEAL,
    ]
    assert listener.counts() == {"discarded": 1, "concealed": 1}


# -- whole payloads --------------------------------------------------------------------------------

OPUS_10, OPUS_20, OPUS_60 = 10 << 3, 1 << 3, 3 << 3
"""First bytes of Opus packets (RFC 6716 table 2)."""


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        ("00", 10), ("08", 20), ("10", 40), ("18", 60), ("58", 60),  # SILK
        ("60", 10), ("68", 20), ("70", 10), ("78", 20),  # hybrid
        ("80", 2.5), ("88", 5), ("90", 10), ("98", 20), ("f8", 20),  # CELT
        ("09", 40), ("0a", 40), ("0c", 20),  # two frames, two of different size, stereo
        ("0b02", 40), ("0b83", 60), ("0b06", 120), ("8330", 120),  # as many as the second byte says
        ("0b00", 0), ("0b07", 0), ("1b03", 0), ("0b", 0), ("", 0),  # none, or more than 120 ms
    ],
)  # fmt: skip
def test_how_long_an_opus_packet_lasts(payload: str, milliseconds: float) -> None:
    """RFC 6716 section 3.1 and 3.2."""
    assert opus_ticks(bytes.fromhex(payload)) == milliseconds * 48


def opus(number: int, *, milliseconds: int = 20) -> RtpPacket:
    first = {10: 0x00, 20: 0x08, 60: 0x18}[milliseconds]
    ticks = 48 * milliseconds
    return RtpPacket(111, False, number, number * ticks, 1, bytes([first, *number.to_bytes(2, "big")]))


@pytest.mark.parametrize("milliseconds", [10, 20, 60])
def test_whole_payloads_are_given_as_they_are_when_their_sound_is_due(milliseconds: int) -> None:
    buffer = JitterBuffer(48000, ticks_of=opus_ticks)
    heard, due, sound = list[Heard](), 0.0, 0
    for number in range(100):
        now = number * milliseconds / 1000
        while due < now:
            if sound < 20:
                heard.append(buffer.take(due))
                sound += milliseconds if isinstance(heard[-1], bytes) else 20
                continue
            sound -= 20
            due += TICK
        buffer.put(opus(number, milliseconds=milliseconds), now)
    given = [frame for frame in heard if isinstance(frame, bytes)]
    assert given == [opus(number, milliseconds=milliseconds).payload for number in range(len(given))]
    assert len(given) >= 100 - 40 // milliseconds - 1
    assert (buffer.lost, buffer.dropped, buffer.discarded) == (0, 0, 0)
    assert buffer.inserted <= 1
    assert buffer.delay_ms < 21


def test_a_whole_payload_that_is_lost_is_concealed_in_pieces_of_20_ms() -> None:
    buffer = JitterBuffer(48000, ticks_of=opus_ticks)
    for number in (0, 2):
        buffer.put(opus(number, milliseconds=60), 0.0)
    heard = [buffer.take(due) for due in (0.0, 0.06, 0.08, 0.1, 0.12)]
    assert heard == [
        opus(0, milliseconds=60).payload,
        *[CONCEAL] * 3,
        opus(2, milliseconds=60).payload,
    ]
    assert (buffer.lost, buffer.concealed) == (1, 3)


def test_whole_payloads_of_no_sense_are_discarded() -> None:
    listener = Listener(JitterBuffer(48000, ticks_of=opus_ticks))
    broken = RtpPacket(111, False, 1, 960, 1, b"\x0b")
    listener.put(opus(0), broken, opus(2))
    assert listener.take(3) == [opus(0).payload, NOTHING, opus(2).payload]
    assert listener.counts() == {"discarded": 1}
