"""A second `myphone serve` on the same store ends with one line that says why; commands beside the first go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.databases import Cluster
from tests.journeys.commands import PATIENCE, ROOT, Command, Run

CONFIG = """
[sip]
listen = "{here}"

[media]
workers = 0
port_range = [20000, 20199]

[store]
data_dir = "{folder}"
url = "{url}"

[[extensions]]
number = "100"
password = "correct horse"
"""


def config(file: Path, here: str, folder: Path, location: Path | str) -> Path:
    """The file of a system at an address of its own."""
    url = location if isinstance(location, str) else ""
    file.write_text(CONFIG.format(here=here, folder=folder, url=url))
    return file


def serve(run: Run, file: Path) -> Command:
    """A system that runs."""
    process = run("serve", "--config", file)
    process.wait_for_log("ready")
    return process


def refusal(run: Run, file: Path) -> str:
    """The one line with which a system ends that may not run."""
    exit_code, told, errors = run("serve", "--config", file).end()
    assert (exit_code, told) == (2, [])
    [line] = [line for line in errors.splitlines() if line.startswith("myphone: ")]
    assert "Traceback" not in errors
    return line


COMMANDS = ("ext list", "ext set 100 --first-name Lee", "calls", "explain --from 100 --to 100", "export")


def test_a_second_system_is_refused_until_the_first_has_ended(
    run: Run, addresses: Iterator[str], tmp_path: Path, location: Path | str
) -> None:
    first_file = config(tmp_path / "first.toml", next(addresses), tmp_path / "data", location)
    second_file = config(tmp_path / "second.toml", next(addresses), tmp_path / "data", location)
    first = serve(run, first_file)
    line = f"store.data_dir: another system runs on {tmp_path / 'data'}, stop that or set another folder"
    assert refusal(run, second_file) == f"myphone: {line}"
    for command in COMMANDS:
        words = [sys.executable, "-m", "myphone_api.cli", *command.split(), "--config", str(first_file)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
    assert first.runs
    first.signal(signal.SIGTERM)
    assert first.end()[0] == 0
    serve(run, second_file)


def test_a_system_that_is_killed_is_in_nobodys_way(run: Run, here: str, tmp_path: Path) -> None:
    file = config(tmp_path / "myphone.toml", here, tmp_path / "data", "")
    serve(run, file).kill()
    serve(run, file)


def test_a_database_serves_one_system_whatever_its_folder(
    run: Run, addresses: Iterator[str], tmp_path: Path, postgresql: Cluster
) -> None:
    url = postgresql.new()
    first = serve(run, config(tmp_path / "first.toml", next(addresses), tmp_path / "one", url))
    second_file = config(tmp_path / "second.toml", next(addresses), tmp_path / "two", url)
    place = f"the database {url.rpartition('/')[2]} at 127.0.0.1"
    line = f"store.url: another system runs on {place}, stop that or set another database"
    assert refusal(run, second_file) == f"myphone: {line}"
    first.signal(signal.SIGTERM)
    assert first.end()[0] == 0
    serve(run, second_file)
