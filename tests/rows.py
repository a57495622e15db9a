"""Which requirement is held by which tests: `python -m tests.rows` prints the table.

The requirements stand in docs/requirements.md, a row each; tests are marked `@pytest.mark.row("CORE-03")`.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parent.parent / "docs" / "requirements.md"


def known() -> dict[str, str]:
    """Every row of the table: id -> assertion."""
    return dict(re.findall(r"^\| ([A-Z]+-\d+) \| (.*?) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE))


def of(item: pytest.Item) -> Iterator[str]:
    """The rows that one test is marked with."""
    for mark in item.iter_markers("row"):
        yield from mark.args


class Collector:
    """A pytest plug-in that notes the tests of each row."""

    def __init__(self) -> None:
        self.tests: defaultdict[str, list[str]] = defaultdict(list)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for row in of(item):
                self.tests[row].append(item.nodeid)


def main() -> int:
    """Print a line a row; exit 1 if some row has no test."""
    collector = Collector()
    status = pytest.main(["--collect-only", "--quiet", "--quiet", "--no-header"], plugins=[collector])
    if status:
        return int(status)
    missing = 0
    for row, assertion in known().items():
        tests = collector.tests[row]
        missing += not tests
        print(f"{row:<8} {len(tests) or 'NONE':>4}  {assertion}")
    print(f"{len(known()) - missing} of {len(known())} rows have tests")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
