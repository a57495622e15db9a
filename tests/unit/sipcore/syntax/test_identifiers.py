"""Branches, tags and Call-IDs come from the dice that were handed in, and never twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from sipcore.syntax.identifiers import MAGIC_COOKIE, Identifiers

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


class CountedBits(Random):
    """Dice that say how many bits were asked of them."""

    asked = 0

    def getrandbits(self, bits: int, /) -> int:
        self.asked = bits
        return (1 << bits) - 1


@pytest.mark.parametrize("make", [Identifiers.branch, Identifiers.tag, Identifiers.call_id])
@pytest.mark.parametrize("node", ["", "n1"])
def test_identifiers_differ_and_the_same_dice_give_the_same(
    make: Callable[[Identifiers], str], node: str
) -> None:
    first, second = Identifiers(Random(7), node), Identifiers(Random(7), node)
    made = [make(first) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made == [make(second) for _ in range(1000)]


@pytest.mark.parametrize("make", [Identifiers.branch, Identifiers.tag, Identifiers.call_id])
def test_identifiers_hold_at_least_64_random_bits(make: Callable[[Identifiers], str]) -> None:
    """RFC 3261 section 19.3 asks for 32 in a tag."""
    dice = CountedBits()
    assert "f" * (64 // 4) in make(Identifiers(dice))
    assert dice.asked >= 64


def test_a_branch_has_the_cookie_and_is_a_token() -> None:
    branch = Identifiers(Random(7)).branch()
    assert branch.startswith(MAGIC_COOKIE)
    assert MAGIC_COOKIE == "z9hG4bK"
    assert TOKEN.fullmatch(branch)


def test_the_node_is_in_tags_and_call_ids() -> None:
    identifiers = Identifiers(Random(7), "n1")
    tag, call_id = identifiers.tag(), identifiers.call_id()
    assert TOKEN.fullmatch(tag)
    assert tag.startswith("n1")
    assert call_id.endswith("@n1")
    assert "@" not in Identifiers(Random(7)).call_id()
