"""What callers are told who wait."""

from __future__ import annotations

import math

from media.prompts import spoken
from media.prompts.tokens import MINUTE, Language, Token, phrase
from pbx.queues.machine import Announce

QUEUE_FIRST = phrase(
    "queue.first", "Vous êtes le prochain à être servi.", "You are next in line.", "queue-youarenext"
)
QUEUE_POSITION = phrase("queue.position", "Vous êtes en position", "You are in position")
QUEUE_WAIT = phrase(
    "queue.wait", "Le temps d'attente estimé est de", "The estimated wait is", "queue-holdtime"
)
QUEUE_NOBODY_FREE = phrase(
    "queue.nobody_free",
    "Tous nos agents sont occupés. Veuillez rappeler plus tard.",
    "All our agents are busy. Please call again later.",
)

LONGEST_MINUTES = 120
"""Whoever has to wait longer is not told how long."""


def words(told: Announce, language: Language, *, with_wait: bool) -> tuple[Token, ...]:
    """The position, and in minutes, of which there is one at least, what is thought that it takes."""
    said: tuple[Token, ...] = (QUEUE_FIRST,)
    if told.position > 1:
        said = (QUEUE_POSITION, *spoken.number(language, told.position))
    if with_wait and told.seconds is not None:
        minutes = max(1, math.ceil(told.seconds / 60))
        if minutes <= LONGEST_MINUTES:
            said += (QUEUE_WAIT, *spoken.count(language, minutes, MINUTE))
    return said
