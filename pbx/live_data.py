"""What the configuration file says of people, taken over into the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from pbx.directory import Extension
from pbx.store.extensions import extensions

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.store.store import Store


def seed(config: Config, connection: Connection) -> None:
    """Enter what a configuration says into an empty store."""
    told = {extension.number: extension for extension in config.extensions}
    rows = [_row(entry, config.sip.realm, told[entry.number].manager) for entry in config.directory()]
    for row in rows:
        row["barge_in"] = told[row["number"]].barge_in
    if rows:
        connection.execute(insert(extensions), rows)


def take_over(config: Config, store: Store) -> None:
    """Enter what a configuration says where the store is new. Raises StoreUnavailable."""

    def change(connection: Connection) -> None:
        if connection.execute(select(extensions.c.number).limit(1)).first() is None:
            seed(config, connection)

    store.begin(change)


def _row(entry: Extension, realm: str, manager: bool) -> dict[str, Any]:
    assert entry.credentials is not None, "every extension of the file has a password"
    diversions = {f"forward_{occasion}": target for occasion, target in asdict(entry.diversions).items()}
    return {
        "number": entry.number,
        "first_name": entry.first_name,
        "last_name": entry.last_name,
        "sip_id": entry.sip_id,
        "realm": realm,
        "ha1_md5": entry.credentials.md5,
        "ha1_sha256": entry.credentials.sha256,
        "outbound_caller_id": entry.outbound_caller_id,
        "withhold_number": entry.withhold_number,
        "no_answer_seconds": entry.no_answer_seconds,
        "busy_detection": entry.busy_detection.value,
        "manager": manager,
        **diversions,
    }
