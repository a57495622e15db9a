"""The arrows of docs/architecture.md, read from the sources with `ast`: who may import whom, who knows time.

Each test collects what breaks its rule as "file:line: what", so a failure says all there is to mend.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("values", "sipcore", "media", "pbx", "features", "myphone_api")

MAY_IMPORT = {
    "values": {"values"},
    "sipcore": {"sipcore", "values"},
    "media": {"media", "values"},
    "pbx": {"pbx", "sipcore", "media", "values"},
    "features": {"features", "pbx", "values"},
    "myphone_api": set(PACKAGES),
}
"""Package -> the packages of ours that it may import. Arrows go down only; sipcore and media never meet."""

OUTSIDE_WORLD = (
    "sipcore/net/", "media/lane.py", "media/net.py", "media/process.py", "media/ring.py", "media/uring.py",
    "media/worker.py", "media/prompts/synthesis.py", "pbx/dice.py", "pbx/environment.py", "myphone_api/",
)  # fmt: skip
"""Where sockets, wall time and true randomness may be named; everywhere else they are handed in. (Speech synthesis
names `threading` for the lock of a library that serves one at a time.)"""

WORLDLY_MODULES = {
    "http", "multiprocessing", "secrets", "select", "selectors", "signal", "socket", "socketserver", "ssl",
    "subprocess", "threading", "time", "urllib.request", "uuid",
}  # fmt: skip
WORLDLY_NAMES = {"SystemRandom", "getrandom", "today", "urandom", "utcnow"}

FILE_LINES = 600
FUNCTION_LINES = 70


def sources(*folders: str) -> list[Path]:
    """The Python files of some folders, in a fixed order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, module, name or "") of each import, those for type checking too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative imports hide the arrows"
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def run_time_imports(path: Path) -> set[str]:
    """The modules that are imported when the file runs, at its top level."""
    nodes = [node for node in tree_of(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = {node.lineno for node in nodes}
    return {module for line, module, _ in imports(path) if line in lines}


def in_outside_world(path: Path) -> bool:
    return name_of(path).startswith(OUTSIDE_WORLD)


# -- arrows ----------------------------------------------------------------------------------------


def test_arrows_go_down_only() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {package} must not import {module}"
        for package, allowed in MAY_IMPORT.items()
        for path in sources(package)
        for line, module, _ in imports(path)
        if module.partition(".")[0] in PACKAGES and module.partition(".")[0] not in allowed
    ]
    assert wrong == []


def test_sipcore_needs_the_standard_library_alone() -> None:
    """But for the one file that asks name servers."""
    wrong = [
        f"{name_of(path)}:{line}: {module}"
        for path in sources("sipcore")
        if name_of(path) != "sipcore/net/dns.py"
        for line, module, _ in imports(path)
        if (top := module.partition(".")[0]) not in MAY_IMPORT["sipcore"] and top not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_asyncio_lives_in_the_net_folder_of_sipcore() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {module}"
        for path in sources("sipcore")
        if not name_of(path).startswith("sipcore/net/")
        for line, module, _ in imports(path)
        if module.partition(".")[0] == "asyncio"
    ]
    assert wrong == []


def test_a_feature_sees_the_plug_in_interface_only() -> None:
    """Features meet through targets and happenings, never through each other's code."""
    seen = ("values", "pbx.plugin")
    wrong = [
        f"{name_of(path)}:{line}: {module}"
        for path in sources("features")
        for line, module, _ in imports(path)
        if module.partition(".")[0] in PACKAGES and module not in seen and not same_feature(path, module)
    ]
    assert wrong == []


def same_feature(path: Path, module: str) -> bool:
    """A feature that is a folder may import its own files."""
    folder = path.relative_to(ROOT / "features").parts[0]
    return module.split(".")[:2] == ["features", folder.removesuffix(".py")]


def test_one_file_knows_both_session_descriptions_and_stream_plans() -> None:
    """Others may name both as types that they pass on."""
    both = [
        name_of(path)
        for path in sources("pbx")
        if {"sipcore.sdp.description", "media.plan"} <= run_time_imports(path)
    ]
    assert set(both) <= {"pbx/negotiate.py"}


# -- the outside world -----------------------------------------------------------------------------


def test_sockets_time_and_entropy_are_handed_in() -> None:
    wrong = [
        f"{name_of(path)}:{line}: {module} {name}".rstrip()
        for path in sources(*PACKAGES)
        if not in_outside_world(path)
        for line, module, name in imports(path)
        if module in WORLDLY_MODULES or name in WORLDLY_NAMES
    ]
    assert wrong == []


def test_dice_are_handed_in() -> None:
    """`from random import Random` names a type; the module's own functions share one hidden generator."""
    wrong = [
        f"{name_of(path)}:{line}: {module} {name}".rstrip()
        for path in sources(*PACKAGES)
        if not in_outside_world(path)
        for line, module, name in imports(path)
        if module == "random" and name != "Random"
    ]
    assert wrong == []


def test_nobody_asks_the_machine_what_time_it_is() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in sources(*PACKAGES)
        if not in_outside_world(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and (node.attr in WORLDLY_NAMES or is_wall_clock(node))
    ]
    assert wrong == []


def is_wall_clock(node: ast.Attribute) -> bool:
    """`datetime.now` and its kin, not the `now` of an Environment."""
    return node.attr == "now" and ast.unparse(node.value) in ("datetime", "datetime.datetime")


# -- size ------------------------------------------------------------------------------------------

EVERYTHING = (*PACKAGES, "tests", "benchmarks")


def test_files_can_be_read_in_one_go() -> None:
    wrong = [
        f"{name_of(path)} has {length} lines"
        for path in sources(*EVERYTHING)
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    ]
    assert wrong == []


def test_functions_fit_on_a_screen() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}: {node.name} has {length} lines"
        for path in sources(*EVERYTHING)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert wrong == []


def test_every_file_says_what_it_is() -> None:
    assert [name_of(path) for path in sources(*EVERYTHING) if ast.get_docstring(tree_of(path)) is None] == []


def test_every_folder_of_sources_is_a_package() -> None:
    """The installed distribution holds only what setuptools finds: folders with an `__init__.py`."""
    folders = {path.parent for path in sources(*PACKAGES)}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_package_promises_its_types() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []


def test_the_documents_name_files_that_exist() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    missing = [
        f"{name_of(document)}: {path}"
        for document in documents
        for path in re.findall(r"`([a-z_]+/[a-z_/]*\.?[a-z]*)`", document.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []
