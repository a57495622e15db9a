"""Our own certificate: whoever runs the system hears in time that it expires."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from pbx.happenings import CertificateExpires, Happening

logger = logging.getLogger(__name__)

WARNING_DAYS = (1, 7, 30)
"""So long before the end, and once each, it is told."""
DAY_SECONDS = 86400.0


class CertificateWatch:
    """Looks at the certificate once a day. `start()` it inside a running loop, and `stop()` it."""

    def __init__(
        self, file: Path | None, wall: Callable[[], datetime], tell: Callable[[Happening], None]
    ) -> None:
        """`file` is PEM with our certificate first; None: there is nothing to watch."""
        self._file = file
        self._wall = wall
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._warned: tuple[datetime, int] | None = None
        """The end that was warned of last, and how many days before."""

    def start(self) -> None:
        """Look now, and each day."""
        if self._file is not None:
            self.look()
            self._timer = asyncio.get_running_loop().call_later(DAY_SECONDS, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Tell if the end has come near, or nearer; to be called for a renewed certificate too."""
        if self._file is None:
            return
        try:
            expires = expiry_of(self._file)
        except (OSError, ValueError) as error:
            logger.warning("the certificate %s cannot be read: %s", self._file, error)
            return
        left = expires - self._wall()
        within = next((days for days in WARNING_DAYS if left <= timedelta(days=days)), None)
        if within is None or self._warned == (expires, within):
            return
        self._warned = expires, within
        verb = "has expired" if left <= timedelta() else "expires"
        logger.warning(
            "the certificate %s %s on %s, renew it and send SIGHUP",
            self._file,
            verb,
            f"{expires:%Y-%m-%d %H:%M} UTC",
        )
        self._tell(CertificateExpires(at=self._wall(), file=str(self._file), expires=expires))


def expiry_of(file: Path) -> datetime:
    """When the first certificate of a PEM file expires (UTC). Raises OSError, or ValueError if it has none."""
    from cryptography import x509  # who has no certificate starts sooner without it

    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
