"""What became of a COMMIT whose answer was lost: asked of the server, never assumed."""

from __future__ import annotations

from typing import Final

import psycopg
import sqlalchemy as sa

from shared.kernel.clock import Clock
from shared.kernel.errors import CommitUnknown

LOOK_UP_DEADLINE_S: Final = 20.0
LOOK_UP_INTERVAL_S: Final = 0.1

# The database asks us to run the whole unit again: serialisation failure, deadlock, a prepared statement forgotten.
_TRY_AGAIN: Final = frozenset({"40001", "40P01", "26000"})
# The session ended while we waited: killed by an administrator, by a crash, by its own time limit.
_SESSION_ENDED: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "40003"})
# Resources are short, an administrator intervenes, or another session holds a row for longer than we wait for it.
_AWAY: Final = ("08", "53", "57P", "55P03")
# The database will not have what was written: bad data, a constraint, a limit of the program.
_REFUSED: Final = ("22", "23", "54")
_STATUS: Final = "SELECT pg_xact_status(%(transaction_id)s::xid8)"


def sqlstate_of(error: sa.exc.DBAPIError) -> str | None:
    """Return the server's own code for the error; ``None`` if it did not come from the server."""
    return error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None


def session_is_gone(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the connection, not the statement, failed."""
    state = sqlstate_of(error)
    if state is not None and (state.startswith("08") or state in _SESSION_ENDED):
        return True
    return error.connection_invalidated


def is_transient(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the unit, known to be rolled back, may work if it is run again."""
    return sqlstate_of(error) in _TRY_AGAIN or session_is_gone(error)


def is_away(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the database is the reason, and not the statement or its data: waiting helps, blaming does not.

    A row held by a process that was stopped in its transaction counts: it is free once that session is ended.
    """
    if session_is_gone(error):
        return True
    state = sqlstate_of(error)
    if state is None:
        return isinstance(error, sa.exc.OperationalError)
    return state.startswith(_AWAY)


def is_refusal(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the database refused the data: the same is refused again, unless somebody else's row was at it."""
    return (sqlstate_of(error) or "").startswith(_REFUSED)


def refusal_of(error: sa.exc.DBAPIError) -> str:
    """Name the refusal by code, table and constraint, without any value."""
    named = error.orig.diag if isinstance(error.orig, psycopg.Error) else None
    where = (named.table_name, named.constraint_name) if named is not None else ()
    return " ".join(["database_refused:", sqlstate_of(error) or "", *(name for name in where if name)])


class CommitLookup:
    """Asks on new connections, with a deadline, whether a transaction was committed."""

    def __init__(self, engine: sa.Engine, clock: Clock, *, deadline_s: float = LOOK_UP_DEADLINE_S) -> None:
        self._engine = engine
        self._clock = clock
        self._deadline_s = deadline_s

    def was_committed(self, transaction_id: str, name: str) -> bool:
        """Return what the server knows; raise ``CommitUnknown`` if it cannot tell within the deadline.

        "In progress" is no answer: the old backend may still be carrying the COMMIT out.
        """
        give_up_s = self._clock.monotonic_s() + self._deadline_s
        while True:
            status = self._status(transaction_id)
            if status in {"committed", "aborted"}:
                return status == "committed"
            if self._clock.monotonic_s() >= give_up_s:
                raise CommitUnknown(name, transaction_id, f"last answer: {status}")
            self._clock.sleep(LOOK_UP_INTERVAL_S)

    def _status(self, transaction_id: str) -> str:
        try:
            with self._engine.connect() as connection:
                found = connection.exec_driver_sql(_STATUS, {"transaction_id": transaction_id}).scalar_one()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            # Also an id from the future: a replica without our transaction was promoted; nobody can tell.
            return f"unreachable ({type(error).__name__})"
        return "forgotten" if found is None else str(found)
