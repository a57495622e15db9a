"""WAV files at 8 kHz mono: PCM 16 bit and G.711. Headers are hostile until read."""

from __future__ import annotations

import contextlib
import struct
import sys
from array import array
from pathlib import Path

from media.codecs import g711
from media.plan import Codec

RATE_HZ = 8000
FRAME_SAMPLES = 160
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LONGEST = 0xFFFFFFFF
"""A longer file (of three days) says this, and is read to its end."""
_PCM, _ALAW, _ULAW = 1, 6, 7
_G711 = {_ALAW: Codec.PCMA, _ULAW: Codec.PCMU}


class WavError(Exception):
    """A file that is no WAV file, or one that we do not play; says which."""


class WavReader:
    """Plays a file frame by frame; never reads it whole."""

    def __init__(self, path: Path) -> None:
        """Raises OSError and WavError."""
        self._file = path.open("rb")
        try:
            self._codec, self._left = self._read_header()
        except WavError as error:
            self._file.close()
            raise WavError(f"{path} {error}") from None
        except struct.error:
            self._file.close()
            raise WavError(f"{path} is cut short") from None

    def frame(self) -> bytes | None:
        """The next 20 ms of PCM, the last filled up with silence; None at the end."""
        width = 2 if self._codec is None else 1
        data = self._file.read(min(FRAME_SAMPLES * width, self._left))
        data = data[: len(data) // width * width]
        self._left -= len(data)
        if not data:
            self.close()
            self._left = 0
            return None
        pcm = data if self._codec is None else g711.decode(self._codec, data)
        return pcm.ljust(2 * FRAME_SAMPLES, b"\0")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_header(self) -> tuple[Codec | None, int]:
        """The codec (None: PCM) and the length of the data in bytes; the file stands at the data."""
        riff, _, wave = struct.unpack("<4sI4s", self._file.read(12))
        if riff != b"RIFF" or wave != b"WAVE":
            raise WavError("is no WAV file")
        codec: Codec | None = None
        known = False
        for _ in range(64):
            name, size = struct.unpack("<4sI", self._file.read(8))
            if name == b"data":
                if not known:
                    raise WavError("has no format before its data")
                return codec, size
            skip = size + size % 2
            if name == b"fmt ":
                fields = self._file.read(min(size, 64))
                codec, known = _format(fields), True
                skip -= len(fields)
            self._file.seek(skip, 1)
        raise WavError("has no data")


def _format(data: bytes) -> Codec | None:
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data)
    if channels != 1 or rate != RATE_HZ:
        raise WavError(f"has {channels} channels at {rate} Hz; convert it to one channel at {RATE_HZ} Hz")
    if kind == _PCM and bits == 16:
        return None
    if kind in _G711 and bits == 8:
        return _G711[kind]
    raise WavError(f"has format {kind} with {bits} bits; convert it to PCM of 16 bits")


class WavWriter:
    """Records PCM. The header is right after every second, so that a crash leaves a playable file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("wb")
        self.peak = 0
        """Of the loudest sample: 0 to 32768."""
        self._bytes = 0
        self._header_bytes = 0
        try:
            self._write_header()
        except OSError:
            with contextlib.suppress(OSError):  # what could not be written is tried again
                self._file.close()
            raise

    def write(self, pcm: bytes) -> int:
        """Append PCM; the loudest of its samples (0 to 32768). Raises OSError when the disk is full."""
        self._file.write(pcm)
        self._bytes += len(pcm)
        samples = array("h", pcm)
        if sys.byteorder == "big":
            samples.byteswap()
        loudest = max(max(samples, default=0), -min(samples, default=0))
        self.peak = max(self.peak, loudest)
        if self._bytes - self._header_bytes >= 2 * RATE_HZ:
            self._write_header()
        return loudest

    @property
    def seconds(self) -> float:
        """How much sound was written."""
        return self._bytes / (2 * RATE_HZ)

    def close(self) -> None:
        """Complete the file. Raises OSError."""
        if not self._file.closed:
            try:
                self._write_header()
            finally:
                self._file.close()

    def _write_header(self) -> None:
        header = _HEADER.pack(
            b"RIFF",
            min(36 + self._bytes, _LONGEST),
            b"WAVE",
            b"fmt ",
            16,
            _PCM,
            1,
            RATE_HZ,
            2 * RATE_HZ,
            2,
            16,
            b"data",
            min(self._bytes, _LONGEST),
        )
        self._file.seek(0)
        self._file.write(header)
        self._file.seek(0, 2)
        self._file.flush()
        self._header_bytes = self._bytes
