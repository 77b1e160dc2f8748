"""The partitions of ``entries``: made ahead of the writers, and what holds while they are missing.

Each is a fixed number of journal positions, and there is no default one. Where the last is full and nobody made the
next, booking is refused as if the database were away: the transaction rolls back, the consumer waits and tries again,
nothing is parked, and it goes on by itself once the partition is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import sqlalchemy as sa

from shared.persistence.partitions import make_partitions
from shared.runtime.metric_names import LEDGER_POSITIONS_LEFT
from shared.runtime.metrics import Samples, probe

PARTITION_POSITIONS: Final = 5_000_000
"""About twelve million entries, a gigabyte with their indexes; a thousand million journals are 200 partitions."""
PARTITIONS_AHEAD: Final = 2
"""Whole ones beyond the one being written: at least 20 minutes at 8,000 journals a second."""

_MAKE: Final = "SELECT entries_create_partitions()"
_LEFT: Final = """
SELECT entries_end() - 1 - CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions
"""


def make_ahead(engine: sa.Engine) -> int:
    """Make what is missing of the partitions ahead; return how many that were. Safe to repeat, and to run twice."""
    return make_partitions(engine, _MAKE)


def positions_left(engine: sa.Engine) -> int:
    """How many journals can still be booked before the partitions end; 0 or less once they have."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(_LEFT).scalar_one())


def watch_partitions(engine: sa.Engine) -> None:
    """Register the gauge of positions left; call once, where HTTP is served."""

    def left() -> Samples:
        return {(): float(positions_left(engine))}

    probe(LEDGER_POSITIONS_LEFT, left)


@contextmanager
def away_without_partition(statement: str) -> Iterator[None]:
    """Tell a missing partition from a broken promise: it is a shortage, that waiting ends, and no record's fault."""
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        # Checks have names; what PostgreSQL says of a row that fits no partition has none.
        if error.diag.constraint_name is not None or error.diag.table_name != "entries":
            raise
        shortage = psycopg.errors.InsufficientResources("entries have no partition for the next positions")
        raise sa.exc.OperationalError(statement, None, shortage) from error
