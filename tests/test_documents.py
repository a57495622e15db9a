"""The pages under docs/ name tests as their witnesses: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGES = sorted((TESTS.parent / "docs").glob("*.md"))
INTEROP = TESTS.parent / "docs" / "interop.md"

WITNESS = re.compile(r"`tests/([a-z0-9_/]+\.py)(?:::(test_\w+))?`")


def witnesses(text: str) -> list[tuple[str, str]]:
    """The files and functions that a text names; a file alone has no function."""
    return WITNESS.findall(text)


def is_there(file: str, function: str) -> bool:
    path = TESTS / file
    if not path.exists():
        return False
    return not function or bool(re.search(rf"^(async )?def {function}\(", path.read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = witnesses(page.read_text(encoding="utf-8"))
    assert [witness for witness in named if not is_there(*witness)] == []


def test_every_row_of_the_page_on_interoperation_has_a_witness() -> None:
    text = INTEROP.read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| .*\|$", text, re.M) if not re.search(r"Held by \|$", row)]
    assert len(rows) > 40
    assert [row for row in rows if not witnesses(row.rsplit("|", 2)[1])] == []


def test_a_witness_that_is_not_there_is_found_out() -> None:
    assert witnesses("`tests/journeys/test_hold.py::test_nothing`, `tests/unit/x/test_y.py`") == [
        ("journeys/test_hold.py", "test_nothing"),
        ("unit/x/test_y.py", ""),
    ]
    assert not is_there("journeys/test_hold.py", "test_nothing")
    assert not is_there("unit/x/test_y.py", "")
