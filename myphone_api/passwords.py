"""Passwords that nobody guesses."""

from __future__ import annotations

import secrets

LENGTH = 12
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without what looks like something else on paper."""


def new_password() -> str:
    """A password of 60 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
