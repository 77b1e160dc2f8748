"""Reading whole tables in one snapshot, for as long as that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

# Scans with hashing, signatures and printing between them: no longer than an auditor would wait. The time limits of
# serving sessions, that of an idle transaction too, would cut it short.
PATIENCE: Final = (
    "SET LOCAL statement_timeout = '30min'",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


@contextmanager
def long_read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one moment, kept read-only by the database, without the limits of serving sessions."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.execution_options(**options).connect() as connection:
        _be_patient(connection)
        yield connection


def patient_reads(engine: sa.Engine) -> sa.Engine:
    """The same pool for reads that take as long as they take: none of its transactions has the limits of serving."""
    patient = engine.execution_options(postgresql_readonly=True)
    sa.event.listen(patient, "begin", _be_patient)
    return patient


def _be_patient(connection: sa.Connection) -> None:
    for statement in PATIENCE:
        connection.exec_driver_sql(statement)
