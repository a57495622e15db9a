"""What goes to workers and comes from them, as bytes and back."""

from __future__ import annotations

import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import wire
from media.messages import NOTHING, Command, Event, OpenStream, StreamClosed
from media.plan import Codec, SrtpKeys, SrtpSuite, StreamPlan
from media.upward_log import LogLine
from values import dataclass

MESSAGES = st.from_type(Command | Event | LogLine).filter(  # type: ignore[arg-type]
    lambda message: "nan" not in repr(message)  # which is not equal to itself
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """No message."""

    number: int


@given(st.lists(MESSAGES, max_size=4))
def test_whatever_is_sent_arrives_as_it_was(messages: list[Command | Event | LogLine]) -> None:
    arrived = wire.loads(wire.dumps(messages))
    assert arrived == messages
    assert list(map(type, arrived)) == list(map(type, messages))


def test_keys_travel() -> None:
    keys = SrtpKeys(SrtpSuite.AES_CM_128_HMAC_SHA1_32, b"a" * 30, b"b" * 30, continues=True)
    plan = StreamPlan(
        Codec.PCMA, 8, 8, ("192.0.2.1", 4000), trusted_hosts=frozenset({"192.0.2.1"}), srtp=keys
    )
    assert wire.loads(wire.dumps([OpenStream(1, 20000, plan)])) == [OpenStream(1, 20000, plan)]


def test_of_a_stream_on_which_nobody_has_sent_anything_nothing_is_made() -> None:
    [closed] = wire.loads(wire.dumps([StreamClosed(1, NOTHING)]))
    assert closed.statistics is NOTHING


@pytest.mark.parametrize("value", [Stranger(1), object(), Codec.PCMU])
def test_what_is_no_message_is_not_sent(value: object) -> None:
    with pytest.raises(ValueError, match="unmarshallable"):
        wire.dumps([value])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"nope", id="text"),
        pytest.param(marshal.dumps(None), id="no list"),
        pytest.param(marshal.dumps([[10_000, 1]]), id="a kind that there is not"),
        pytest.param(marshal.dumps([[0]]), id="a message without its values"),
        pytest.param(marshal.dumps([[]]), id="a message without its kind"),
    ],
)
def test_what_was_not_printed_here_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, EOFError, IndexError)):
        wire.loads(data)
