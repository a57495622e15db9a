"""Files of sound: opened without a trap, written whole, named after anything."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
import unicodedata
from pathlib import Path
from urllib.parse import quote

from media.wav import WavReader, WavWriter

PART_PREFIX, PART_SUFFIX = "prompt-", ".part"
_LONGEST_NAME = 120


def open_regular(path: Path) -> WavReader:
    """Open a WAV file, and nothing else: opening a pipe would block. Raises OSError and WavError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    try:
        return WavReader(path)
    except ValueError as error:  # of a path that no file can have
        raise OSError(errno.EINVAL, str(error), str(path)) from None


def write_whole(path: Path, pcm: bytes) -> None:
    """A WAV file that others see whole or not at all; folders are made. Raises OSError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=PART_PREFIX, suffix=PART_SUFFIX, dir=path.parent)
    except ValueError as error:  # of a path that no file can have
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    os.close(handle)
    try:
        writer = WavWriter(Path(part))
        try:
            writer.write(pcm)
        finally:
            writer.close()
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def safe_name(name: str) -> str:
    """A name from anywhere as one part of a path: no separators, no dots, lower case, short, not empty.

    Case is folded since some file systems do so; the folded name decides, "lee parker" is `lee%20parker`.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    escaped = quote(folded.encode(errors="surrogatepass"), safe="").replace(".", "%2E").replace("~", "%7E")
    if 0 < len(escaped) <= _LONGEST_NAME:
        return escaped
    digest = hashlib.sha256(folded.encode(errors="surrogatepass")).hexdigest()[:40]
    return f"{escaped[: _LONGEST_NAME - 60]}%-{digest}"
