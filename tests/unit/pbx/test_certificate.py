"""The watch over our own certificate, day by day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from pbx.certificate import CertificateWatch, expiry_of
from pbx.happenings import CertificateExpires, Happening
from tests.simulation.loop import JumpingLoop

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write(file: Path, days: float) -> Path:
    """A certificate that lives so many days from NOW on."""
    issued = trustme.CA().issue_cert("pbx.example", not_after=NOW + timedelta(days=days))
    issued.cert_chain_pems[0].write_to_path(file)
    return file


def watched(file: Path, days: int, renewed: tuple[int, float] | None = None) -> list[float]:
    """The days at which a watch over so many days tells something. `renewed` is the day, and a life from NOW."""
    told: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def passed() -> timedelta:
            return timedelta(seconds=loop.time() - began)

        def tell(happening: Happening) -> None:
            assert isinstance(happening, CertificateExpires)
            assert happening.expires == expiry_of(file)
            told.append(passed() / timedelta(days=1))

        watch = CertificateWatch(file, lambda: NOW + passed(), tell)
        watch.start()
        for day in range(days):
            if renewed is not None and renewed[0] == day:
                write(file, renewed[1])
                watch.look()
            await asyncio.sleep(86400)
        watch.stop()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(scenario())
    return told


def test_it_is_told_three_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert watched(write(tmp_path / "a.pem", 40.5), 60) == [11, 34, 40]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert all("expires on 2026-02-11 00:00 UTC" in message for message in messages)


def test_one_that_is_late_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert watched(write(tmp_path / "a.pem", -1), 3) == [0]
    assert "has expired" in caplog.text


def test_one_that_is_renewed_is_told_no_more(tmp_path: Path) -> None:
    assert watched(write(tmp_path / "a.pem", 20), 100, renewed=(15, 365)) == [0, 13]


def test_nothing_to_watch() -> None:
    watch = CertificateWatch(None, lambda: NOW, lambda happening: None)
    watch.start()
    watch.look()
    watch.stop()


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_one_that_cannot_be_read_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    file = tmp_path / "a.pem"
    if content is not None:
        file.write_bytes(content)
    CertificateWatch(file, lambda: NOW, lambda happening: None).look()
    assert "cannot be read" in caplog.text
