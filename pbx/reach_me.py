"""Reach me: somebody outside is called for a caller who waits, and asked by voice whether to take the call.

The caller has been answered, and hears music. Whoever picks up the phone outside has to press a key, so that the call
never ends up in the mailbox of a mobile operator. In any other case it goes to the voicemail here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from media.prompts import spoken
from media.prompts.tokens import Language, Token, phrase
from media.service import PortsExhausted
from pbx.destinations import Voicemail
from pbx.leg import Leg, LegState
from pbx.refused import Refused
from pbx.trunks.outgoing import place
from sipcore.syntax.message import Response

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.routing import Offer
    from pbx.trunks.outgoing import Diverted

PICK_UP_SECONDS = 30.0
KEY_SECONDS = 30.0
"""From picking up to the key."""
PAUSE_SECONDS = 3.0
"""Between two announcements."""
ACCEPT, REFUSE = "1", "2"

LOCATING = phrase(
    "reach_me.locating", "Veuillez patienter, nous tentons de localiser", "Please hold while we try to locate"
)
CALL_FROM = phrase("reach_me.call_from", "Vous avez un appel de la part de", "You have a call from")
SOMEBODY = phrase("reach_me.somebody", "un correspondant inconnu", "an unknown caller")
"""One who withholds the number."""
MENU = phrase(
    "reach_me.menu",
    "Appuyez sur un pour prendre l'appel. "
    "Appuyez sur deux, ou raccrochez, pour le transférer vers la messagerie vocale.",
    "Press one to take the call. Press two, or hang up, to send it to voicemail.",
)


async def offer(call: Call, offered: Offer, diverted: Diverted | None) -> None:
    """Do what a rule says; as a step of the call, which goes on with what comes of it."""
    voice = await call.answer()
    await voice.music(LOCATING, *await _name(call, offered.mailbox))
    to_voicemail = partial(call.serve, partial(call.lead_to, Voicemail(offered.mailbox)))
    leg = await _pick_up(call, offered, diverted)
    if leg is not None and await _accepts(call, leg):
        voice.quiet()
        call.join(leg, to_voicemail)
    else:
        call.turn(to_voicemail)


async def _pick_up(call: Call, offered: Offer, diverted: Diverted | None) -> Leg | None:
    """Whoever answers outside in time. The caller hears nothing of the ringing there."""
    try:
        async with asyncio.timeout(PICK_UP_SECONDS):
            return await place(call, offered.plan, diverted, aside=True)
    except (Refused, PortsExhausted, TimeoutError):
        return None


async def _accepts(call: Call, leg: Leg) -> bool:
    """Ask until one of the two keys is pressed; a leg that does not take the call is hung up."""
    voice = call.voice_of(leg)
    announcement = _announcement(call, Language(voice.language))
    accepted = False
    try:
        async with asyncio.timeout(KEY_SECONDS) as limit:
            leg.watcher = _Asked(lambda: limit.reschedule(0))
            key = ""
            while key not in (ACCEPT, REFUSE) and leg.state is LegState.ANSWERED:
                key = await voice.key(*announcement, seconds=PAUSE_SECONDS)
            accepted = key == ACCEPT and leg.state is LegState.ANSWERED
    except TimeoutError:
        pass  # no key is an answer too
    finally:
        if not accepted:
            leg.hang_up()
    return accepted


class _Asked:
    """Watches the leg of somebody who is being asked."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        """It has been answered."""

    def leg_accepted(self, leg: Leg) -> None:
        """It has been answered."""

    def leg_ended(self, leg: Leg, status: int) -> None:
        """To hang up is to refuse."""
        self._gone()


async def _name(call: Call, number: str) -> tuple[Token | Path, ...]:
    """Who is being located: as the user has said it, else the number."""
    recorded = await call.switch.mailboxes.name_of(number)
    return (recorded,) if recorded is not None else spoken.digits(number)


def _announcement(call: Call, language: Language) -> tuple[Token, ...]:
    number = spoken.telephone_number(language, call.caller.number) if call.caller.number else ()
    return (CALL_FROM, *(number or (SOMEBODY,)), MENU)
