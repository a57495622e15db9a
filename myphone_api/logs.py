"""Logs of the whole process: one record a line, for people or as JSON.

Every package logs through the standard `logging`; what a record may say is decided here. Strings come from
strangers, so control characters are escaped: nothing that was received can forge a line or move a cursor.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

REDACTED = "[redacted]"

_SECRET_KEYS = re.compile(r"(?i)password|passwd|secret|authorization|credentials|\bpin\b|\bha1\b")
_SECRET_TEXT = re.compile(
    r"(?i)(?P<header>\b(?:proxy-)?authorization\s*:).*"
    r"|(?P<digest>\bresponse=)\"[0-9a-f]{32,}\""
    r"|(?P<key>\binline:)[A-Za-z0-9+/=]{8,}"
    r"|(?P<pair>\b(?:password|passwd|secret|pin)['\"]?\s*[=:]\s*)\S+"
)


class LogFormat(Enum):
    """How a record looks."""

    CONSOLE = "console"
    JSON = "json"


def configure_logging(stream: TextIO, form: LogFormat = LogFormat.CONSOLE, level: str = "info") -> None:
    """Send all logs of the process to `stream`, from `level` (debug, info, warning or error) up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(form, colours=stream.isatty()))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[*_context(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def formatter(form: LogFormat, *, colours: bool = False) -> logging.Formatter:
    """Makes the line for a record of `logging` or of structlog."""
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _clean_record,
            render,
        ],
        foreign_pre_chain=[*_context(), structlog.stdlib.ExtraAdder()],
    )


def _context() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _clean_record(_logger: Any, _method: str, record: EventDict) -> EventDict:
    """Without secrets and control characters, whatever the record holds."""
    return {
        _line(str(key)): _traceback(value) if key == "exception" else _clean(key, value)
        for key, value in record.items()
    }


def _clean(key: str, value: Any) -> Any:
    if _SECRET_KEYS.search(key):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_line(str(inner)): _clean(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", held) for held in value]
    return _line(str(value))


def _traceback(text: str) -> str:
    """Its lines stay lines, but marked, so that none can be taken for a record."""
    return "\n".join(f"  | {_line(line)}" for line in text.splitlines())


def _line(text: str) -> str:
    text = _SECRET_TEXT.sub(
        lambda found: f"{found['header'] or found['digest'] or found['key'] or found['pair']}{REDACTED}", text
    )
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
