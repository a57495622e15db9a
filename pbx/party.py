"""Who calls or is called: an extension of this system, or somebody outside who is reached through a trunk."""

from __future__ import annotations

from pbx.directory import Extension
from values import dataclass


@dataclass(frozen=True, slots=True)
class ExternalParty:
    """Somebody outside. It has what an extension has for those who only want to know who it is."""

    number: str
    """E.164 with its plus where that could be made out, else as the carrier gave it; empty where it is withheld."""
    full_name: str = ""
    """What the carrier shows; empty if it shows none."""
    trunk: str = ""
    """The name of the trunk between us."""
    language: str = ""
    """What the system says to it, "en" or "fr"; empty: the language of the system."""


Party = Extension | ExternalParty


def line_of(party: Party) -> str:
    """Whose calls a call with `party` counts among: the number of an extension, or the name of a trunk.

    Numbers are digits and names begin with a letter, so one book holds both.
    """
    return party.trunk if isinstance(party, ExternalParty) else party.number


def trunk_of(party: Party | None) -> str:
    """The trunk through which the party is reached; empty for an extension."""
    return party.trunk if isinstance(party, ExternalParty) else ""
