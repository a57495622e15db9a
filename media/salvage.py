"""Recordings that a crash has cut short are made whole when the system starts again."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from media.wav import WavError, repair

logger = logging.getLogger(__name__)

PART_SUFFIX = ".part"
"""Of a recording that is not whole yet, whose name begins with a dot."""


def salvage(folder: Path) -> list[Path]:
    """Let the parts of recordings in a folder, and in those below, be files that play, named after what they were to
    become; which. To be called before anybody records there."""
    found = []
    for part in sorted(folder.rglob(f".*{PART_SUFFIX}")):
        if part.is_symlink() or not part.is_file():
            continue
        name, _, tag = part.name[1 : -len(PART_SUFFIX)].rpartition(".")
        whole = part.with_name(f"{Path(name).stem or 'recording'}-recovered-{tag}.wav")
        try:
            seconds = repair(part)
            if not seconds:
                part.unlink()
                continue
            os.replace(part, whole)
        except (OSError, WavError) as error:
            logger.warning("a recording that was cut short is left as it is: %s", error)
            continue
        logger.warning("a recording that was cut short is kept as %s, %.1f s", whole, seconds)
        found.append(whole)
    return found
