"""The files of mailboxes. All here blocks, for a moment; it is done where waiting for the disk holds up nobody.

    voicemail/incoming/100-0612345678-8c1f.wav    being said, for 100: whole, or a hidden part of it
    voicemail/100/0612345678-8c1f.wav             kept
    voicemail/100/greeting.wav, name.wav          said by the owner

A message is kept when its file is in its place and its row is written, in this order; it is deleted when its row says
so, whatever is left of the file. So the rows are the truth, and after a crash `recover` makes the files agree.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import wave
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from values import dataclass

logger = logging.getLogger(__name__)

VOICEMAIL_FOLDER = "voicemail"
"""Within the data folder."""
INCOMING = "incoming"
GREETING, NAME = "greeting.wav", "name.wav"
_COPY_SUFFIX = ".copy"
_OF_A_NUMBER = re.compile(r"[^0-9A-Za-z+]")
_LONGEST_NUMBER = 20
_KEPT = re.compile(r"(?P<caller>[0-9A-Za-z+]{0,20})-(?P<id>[0-9a-f]{16})\.wav")
_SAID = re.compile(r"(?P<mailbox>[0-9]{1,15})-(?P<caller>[0-9A-Za-z+]{0,20})-(?P<rest>[A-Za-z0-9_-]*)\.wav")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A message that was said, and that no row knows."""

    path: Path
    mailbox: str
    caller: str
    """The number, as far as a file's name holds it."""
    left_at: datetime
    seconds: float


class MailboxFiles:
    """Where the files are, and what is done with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- names -----------------------------------------------------------------------------------------

    def said(self, mailbox: str, caller: str, message_id: str) -> Path:
        """Where a message is while it is being said."""
        return self.folder / INCOMING / f"{mailbox}-{_in_a_name(caller)}-{message_id}.wav"

    def kept(self, mailbox: str, caller: str, message_id: str) -> Path:
        """Where it is from then on."""
        return self.folder / mailbox / f"{_in_a_name(caller)}-{message_id}.wav"

    def scratch(self, name: str) -> Path:
        """Where something is that is said and may not be kept."""
        return self.folder / INCOMING / f"scratch-{name}.wav"

    def greeting(self, mailbox: str) -> Path:
        """What its owner has to say to those who are to leave a message."""
        return self.folder / mailbox / GREETING

    def name(self, mailbox: str) -> Path:
        """Its owner's name, said by the owner."""
        return self.folder / mailbox / NAME

    # -- changes; each raises OSError --------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folder in which recordings begin."""
        (self.folder / INCOMING).mkdir(parents=True, exist_ok=True)

    def keep(self, said: Path, kept: Path) -> None:
        """Put a file that is whole into its place, for good."""
        kept.parent.mkdir(parents=True, exist_ok=True)
        with said.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(said, kept)
        _sync_folder(kept.parent)

    def copy(self, parts: Iterable[Path], kept: Path) -> float:
        """Put the sound of several recordings, one after another, into a new place; how many seconds that is."""
        kept.parent.mkdir(parents=True, exist_ok=True)
        copy = kept.with_name(f".{kept.name}{_COPY_SUFFIX}")
        try:
            seconds = _join(parts, copy)
            self.keep(copy, kept)
        except BaseException:
            _remove(copy)
            raise
        return seconds

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files, for good; those that are gone already are no error."""
        folders = set()
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                folders.add(path.parent)
        for folder in folders:
            _sync_folder(folder)

    def clear(self, mailbox: str) -> None:
        """Remove all files of a mailbox, and what is being said for it."""
        folder = self.folder / mailbox
        found = [*folder.glob("*.wav"), *folder.glob(f".*{_COPY_SUFFIX}")]
        self.remove([*found, *(self.folder / INCOMING).glob(f"{mailbox}-*.wav")])

    # -- after a crash -----------------------------------------------------------------------------------

    def recover(self, known: Collection[Path], deleted: Collection[Path]) -> tuple[set[Path], list[Salvaged]]:
        """Make the files agree with the rows: `known` are those of messages, `deleted` those of rows that say so.

        Returns the known ones that are gone, and messages that were said but are in no row. A file that is neither
        is removed, with a line in the log.
        """
        left = set(known)
        salvaged: list[Salvaged] = []
        for path in self._all():
            if path in left:
                left.discard(path)
            elif path in deleted:
                _remove(path)
            elif (found := self._salvaged(path)) is not None:
                salvaged.append(found)
            elif path.name not in (GREETING, NAME):
                logger.warning("%s is no message that can be kept, it is removed", path)
                _remove(path)
        return left, salvaged

    def _all(self) -> Iterator[Path]:
        """Every file that is ours to keep or to remove."""
        if not self.folder.is_dir():
            return
        for folder in sorted(self.folder.iterdir()):
            if folder.name == INCOMING or (folder.name.isdecimal() and folder.is_dir()):
                yield from sorted(folder.glob("*.wav"))
                yield from sorted(folder.glob(f".*{_COPY_SUFFIX}"))

    def _salvaged(self, path: Path) -> Salvaged | None:
        """What a file that no row knows was to become; None if nothing can be made of it."""
        incoming = path.parent.name == INCOMING
        match = (_SAID if incoming else _KEPT).fullmatch(path.name)
        if match is None:
            return None
        try:
            seconds = _seconds(path)
            left_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, EOFError, wave.Error):
            return None
        mailbox = match["mailbox"] if incoming else path.parent.name
        return Salvaged(path, mailbox, match["caller"], left_at, seconds) if seconds else None


def _in_a_name(caller: str) -> str:
    """A number from anywhere, so that it may be part of a file's name."""
    return _OF_A_NUMBER.sub("", caller)[:_LONGEST_NUMBER]


def _seconds(path: Path) -> float:
    with wave.open(str(path), "rb") as sound:
        return sound.getnframes() / sound.getframerate()


def _join(parts: Iterable[Path], target: Path) -> float:
    """Write the sound of several files of one kind into one. Raises OSError, also for what is no sound."""
    frames = rate = 0
    try:
        with wave.open(str(target), "wb") as joined:
            for part in parts:
                with wave.open(str(part), "rb") as sound:
                    if not frames:
                        joined.setparams(sound.getparams())
                        rate = sound.getframerate()
                    frames += sound.getnframes()
                    joined.writeframes(sound.readframes(sound.getnframes()))
    except (EOFError, wave.Error) as error:
        raise OSError(f"{target} cannot be written: {error}") from error
    return frames / rate if rate else 0.0


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is tried again at the next start
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, where a folder can be asked for that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
