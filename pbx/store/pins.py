"""PINs: for voicemail and the portal, hashed with argon2."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select

from pbx.store import live
from pbx.store.extensions import extensions

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""What OWASP asks for at least. Four digits are soon guessed by whoever has the file; slowing down those who have
not is up to whoever asks."""


def hashed(pin: str) -> str:
    """What is kept of a PIN. Takes some ten milliseconds, by intent."""
    return _HASHER.hash(pin)


def matches(pin_hash: str | None, number: str, pin: str) -> bool:
    """Whether a PIN is the one of an extension: as long as none was set, that is its number."""
    if pin_hash is None:
        return pin == number
    try:
        return _HASHER.verify(pin_hash, pin)
    except (VerificationError, InvalidHashError):
        return False


def check_pin(number: str, pin: str, connection: Connection) -> bool:
    """Whether a PIN is the one of an extension: to be fetched, as `matches` takes its time."""
    row = connection.execute(select(extensions.c.pin_hash).where(extensions.c.number == number)).first()
    return row is not None and matches(row.pin_hash, number, pin)


def set_pin(number: str, pin: str, connection: Connection) -> None:
    """Give an extension another PIN. Raises Conflict if it is gone."""
    live.change_extension(number, {"pin_hash": None if pin == number else hashed(pin)}, connection)
