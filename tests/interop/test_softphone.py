"""`myphone phone`, as the administrator's page tries it first: one waits, and another calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.interop.programs import Program, until
from tests.interop.server import PASSWORD, Server


def heard_bytes(path: Path) -> int:
    """How much has been recorded, also by a recording that is not whole yet."""
    return sum(part.stat().st_size for part in path.parent.glob(f"*{path.name}*"))


def test_phones_whose_users_say_nothing_are_heard(server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    command = [sys.executable, "-m", "myphone_api.cli", "phone", "--server", server.address]
    command += ["--password-file", str(tmp_path / "password")]
    heard = {number: tmp_path / f"heard-by-{number}.wav" for number in ("120", "121")}
    waits = [*command, "120", "--answer", "--record", str(heard["120"])]
    calls = [*command, "121", "--call", "120", "--record", str(heard["121"])]
    with Program(waits, tmp_path / "waits") as waiting:
        waiting.wait_for_text("registered")
        with Program(calls, tmp_path / "calls") as calling:
            calling.wait_for_text("answered")
            for path in heard.values():
                until(lambda path=path: heard_bytes(path) > 128_000, "eight seconds of silence")  # type: ignore[misc]
    assert "no sound from" not in server.text, "which is looked for after four seconds"
