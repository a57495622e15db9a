"""The pages under docs/ name tests as their witnesses, and the keys of the configuration: each of them is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from myphone_api.cli import make_parser
from pbx.config import Config, Forward, Numbers
from pbx.config_values import Table
from pbx.plugin import load_features

TESTS = Path(__file__).resolve().parent
PAGES = sorted((TESTS.parent / "docs").glob("*.md"))
INTEROP = TESTS.parent / "docs" / "interop.md"
CONFIGURATION = TESTS.parent / "docs" / "configuration.md"

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


@pytest.mark.parametrize("page", ["handset.md", "handset.fr.md"])
def test_all_that_can_be_dialled_is_on_the_pages_for_users(page: str) -> None:
    text = (TESTS.parent / "docs" / page).read_text(encoding="utf-8")
    codes = [code.pattern.text.partition("{")[0] for feature in load_features() for code in feature.codes]
    assert [dialled for dialled in (*codes, *Numbers().reserved()) if f"`{dialled}" not in text] == []


def tables(model: type[Table]) -> Iterator[tuple[str, type[Table]]]:
    """The tables below a model, by the heading of their section; forwards stand in one row."""
    for key, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Table) and kind is not Forward:
                yield f"[[{key}]]" if kind is not field.annotation else f"[{key}]", kind


@pytest.mark.parametrize(
    ("section", "table"), list(tables(Config)), ids=lambda value: getattr(value, "__name__", "")
)
def test_every_key_of_the_configuration_is_documented(section: str, table: type[Table]) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    (body,) = re.findall(rf"^## `{re.escape(section)}`(.*?)(?=^## |\Z)", text, re.M | re.S)
    rows = [row.split("|")[1] for row in re.findall(r"^\| `.*\|$", body, re.M)]
    assert sorted(key for row in rows for key in re.findall(r"`(\w+)`", row)) == sorted(table.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_has_among_its_examples_is_one(page: Path) -> None:
    examples = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    commands = re.findall(r"^(?:\w+=\S+ )?myphone (.+)$", "".join(examples), re.M)
    for command in commands:
        make_parser().parse_args(shlex.split(command, comments=True))
    assert commands or page.name != "administration.md"
