"""PINs: for voicemail and the portal, hashed with argon2."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from pbx.store import live
from pbx.store.extensions import extensions

if TYPE_CHECKING:
    from argon2 import PasswordHasher


@cache
def _hasher() -> PasswordHasher:
    """With what OWASP asks for at least. Four digits are soon guessed by whoever has the file; slowing down those who
    have not is up to whoever asks. (Imported where the first PIN is asked for: most starts ask for none.)"""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(pin: str) -> str:
    """What is kept of a PIN. Takes some ten milliseconds, by intent."""
    return _hasher().hash(pin)


def matches(pin_hash: str | None, number: str, pin: str) -> bool:
    """Whether a PIN is the one of an extension: as long as none was set, that is its number."""
    if pin_hash is None:
        return pin == number
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(pin_hash, pin)
    except (VerificationError, InvalidHashError):
        return False


def check_pin(number: str, pin: str, connection: Connection) -> bool:
    """Whether a PIN is the one of an extension: to be fetched, as `matches` takes its time."""
    row = connection.execute(select(extensions.c.pin_hash).where(extensions.c.number == number)).first()
    return row is not None and matches(row.pin_hash, number, pin)


def set_pin(number: str, pin: str, connection: Connection) -> None:
    """Give an extension another PIN. Raises Conflict if it is gone."""
    live.change_extension(number, {"pin_hash": None if pin == number else hashed(pin)}, connection)
