"""What a log line may say."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from myphone_api.logs import LogFormat, configure_logging


@pytest.fixture(autouse=True)
def logging_left_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(stream, LogFormat.JSON)
    return stream


@pytest.fixture
def console() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(stream)
    return stream


def record(lines: io.StringIO) -> dict[str, object]:
    [line] = lines.getvalue().splitlines()
    loaded = json.loads(line)
    assert isinstance(loaded, dict)
    return loaded


def test_a_record_of_the_standard_library(lines: io.StringIO) -> None:
    logging.getLogger("sipcore.net").warning("dropped %d messages", 3, extra={"source": "192.0.2.7"})
    said = record(lines)
    assert said.pop("timestamp")
    assert said == {
        "event": "dropped 3 messages",
        "source": "192.0.2.7",
        "level": "warning",
        "logger": "sipcore.net",
    }


def test_a_record_of_structlog_looks_the_same(lines: io.StringIO) -> None:
    structlog.get_logger("features.echo").info("answered", call="c1", seconds=1.5, by=("100",))
    said = record(lines)
    assert said.pop("timestamp")
    assert said == {
        "event": "answered",
        "call": "c1",
        "seconds": 1.5,
        "by": ["100"],
        "level": "info",
        "logger": "features.echo",
    }


def test_the_level_is_kept(lines: io.StringIO) -> None:
    logging.getLogger("x").debug("chatter")
    assert lines.getvalue() == ""
    configure_logging(lines, LogFormat.JSON, "debug")
    logging.getLogger("x").debug("chatter")
    assert record(lines)["event"] == "chatter"


@pytest.mark.parametrize(
    "foreign", ["a\r\n2026-01-02 [info] forged", "\x1b[2J", "\x07", "\x9b31m", "a\u2028b", "\u202egnp"]
)
def test_control_characters_are_escaped(console: io.StringIO, foreign: str) -> None:
    logging.getLogger("x").info("user agent %s", foreign, extra={"agent": foreign})
    [line] = console.getvalue().splitlines()
    assert line.isprintable()
    assert "\\" in line


def test_a_traceback_cannot_forge_a_line(console: io.StringIO) -> None:
    try:
        raise ValueError("bad\n2026-01-02 [info] forged\x1b[2J")
    except ValueError:
        logging.getLogger("x").exception("failed")
    head, *rest = console.getvalue().splitlines()
    assert "failed" in head
    assert rest
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert any("test_logs.py" in line for line in rest)


@pytest.mark.parametrize(
    "text",
    [
        'got Authorization: Digest username="100", response="SECRET"',
        "got Proxy-Authorization: Digest SECRET",
        'Digest username="100", response="' + "5EC7E7" * 8 + '"',
        "password=SECRET",
        "{'password': 'SECRET'}",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "SECRET+/" * 5,
    ],
)
@pytest.mark.parametrize("form", LogFormat)
def test_secrets_in_texts_are_blotted_out(text: str, form: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(stream, form)
    logging.getLogger("x").info("%s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"header": text, "deep": {"list": [text]}})
    assert "SECRET" not in stream.getvalue()
    assert "5EC7E7" not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


@pytest.mark.parametrize("key", ["password", "Authorization", "proxy_authorization", "client_secret", "pin"])
def test_secrets_are_known_by_their_key(lines: io.StringIO, key: str) -> None:
    logging.getLogger("x").info("received", extra={key: "SECRET", "inner": {key: b"SECRET"}})
    said = record(lines)
    assert said[key] == "[redacted]"
    assert said["inner"] == {key: "[redacted]"}
