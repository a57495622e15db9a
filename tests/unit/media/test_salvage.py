"""Recordings that a crash left."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.salvage import salvage
from media.wav import WavReader, WavWriter


def crash(path: Path, seconds: float) -> None:
    """Write a file, and do not come to its end."""
    writer = WavWriter(path)
    for _ in range(round(seconds * 50)):
        writer.write(bytes([1, 2]) * 160)
    writer._file.flush()
    writer._file.close()


@pytest.mark.row("CORE-26")
def test_parts_become_files_that_play_whole(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    crash(tmp_path / "below" / ".message.wav.abc123.part", 2.5)
    crash(tmp_path / ".nothing.wav.abc124.part", 0)
    (tmp_path / ".strange.wav.abc125.part").write_bytes(b"no sound")
    (tmp_path / ".far.wav.abc126.part").symlink_to(tmp_path / "nowhere")
    assert salvage(tmp_path) == [tmp_path / "below" / "message-recovered-abc123.wav"]
    reader, frames = WavReader(tmp_path / "below" / "message-recovered-abc123.wav"), 0
    while (frame := reader.frame()) is not None:
        assert frame == bytes([1, 2]) * 160
        frames += 1
    assert frames == 125
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".far.wav.abc126.part", ".strange.wav.abc125.part", "below"]
    assert salvage(tmp_path) == []
