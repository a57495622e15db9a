"""Digits as telephone-events, sent and received (RFC 4733)."""

from __future__ import annotations

import struct

import pytest

from media.dtmf import (
    DIGIT_FRAMES,
    END_REPEATS,
    EVENTS,
    GAP_FRAMES,
    EventPacket,
    EventReceiver,
    event_packets,
    rescaled,
)

END = 0x80


def payload(digit: str, duration: int, *, end: bool = False) -> bytes:
    """Section 2.3: event, end bit and volume, duration."""
    return struct.pack("!BBH", EVENTS.index(digit), (END if end else 0) | 10, duration)


def received(*packets: tuple[int, bytes]) -> list[tuple[str, int]]:
    """The digits of (timestamp, payload) packets."""
    receiver = EventReceiver()
    told = [heard for timestamp, data in packets for heard in receiver.receive(timestamp, data)]
    begun = [heard.digit for heard in told if not heard.ended]
    ended = [(heard.digit, heard.duration) for heard in told if heard.ended]
    assert begun == [digit for digit, _ in ended]
    return ended


def event(digit: str, timestamp: int, durations: range = range(160, 801, 160)) -> list[tuple[int, bytes]]:
    """A digit as phones send it: an update every 20 ms, and the end three times."""
    end = (timestamp, payload(digit, durations[-1], end=True))
    return [*((timestamp, payload(digit, duration)) for duration in durations[:-1]), end, end, end]


# -- receiving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", EVENTS)
def test_begin_updates_and_three_ends_are_one_digit(digit: str) -> None:
    assert received(*event(digit, 1000)) == [(digit, 800)]


def test_the_events_are_those_of_the_registry() -> None:
    """Section 3.2, table 3."""
    assert [EVENTS.index(digit) for digit in "0159*#AD"] == [0, 1, 5, 9, 10, 11, 12, 15]


def test_a_digit_is_told_at_its_first_packet_and_at_its_first_end() -> None:
    receiver = EventReceiver()
    told = [receiver.receive(timestamp, data) for timestamp, data in event("7", 1000)]
    assert told == [[("7", 160, False)], [], [], [], [("7", 800, True)], [], []]


def test_a_single_packet_with_the_end_is_a_digit() -> None:
    """Whatever else was lost, the begin with its marker among it."""
    assert received((1000, payload("4", 800, end=True))) == [("4", 800)]


def test_the_same_digit_twice_is_two_digits() -> None:
    assert received(*event("5", 1000), *event("5", 2600)) == [("5", 800), ("5", 800)]


def test_a_digit_whose_end_is_lost_is_told_when_the_next_begins() -> None:
    """With the duration that was last heard of."""
    assert received(*event("1", 1000)[:3], *event("2", 2600)) == [("1", 480), ("2", 800)]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([0, 1, 2, 3, 4, 5, 6, 2, 3], id="updates after the end"),
        pytest.param([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], id="each twice"),
        pytest.param([4, 0, 1, 2, 3], id="the end first"),
        pytest.param([6], id="the last alone"),
    ],
)
def test_duplicates_and_order_make_no_second_digit(order: list[int]) -> None:
    packets = event("9", 1000)
    assert received(*(packets[index] for index in order)) == [("9", 800)]


def test_a_late_packet_of_a_digit_before_is_no_digit() -> None:
    first, second = event("1", 1000), event("2", 2600)
    assert received(*first, *second[:2], first[-1], *second[2:]) == [("1", 800), ("2", 800)]


def test_timestamps_wrap() -> None:
    assert received(*event("1", 0xFFFFFF00), *event("2", 0x500)) == [("1", 800), ("2", 800)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\x80\x01",
        struct.pack("!BBH", 16, END, 800),  # flash hook
        struct.pack("!BBH", 255, END, 800),
    ],
)
def test_what_is_no_digit_is_nothing(data: bytes) -> None:
    assert received((1000, data)) == []


def test_more_than_one_event_in_a_packet_is_read_as_the_first() -> None:
    """Section 2.5.1.5: nobody sends such for digits."""
    assert received((1000, payload("3", 800, end=True) + payload("4", 800, end=True))) == [("3", 800)]


# -- sending ---------------------------------------------------------------------------------------


def test_a_digit_is_an_update_a_frame_and_three_ends() -> None:
    """Sections 2.5.1.2 and 2.5.1.4."""
    frames = list(event_packets("#"))
    assert [len(packets) for packets in frames] == [1, 1, 1, 1, END_REPEATS] + [0] * GAP_FRAMES
    assert [packets[0].payload for packets in frames[:DIGIT_FRAMES]] == [
        payload("#", 160),
        payload("#", 320),
        payload("#", 480),
        payload("#", 640),
        payload("#", 800, end=True),
    ]
    assert len(set(frames[DIGIT_FRAMES - 1])) == 1


def test_only_the_first_packet_of_a_digit_begins_it() -> None:
    """Section 2.2.2: it alone has the marker."""
    packets = [packet for frame in event_packets("1") for packet in frame]
    assert [packet.begins for packet in packets] == [True] + [False] * (len(packets) - 1)
    assert [packet.ends for packet in packets] == [False] * 4 + [True] * END_REPEATS


def test_digits_follow_one_another_with_a_gap() -> None:
    frames = list(event_packets("12"))
    assert len(frames) == 2 * (DIGIT_FRAMES + GAP_FRAMES)
    assert frames[DIGIT_FRAMES + GAP_FRAMES][0].payload[0] == 2


def test_letters_may_be_small() -> None:
    assert list(event_packets("abcd")) == list(event_packets("ABCD"))


@pytest.mark.parametrize("digits", ["x", "1 2", "ß", "٣", "E"])
def test_what_is_no_digit_cannot_be_sent(digits: str) -> None:
    with pytest.raises(ValueError, match="not found"):
        list(event_packets(digits))


def test_nothing_to_send() -> None:
    frames: list[list[EventPacket]] = list(event_packets(""))
    assert frames == []


@pytest.mark.parametrize("lost", [[], [0], [4], [4, 5], [0, 1, 2, 3], [5, 6], [0, 2, 4, 6]])
def test_what_we_send_is_received_in_spite_of_losses(lost: list[int]) -> None:
    digits = "0123456789*#ABCD"
    packets = []
    for index, digit in enumerate(digits):
        own = [packet for frame in event_packets(digit) for packet in frame]
        packets += [(index * 1600, each.payload) for number, each in enumerate(own) if number not in lost]
    assert received(*packets) == [(digit, 800) for digit in digits]


@pytest.mark.parametrize(
    ("duration", "from_rate", "to_rate", "becomes"),
    [
        (800, 8000, 48000, 4800),
        (4800, 48000, 8000, 800),
        (800, 8000, 8000, 800),
        (20000, 8000, 48000, 0xFFFF),
    ],
)
def test_a_duration_counts_in_another_clock(
    duration: int, from_rate: int, to_rate: int, becomes: int
) -> None:
    assert rescaled(payload("5", duration, end=True), from_rate, to_rate) == payload("5", becomes, end=True)


def test_what_is_no_event_is_left_as_it_is() -> None:
    assert rescaled(b"\1\2\3", 8000, 48000) == b"\1\2\3"
