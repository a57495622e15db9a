"""Who may open a mailbox: whoever knows its PIN; and patience with those who do not.

Nobody learns from an answer whether there is an extension of that number.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING

from pbx.store.pins import check_pin, set_pin
from pbx.store.voicemails import pin_is_default
from values import dataclass

if TYPE_CHECKING:
    from pbx.call import Call
    from pbx.mailboxes import Mailboxes

logger = logging.getLogger(__name__)

PIN = re.compile(r"[0-9]{4,10}")
"""What may be chosen."""
FREE_TRIES = 3
"""So many wrong PINs cost no time."""
LONGEST_DELAY_SECONDS = 60.0
MOST_WAITING_SECONDS = 120.0
"""Whose turn would come later than that is turned away."""
MOST_REMEMBERED = 50_000


def is_outside(call: Call) -> bool:
    """Whether a caller is not in the office: came by a trunk, or by a phone in no local network."""
    leg = call.caller_leg
    if leg.extension is None or leg.session is None:
        return True
    return not call.switch.nat.addresses.is_local(leg.session.flow.host)


class TooManyTries(Exception):
    """Others are being tried for the same number: come back later."""


class PinNotAllowed(Exception):
    """A PIN that is too short, too long, or the number itself."""


@dataclass(slots=True)
class _Tries:
    """What was tried for one number since the last right PIN."""

    count: int = 0
    free_at: float = 0.0
    """When the next one has its turn."""


class Patience:
    """Slows down those who guess. A try counts when it begins: who tries many at once wins nothing."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tries: dict[Hashable, _Tries] = {}

    def claim(self, who: Hashable) -> float:
        """Seconds until a try may be judged; each doubles the way to the next. Raises TooManyTries."""
        tries = self._tries.pop(who, None) or _Tries()
        self._tries[who] = tries  # the latest are the last: the first is who goes
        if len(self._tries) > MOST_REMEMBERED:
            del self._tries[next(iter(self._tries))]
        now = self._now()
        begin = max(now, tries.free_at)
        if begin - now > MOST_WAITING_SECONDS:
            raise TooManyTries
        tries.count += 1
        if tries.count > FREE_TRIES:
            begin += min(2.0 ** min(tries.count - FREE_TRIES - 1, 10), LONGEST_DELAY_SECONDS)
            tries.free_at = begin
        return begin - now

    def __len__(self) -> int:
        """Of how many tries are remembered."""
        return len(self._tries)

    def succeeded(self, who: Hashable) -> None:
        """The PIN was right: all is forgotten."""
        self._tries.pop(who, None)


class SignIn:
    """Judges PINs, and changes them."""

    def __init__(self, mailboxes: Mailboxes, now: Callable[[], float]) -> None:
        self._mailboxes = mailboxes
        self._patience = Patience(now)

    async def admits(self, number: str, pin: str, *, own_phone: bool = False, outside: bool = False) -> bool:
        """Whether `pin` opens the mailbox of extension `number`; False too where there is no such extension.

        `own_phone`: tries from a phone of that extension are counted by themselves, so that a stranger's do not keep
        its owner waiting. `outside`: who is not in the office has to have changed the PIN from the number.
        Raises TooManyTries, and MailboxError.
        """
        who = number, own_phone
        seconds = self._patience.claim(who)
        if seconds:
            logger.warning("PIN of %s: many wrong ones, the next waits %.0f s", number[:20], seconds)
            await asyncio.sleep(seconds)
        if not await self._is_right(number, pin, outside):
            return False
        self._patience.succeeded(who)
        return True

    async def pin_is_default(self, number: str) -> bool:
        """Whether the PIN of an extension is its number. Raises MailboxError."""
        return await self._mailboxes.read(partial(pin_is_default, number=number))

    async def change_pin(self, number: str, pin: str) -> None:
        """Let an extension have another PIN. Raises PinNotAllowed, and MailboxError."""
        if not PIN.fullmatch(pin) or pin == number:
            raise PinNotAllowed
        await self._mailboxes.write(partial(set_pin, number, pin))

    async def _is_right(self, number: str, pin: str, outside: bool) -> bool:
        if not await self._mailboxes.read(partial(check_pin, number, pin)):
            return False
        if outside and await self.pin_is_default(number):
            logger.warning("PIN of %s: from outside its number does not do, it has to be changed", number)
            return False
        return True
