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


class LoadedDice(Random):
    """Dice that always show the same."""

    number = 0

    def getrandbits(self, bits: int, /) -> int:
        assert self.number < 1 << bits
        return self.number


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


@pytest.mark.parametrize("node", ["", "n1"])
def test_a_call_begins_with_identifiers_that_share_no_bit(node: str) -> None:
    """They are drawn at once: who is told one of them knows nothing of the others."""
    dice = LoadedDice()
    identifiers = Identifiers(dice, node)
    zeros = identifiers.of_call()
    turned = []
    for bit in range(264):
        dice.number = 1 << bit
        (index,) = [index for index, drawn in enumerate(identifiers.of_call()) if drawn != zeros[index]]
        turned.append(index)
    assert [turned.count(index) for index in range(4)] == [80, 72, 96, 16]
    assert zeros == (
        f"{MAGIC_COOKIE}{0:020}", f"{node}{0:018}", f"{0:024}{'@' if node else ''}{node}", 1
    )  # fmt: skip


def test_no_call_begins_with_an_identifier_of_another() -> None:
    identifiers = Identifiers(Random(7))
    drawn = [identifiers.of_call() for _ in range(1000)]
    assert len({identifier for call in drawn for identifier in call[:3]}) == 3000
    assert max(number for *_, number in drawn) <= 2**16


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
