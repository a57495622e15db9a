"""The tables that tell which requirements have tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import rows


def test_a_group_counts_its_rows_and_each_of_its_tests_once() -> None:
    table = rows.by_group({"AA-01": ["one", "two"], "AA-02": ["two"], "AA-03": [], "BB-01": ["two"]})
    assert table.splitlines()[2:] == ["| AA | 3 | 2 | 2 |", "| BB | 1 | 1 | 1 |"]


def test_the_table_by_group_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "requirements.md"
    monkeypatch.setattr(rows, "TABLE", page)
    page.write_text(f"before\n\n{rows.HEADING}| AA | 9 | 9 | 9 |\n\n| Row | Assertion |\n| AA-01 | It works |\n")
    rows.keep(rows.by_group({"AA-01": ["one"]}))
    assert page.read_text() == (
        f"before\n\n{rows.HEADING}| AA | 1 | 1 | 1 |\n\n| Row | Assertion |\n| AA-01 | It works |\n"
    )
    assert rows.known() == {"AA-01": "It works"}


def test_a_page_without_the_table_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "requirements.md"
    monkeypatch.setattr(rows, "TABLE", page)
    page.write_text("before\n")
    with pytest.raises(ValueError, match="no table by group"):
        rows.keep(rows.by_group({}))
    assert page.read_text() == "before\n"
