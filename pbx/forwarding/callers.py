"""Numbers as people write them, and the list of those whose calls a user does not want."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, field_validator

from pbx.config_values import Table
from pbx.forwarding.rules import Caller
from pbx.numbers import NumberingPlan

MAX_LISTED = 15

_VISUAL_SEPARATORS = str.maketrans("", "", " .-()/")


def forms(written: str, plan: NumberingPlan) -> frozenset[str]:
    """A number without what is only there to be read, and in the form in which callers are known; never empty."""
    plain = written.translate(_VISUAL_SEPARATORS) or written
    return frozenset((plain, str(plan.read(plain))))


def all_forms(written: Iterable[str], plan: NumberingPlan) -> frozenset[str]:
    """Those of several numbers."""
    return frozenset(form for number in written for form in forms(number, plan))


class BlackList(Table):
    """The callers that one user rejects. It comes before all rules."""

    numbers: Annotated[tuple[Caller, ...], Field(max_length=MAX_LISTED)] = ()
    """As the phone showed them."""
    reject_anonymous: bool = False
    """Whether callers who withhold their number are rejected too."""

    @field_validator("numbers")
    @classmethod
    def _each_once(cls, numbers: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(numbers)) < len(numbers):
            raise ValueError("should have each number once")
        return numbers
