"""Keys that sealed the books from which these were rebuilt: nothing of the new chain is signed with one of them.

Whoever keeps heads outside trusts a key. Under the old one, a head of the new chain would pass for one of the old.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from shared.persistence.arrays import text_array
from shared.runtime.startup import StartupRefused

_FORMER: Final = "SELECT key_id FROM former_seal_keys"
_KEEP: Final = "INSERT INTO former_seal_keys SELECT unnest(%(key_ids)s::text[]) ON CONFLICT DO NOTHING"


def keep_former_keys(connection: sa.Connection, key_ids: Collection[str]) -> None:
    """Remember these; by the tables' owner."""
    if key_ids:
        connection.exec_driver_sql(_KEEP, {"key_ids": text_array(sorted(key_ids))})


def former_keys(connection: sa.Connection) -> frozenset[str]:
    """Their ids; few, and none where the books were never rebuilt."""
    return frozenset(connection.exec_driver_sql(_FORMER).scalars())


def refuse_former_key(engine: sa.Engine, key_id: str) -> None:
    """Raise ``StartupRefused`` where this key is one of them."""
    with engine.connect() as connection:
        if key_id in former_keys(connection):
            raise StartupRefused(
                f"LEDGER_SEAL_PRIVATE_KEY: key {key_id} signed the books that these were rebuilt from;"
                " expected a new Ed25519 key"
            )
