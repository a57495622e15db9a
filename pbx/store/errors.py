"""What can be in the way of keeping something."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be used; the text says why and what to do."""


class StoreUnavailable(StoreError):
    """The database is locked, full or gone just now: nothing was kept, and a later try may do.

    Where the connection broke while it confirmed (PostgreSQL alone), it may be kept nevertheless.
    """


class Conflict(StoreError):
    """Somebody else has changed the same thing meanwhile, or removed what it belongs to: look again, then decide."""
