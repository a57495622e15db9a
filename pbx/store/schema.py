"""What all tables share: their catalogue, names for constraints, and moments that keep their time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, LargeBinary, MetaData
from sqlalchemy.types import TypeDecorator

from pbx.moments import utc_text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table; without names for constraints no migration could change one."""


class Moment(TypeDecorator[datetime]):
    """A datetime with a time zone, given back in UTC: SQLite itself knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs its time zone: {value}")
        return value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return _text_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _text_of(moment: datetime | None) -> str | None:
    """As SQLAlchemy has SQLite keep it; each call leaves ten of them."""
    return None if moment is None else utc_text(moment)


class WireText(TypeDecorator[str]):
    """Text that somebody sent, with whatever bytes in it: as bytes every one of them comes back as it was."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return _bytes_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else bytes(value).decode("utf-8", "surrogateescape")


def _bytes_of(text: str | None) -> bytearray | None:
    """The driver of SQLite takes a bytearray as it is; of any other bytes it asks how they want to be adapted."""
    return None if text is None else bytearray(text, "utf-8", "surrogateescape")
