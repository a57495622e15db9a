"""WAV files: PCM of 16 bits at 8, 16 and 48 kHz, one or two channels, and G.711. Headers are hostile until read."""

from __future__ import annotations

import contextlib
import struct
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from media.codecs import g711
from media.plan import Codec
from values import dataclass

if TYPE_CHECKING:
    from media.codecs.resample import Resampler

RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAMES_PER_SECOND = 50
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
_LONGEST = 0xFFFFFFFF
"""A longer file (of three days) says this, and is read to its end."""
_PCM, _ALAW, _ULAW = 1, 6, 7
_G711 = {_ALAW: Codec.PCMA, _ULAW: Codec.PCMU}
_PCM_RATES_HZ = (8000, 16000, 48000)


class WavError(Exception):
    """A file that is no WAV file, or one that we do not play; says which."""


@dataclass(frozen=True, slots=True)
class _Format:
    """What the data of a file is."""

    codec: Codec | None = None
    """None: PCM."""
    channels: int = 1
    rate: int = RATE_HZ

    @property
    def block_bytes(self) -> int:
        """Of a sample in all channels."""
        return (2 if self.codec is None else 1) * self.channels


class WavReader:
    """Plays a file frame by frame, as PCM at 8 kHz mono; never reads it whole."""

    def __init__(self, path: Path) -> None:
        """Raises OSError and WavError."""
        self._file = path.open("rb")
        try:
            self._format, self._size = self._read_header()
            self._begin = self._file.tell()
        except WavError as error:
            self._file.close()
            raise WavError(f"{path} {error}") from None
        except struct.error:
            self._file.close()
            raise WavError(f"{path} is cut short") from None
        self._left = self._size
        self._frame_bytes = self._format.rate // FRAMES_PER_SECOND * self._format.block_bytes
        self._resampler: Resampler | None = None
        self._new_resampler()

    def frame(self) -> bytes | None:
        """The next 20 ms of PCM, the last filled up with silence; None at the end."""
        block = self._format.block_bytes
        data = b"" if self._file.closed else self._file.read(min(self._frame_bytes, self._left))
        data = data[: len(data) // block * block]
        self._left -= len(data)
        if not data:
            self.close()
            self._left = 0
            return None
        codec = self._format.codec
        pcm = data if codec is None else g711.decode(codec, data)
        if self._format.channels == 2:
            pcm = _mono(pcm)
        return self._resampled(pcm).ljust(2 * FRAME_SAMPLES, b"\0")

    @property
    def position(self) -> float:
        """How much has been played, in seconds."""
        return (self._size - self._left) / (self._format.rate * self._format.block_bytes)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self._size // self._format.block_bytes / self._format.rate

    def seek(self, seconds: float) -> None:
        """Go on from another place, the nearest there is; a file that has been played to its end stays there."""
        if self._file.closed:
            return
        block = self._format.block_bytes
        last = self._size // block
        offset = min(round(max(0.0, min(seconds, _LONGEST)) * self._format.rate), last) * block
        self._file.seek(self._begin + offset)
        self._left = self._size - offset
        self._new_resampler()  # what was heard before has nothing to do with what comes

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # Numpy comes with the resampler. A system whose files are at 8 kHz does not carry it.

    def _new_resampler(self) -> None:
        if self._format.rate != RATE_HZ:
            from media.codecs.resample import Resampler

            self._resampler = Resampler(self._format.rate, RATE_HZ)

    def _resampled(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        import numpy as np

        samples = np.frombuffer(pcm.ljust(self._format.rate // FRAMES_PER_SECOND * 2, b"\0"), "<i2")
        resampled: bytes = self._resampler.resample(samples[None])[0].astype("<i2").tobytes()
        return resampled

    def _read_header(self) -> tuple[_Format, int]:
        """The format and the length of the data in bytes; the file stands at the data."""
        riff, _, wave = struct.unpack("<4sI4s", self._file.read(12))
        if riff != b"RIFF" or wave != b"WAVE":
            raise WavError("is no WAV file")
        found: _Format | None = None
        for _ in range(64):
            name, size = struct.unpack("<4sI", self._file.read(8))
            if name == b"data":
                if found is None:
                    raise WavError("has no format before its data")
                return found, size
            skip = size + size % 2
            if name == b"fmt ":
                fields = self._file.read(min(size, 64))
                found = _format(fields)
                skip -= len(fields)
            self._file.seek(skip, 1)
        raise WavError("has no data")


def _format(data: bytes) -> _Format:
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data)
    if kind == _PCM and bits == 16 and channels in (1, 2) and rate in _PCM_RATES_HZ:
        return _Format(None, channels, rate)
    if kind in _G711 and bits == 8 and (channels, rate) == (1, RATE_HZ):
        return _Format(_G711[kind])
    if channels not in (1, 2) or rate not in _PCM_RATES_HZ or kind in _G711:
        raise WavError(
            f"has format {kind} with {bits} bits, {channels} channels at {rate} Hz;"
            f" convert it to one channel at {RATE_HZ} Hz"
        )
    raise WavError(f"has format {kind} with {bits} bits; convert it to PCM of 16 bits")


def _mono(pcm: bytes) -> bytes:
    """The mean of two channels."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    mixed = array("h", (left + right >> 1 for left, right in zip(samples[::2], samples[1::2], strict=True)))
    if sys.byteorder == "big":
        mixed.byteswap()
    return mixed.tobytes()


def loudest_of(pcm: bytes) -> int:
    """The magnitude of the loudest sample, 0 to 32768."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return max(max(samples, default=0), -min(samples, default=0))


class WavWriter:
    """Records PCM. The header is right after every second, so that a crash leaves a playable file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("wb")
        self._bytes = 0
        self._header_bytes = 0
        try:
            self._write_header()
        except OSError:
            with contextlib.suppress(OSError):  # what could not be written is tried again
                self._file.close()
            raise

    def write(self, pcm: bytes) -> None:
        """Append PCM. Raises OSError when the disk is full."""
        self._file.write(pcm)
        self._bytes += len(pcm)
        if self._bytes - self._header_bytes >= 2 * RATE_HZ:
            self._write_header()

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
        self._file.seek(0)
        self._file.write(_header(self._bytes))
        self._file.seek(0, 2)
        self._file.flush()
        self._header_bytes = self._bytes


def repair(path: Path) -> float:
    """Let the header of a file that a `WavWriter` did not close say how much is in it; how many seconds that is.

    Raises OSError, and WavError for a file that it has not made.
    """
    with path.open("r+b") as file:
        if file.read(HEADER_BYTES)[8:16] != b"WAVEfmt ":
            raise WavError(f"{path} is no recording")
        data = (file.seek(0, 2) - HEADER_BYTES) // 2 * 2
        file.seek(0)
        file.write(_header(data))
    return data / (2 * RATE_HZ)


def _header(data: int) -> bytes:
    """Of so many bytes of sound."""
    return _HEADER.pack(
        b"RIFF",
        min(36 + data, _LONGEST),
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
        min(data, _LONGEST),
    )
