"""The files of recordings, a folder for each extension, and what is done with those of one that is gone.

All of it waits for the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from values import dataclass

FOLDER = "recordings"
MAX_NUMBER = 32
"""Characters of a foreign number in the name of a file."""
PRIVATE = 0o700
_FOREIGN = re.compile(r"[^0-9A-Za-z+]+")
_NAME = re.compile(
    rf"(\d{{8}}-\d{{6}})-([0-9A-Za-z+]{{1,{MAX_NUMBER}}})-[^/\\\s]{{1,8}}([.-][^/\\\s]{{1,32}})?\.wav",
    re.ASCII,
)
"""After the call: which of several of one second, or which part of one that has moved or was recovered."""
_TIME = "%Y%m%d-%H%M%S"
_ASIDE = "removed-"
_OURS = re.compile(rf"[0-9]{{1,15}}|{_ASIDE}[0-9]{{1,15}}-[0-9-]+")
"""The folders of extensions, and those that were put aside. Whoever keeps some for longer moves them to another."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One that is complete."""

    extension: str
    """Who had it recorded."""
    name: str
    """Of its file: with the extension it says which recording is meant."""
    at: datetime
    """When it began."""
    party: str
    """The number of who else is heard; "unknown" where that was withheld."""
    size: int
    """Bytes."""


class RecordingFiles:
    """The folder of all recordings. Only what is found in it is told of: no name that is asked for is made a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, number: str) -> Path:
        """The folder of an extension, which nobody enters but who runs this process. Raises OSError."""
        own = self.folder / number
        self.folder.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        for folder in (self.folder, own):
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            folder.chmod(PRIVATE)
        return own

    def listed(self, numbers: Iterable[str]) -> tuple[Recording, ...]:
        """What these extensions have recorded, the latest first. Raises OSError."""
        found = [recording for number in numbers for recording in self._of(number)]
        return tuple(sorted(found, key=lambda each: (each.at, each.extension, each.name), reverse=True))

    def find(self, number: str, name: str) -> Path | None:
        """The file of a recording, None where there is no such recording. Raises OSError."""
        return next((self.folder / number / name for each in self._of(number) if each.name == name), None)

    def put_aside(self, number: str, at: datetime) -> None:
        """Take them from a number that may be given to somebody else. They are kept, for nobody but who may read the
        folder. Raises OSError."""
        own = self.folder / number
        if own.is_dir():
            own.rename(self.folder / f"{_ASIDE}{number}-{at:{_TIME}-%f}")

    def forget(self, before: datetime, most: int) -> int:
        """Delete recordings that began before then, of whatever extension, and folders that were put aside and are
        empty now; not more than `most`, and how many. Raises OSError."""
        deleted = 0
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else ()
        for own in found:
            if _OURS.fullmatch(own.name) is None:
                continue
            for recording in self._of(own.name):
                if recording.at < before:
                    (own / recording.name).unlink(missing_ok=True)
                    deleted += 1
                    if deleted == most:  # without a look at thousands of others
                        return deleted
            if own.name.startswith(_ASIDE) and own.is_dir() and not any(own.iterdir()):
                own.rmdir()
        return deleted

    def _of(self, number: str) -> Iterable[Recording]:
        own = self.folder / number
        if own.is_symlink() or not own.is_dir():
            return
        for path in own.iterdir():
            shape = _NAME.fullmatch(path.name)
            if shape is None or path.is_symlink() or not path.is_file():
                continue
            try:
                at = datetime.strptime(shape[1], _TIME).replace(tzinfo=UTC)
            except ValueError:
                continue  # no time: somebody else's file
            yield Recording(number, path.name, at, shape[2], path.stat().st_size)


def name_of(at: datetime, whom: str, call: str) -> str:
    """A name that sorts by time (UTC). Numbers may be anything that a stranger has made up."""
    party = _FOREIGN.sub("", whom)[:MAX_NUMBER] or "unknown"
    return f"{at.astimezone(UTC):{_TIME}}-{party}-{call[:8]}.wav"
