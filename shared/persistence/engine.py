"""How this code base connects to PostgreSQL: psycopg 3, READ COMMITTED, every timeout spelled out."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import roll_back_ourselves, send_queued_first

CONNECT_TIMEOUT_S: Final = 5
POOL_TIMEOUT_S: Final = 5.0
# A peer that vanished without a reset is noticed after this time, also while it owes us a COMMIT's answer.
PEER_SILENCE_MS: Final = 15_000


def driver_url(url: str | sa.URL) -> sa.URL:
    """Return the address with the one driver that we use, whatever spelling the setting has."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise InvariantViolation("database_is_postgresql", f"{parsed.drivername} is not PostgreSQL")
    return parsed.set(drivername="postgresql+psycopg")


def make_engine(
    url: str | sa.URL,
    *,
    application_name: str,
    pool_size: int = 10,
    statement_timeout_ms: int = 10_000,
    lock_timeout_ms: int = 5_000,
    idle_in_transaction_timeout_ms: int = 10_000,
    autocommit: bool = False,
    by_index: bool = False,
) -> sa.Engine:
    """Return an engine whose sessions cannot wait for ever, whichever side hangs.

    Nothing of ours leaves the database in the middle of a transaction, so one that idles belongs to a process that was
    stopped; ending its session frees the rows that it holds.

    With ``autocommit`` every statement stands alone: one round trip for a query that needs no transaction. Set for
    the whole pool, because switching a pooled connection there and back costs more than it saves.

    With ``by_index`` no plan reads a table from end to end where an index leads to what is asked for. A session keeps
    its plans: one made while a table was empty would read all of it once it has grown, until the next ANALYZE.
    """
    # Set through the connection packet: no round trip, and a RESET falls back to these values.
    options = " ".join(
        (
            r"-c default_transaction_isolation=read\ committed",
            "-c timezone=UTC",
            f"-c statement_timeout={statement_timeout_ms}",
            f"-c lock_timeout={lock_timeout_ms}",
            f"-c idle_in_transaction_session_timeout={idle_in_transaction_timeout_ms}",
            *(["-c enable_seqscan=off"] if by_index else []),
        )
    )
    engine = sa.create_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_use_lifo=True,
        # A ping costs a round trip per transaction; a dead connection is found by use, and the unit retried.
        pool_pre_ping=False,
        # Rows are personal or financial: they stay out of error texts.
        hide_parameters=True,
        use_native_hstore=False,
        isolation_level="AUTOCOMMIT" if autocommit else None,
        # A connection that never opens a transaction has nothing to roll back.
        pool_reset_on_return=None if autocommit else "rollback",
        connect_args={
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": options,
            "prepare_threshold": 2,
            "keepalives": 1,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": PEER_SILENCE_MS,
        },
    )
    send_queued_first(engine)
    roll_back_ourselves(engine)
    return engine
