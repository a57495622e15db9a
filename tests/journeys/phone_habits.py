"""How the phones of several makers hold and transfer: what their keys send, and in which order. Data for journeys.

All send a REFER; they differ in what they send before and after it. A habit without a source is what RFC 5589 draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pbx.phone_models import Quirk, Source, model_of


class Leaving(Enum):
    """When a phone hangs up the call that it has transferred."""

    AT_ONCE = "as soon as the REFER is accepted"
    WHEN_TOLD = "when a NOTIFY tells that the target has answered"
    LATE = "some seconds after that, and until then it waits to be hung up"


@dataclass(frozen=True, slots=True)
class Habits:
    """What the keys of one make of phones do."""

    maker: str
    agent: str
    """A User-Agent, by which `pbx/phone_models.py` knows the phone, and its quirks."""
    leaves: Leaving = Leaving.WHEN_TOLD
    holds_first: bool = True
    """Whether its transfer key holds the call before a number is asked for."""
    holds_consulted: bool = False
    """Whether it holds whom it has consulted, too, before it sends the REFER."""
    sources: tuple[Source, ...] = ()

    @property
    def hold(self) -> str:
        """What its offer says when it holds: a direction, or the address of nobody."""
        by_zero = Quirk.HOLDS_BY_ZERO_ADDRESS in model_of(self.agent).quirks
        return "0.0.0.0" if by_zero else "sendonly"


HABITS = (
    Habits("Grandstream", "Grandstream GXP2000 1.2.5.3"),
    Habits(
        "Snom",
        "snom370/8.4.18",
        holds_consulted=True,
        sources=(
            Source(
                "Snom User Wiki: Call Transfer, SIP Flow",
                "http://wiki.snom.com/Functions/Call/Call_Transfer/Call_Flow",
            ),
        ),
    ),
    Habits("Polycom", "PolycomSoundPointIP-SPIP_650-UA/3.2.2.0477"),
    Habits("Cisco", "Cisco/SPA504G-7.6.2c", leaves=Leaving.LATE),
    Habits(
        "Linksys",
        "Linksys/SPA942-6.1.5(a)",
        leaves=Leaving.LATE,
        sources=(
            Source(
                "SPA9x2 Phone Administration Guide: Referor Bye Delay, 4 seconds",
                "http://phone.manualsonline.com/manuals/mfg/linksys/spa962.html?p=105",
            ),
        ),
    ),
    Habits(
        "Yealink",
        "Yealink SIP-T28P 2.72.0.30",
        leaves=Leaving.AT_ONCE,
        holds_first=False,
        sources=(
            Source(
                "Administrator's Guide for SIP T2xP: call flow of a blind transfer, where BYE follows 202",
                "https://manualshive.com/en/manual/yealink/yealink-sip-t28p/909032?page=477",
            ),
        ),
    ),
)
