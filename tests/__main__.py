"""`python -m tests [pytest arguments]`: lint, types, rows without tests, every test. What a change must pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "ruff": ["ruff", "check", "--quiet", "."],
    "mypy": ["mypy", "--no-error-summary"],
    "rows": ["tests.rows", "--groups"],
}
PYTEST = ["pytest", "--numprocesses=auto", "--dist=worksteal", "--cov", "--cov-report=term"]


def run(command: list[str]) -> bool:
    """Run one of the environment's own tools from the root of the repository; True if it is content."""
    print("$", *command, flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT).returncode == 0


def main(arguments: list[str]) -> int:
    """Run everything even if an early check fails: one run then shows all there is to mend."""
    unhappy = [name for name, command in CHECKS.items() if not run(command)]
    if not run([*PYTEST, *arguments]):
        unhappy.append("pytest")
    if unhappy:
        print("failed:", ", ".join(unhappy))
    return 1 if unhappy else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
