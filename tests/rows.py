"""Which requirement is held by which tests: `python -m tests.rows` prints the tables, by row and by group.

The requirements stand in docs/requirements.md, a row each; tests are marked `@pytest.mark.row("CORE-03")`.
`--groups` prints the table by group alone; `--write` also keeps it in docs/requirements.md.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parent.parent / "docs" / "requirements.md"

HEADING = "| Group | Rows | With tests | Tests |\n|---|---:|---:|---:|\n"


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


def by_group(tests: Mapping[str, list[str]]) -> str:
    """A table of the groups ("CORE"): how many rows each has, how many of those have tests, and how many tests.

    `tests` are those of every row. A test that holds several rows of a group counts once.
    """
    groups: defaultdict[str, list[list[str]]] = defaultdict(list)
    for row, its_tests in tests.items():
        groups[row.partition("-")[0]].append(its_tests)
    return HEADING + "".join(
        f"| {group} | {len(rows)} | {sum(map(bool, rows))} | {len(set().union(*rows))} |\n"
        for group, rows in groups.items()
    )


def keep(table: str) -> None:
    """Put a table by group into docs/requirements.md in place of the one that is there."""
    text = TABLE.read_text(encoding="utf-8")
    before, heading, after = text.partition(HEADING)
    if not heading:
        raise ValueError(f"{TABLE} has no table by group")
    TABLE.write_text(before + table + re.sub(r"\A(\|.*\n)*", "", after), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print the tables; exit 1 if some row has no test."""
    collector, said = Collector(), io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(["--collect-only", "--quiet", "--quiet", "--no-header"], plugins=[collector])
    if status:
        print(said.getvalue())
        return int(status)
    tests = {row: collector.tests[row] for row in known()}
    for row, assertion in known().items():
        if not tests[row] or "--groups" not in arguments:
            print(f"{row:<8} {len(tests[row]) or 'NONE':>4}  {assertion}")
    table, missing = by_group(tests), sum(not its_tests for its_tests in tests.values())
    print(table, f"{len(tests) - missing} of {len(tests)} rows have tests", sep="\n")
    if "--write" in arguments:
        keep(table)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
