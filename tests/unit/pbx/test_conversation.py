"""Two legs that talk: whose digits go where. What they hear is held by the journeys of hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from media.messages import Bridge, ListenForDigits, SendDigits
from pbx.conversation import Conversation
from pbx.leg import Leg
from pbx.prompts import Silence


class Media:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, command: object) -> None:
        self.sent.append(command)

    def are_together(self, one: int, other: int) -> bool:
        return True


def leg(stream: int, *, voice: object = None, holds: bool = False) -> Leg:
    """What a conversation sees of a leg."""
    station = SimpleNamespace(legs=SimpleNamespace(followed=()))
    own: dict[str, Any] = {"stream": stream, "line": "", "voice": voice, "holds": holds, "station": station}
    return cast(Leg, SimpleNamespace(conversation=None, tunnel=None, plan=None, **own))


async def test_a_leg_that_a_feature_served_is_listened_to_no_more() -> None:
    media = Media()
    Conversation(leg(1, voice=object()), leg(2), cast(Any, media), Silence(), "127.0.0.1")
    assert media.sent == [ListenForDigits(1, on=False), Bridge(1, 2)]


@pytest.mark.row("CORE-25")
async def test_a_digit_of_either_goes_to_the_other() -> None:
    media, one, other = Media(), leg(1), leg(2)
    conversation = Conversation(one, other, cast(Any, media), Silence(), "127.0.0.1")
    conversation.pass_on("5", one)
    conversation.pass_on("#", other)
    assert media.sent[1:] == [SendDigits(2, "5"), SendDigits(1, "#")]
