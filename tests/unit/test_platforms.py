"""Python 3.11 on any operating system."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for package in ("values", "sipcore", "media", "pbx", "features", "myphone_api")
    for path in (ROOT / package).rglob("*.py")
)

UNIX_ONLY = {
    "crypt",
    "fcntl",
    "grp",
    "nis",
    "posix",
    "pty",
    "pwd",
    "resource",
    "spwd",
    "syslog",
    "termios",
    "tty",
}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 11))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.row("ADM-22")
def test_no_module_of_one_operating_system_is_needed() -> None:
    needed = {
        (path.name, module) for path in SOURCES for module in imported_modules(path) if module in UNIX_ONLY
    }
    assert needed == set()


@pytest.mark.row("ADM-22")
def test_the_package_says_so() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options"]["python_requires"] == ">=3.11"
    assert "Operating System :: OS Independent" in setup["metadata"]["classifiers"]
