"""Repository of what was asked for: which file is to hold, who asked, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.reconciliation.domain.files import Preference, PreferenceState, ReportFile
from shared.persistence.commit_lookup import is_refusal, refusal_of

_COLUMNS: Final = ", ".join(field.name for field in fields(Preference))
_TURN: Final = "SELECT pg_advisory_xact_lock(file_order_turn(%(source)s))"
# Of breaks about which file holds, by source in one order: whoever asks for a file takes no more than one turn.
_SHARE_TURNS: Final = """
SELECT pg_advisory_xact_lock_shared(file_order_turn(source))
  FROM (SELECT DISTINCT f.source FROM breaks AS b JOIN report_files AS f ON f.file_id = split_part(b.subject, ':', 2)
         WHERE b.break_id = ANY(%(break_ids)s) AND b.type = 'file_order_unknown' ORDER BY f.source) AS sources
"""
_WAITING: Final = f"SELECT {_COLUMNS} FROM asked_preferences WHERE source = %(source)s AND state = 'WAITING'"
_ASK: Final = f"""
INSERT INTO asked_preferences (source, file_id, after_file_id, asked_by, reason, asked_at, state)
SELECT source, %(file_id)s, file_id, %(by)s, %(reason)s, %(now)s, 'WAITING' FROM report_files
 WHERE source = %(source)s AND state = 'STAGED' ORDER BY staged_nth DESC LIMIT 1 RETURNING {_COLUMNS}
"""
# The source is held as by whoever stages a file of it: nothing of it is staged or told meanwhile.
_SOURCE: Final = """
SELECT s.source FROM sources AS s JOIN asked_preferences AS p ON p.source = s.source AND p.state = 'WAITING'
 WHERE p.next_try_at IS NULL OR p.next_try_at <= %(now)s ORDER BY p.nth LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED
"""
_END: Final = f"""
UPDATE asked_preferences SET state = %(state)s, ended_at = %(now)s, refused_code = %(code)s, refused = %(refused)s
 WHERE nth = %(nth)s AND state = 'WAITING' RETURNING {_COLUMNS}
"""
# Whoever works at it still, though its session seemed lost, writes its row last and finds it changed: it is counted
# once, and nothing holds that failed.
_TRIED: Final = f"""
UPDATE asked_preferences SET tries = tries + 1, next_try_at = %(next_try_at)s
 WHERE nth = %(nth)s AND state = 'WAITING' AND tries = %(tries)s RETURNING {_COLUMNS}
"""
_FAILED: Final = f"""
UPDATE asked_preferences
   SET tries = tries + 1, state = 'FAILED', ended_at = %(now)s, refused_code = %(code)s, refused = %(refused)s
 WHERE nth = %(nth)s AND state = 'WAITING' AND tries = %(tries)s RETURNING {_COLUMNS}
"""
_OF_FILE: Final = f"SELECT {_COLUMNS} FROM asked_preferences WHERE file_id = %(file_id)s ORDER BY nth"


def waits_for_file(alias: str) -> str:
    """The file that a person has hold instead and that does not hold yet, of a break about which file holds."""
    return f"""CASE WHEN {alias}.type = 'file_order_unknown' THEN (
       SELECT p.file_id FROM asked_preferences AS p JOIN report_files AS f USING (source)
        WHERE p.state = 'WAITING' AND f.file_id = split_part({alias}.subject, ':', 2)) END AS waits_for_file"""


def share_turns(connection: sa.Connection, break_ids: Sequence[str]) -> None:
    """Until this transaction ends nobody asks for a file of a source of which one of these breaks is."""
    connection.exec_driver_sql(_SHARE_TURNS, {"break_ids": list(break_ids)})


class StoredPreferences:
    """What one transaction asks for, or does."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def take_turn(self, source: str) -> None:
        """Until this transaction ends nobody else asks for a file of the source, or decides which one holds."""
        self._connection.exec_driver_sql(_TURN, {"source": source})

    def waiting(self, source: str) -> Preference | None:
        """What was asked for and is not done yet."""
        return self._one(_WAITING, {"source": source})

    def ask(self, file: ReportFile, asked_by: str, reason: str) -> Preference:
        """Keep it for the worker."""
        values = {
            "source": file.source,
            "file_id": file.file_id,
            "by": asked_by,
            "reason": reason,
            "now": self._now,
        }
        return _preference(self._connection.exec_driver_sql(_ASK, values).mappings().one())

    def next_waiting(self) -> Preference | None:
        """The first of a source that nobody works at; its source is this transaction's until it ends."""
        source = self._connection.exec_driver_sql(_SOURCE, {"now": self._now}).scalar_one_or_none()
        return None if source is None else self.waiting(source)

    def done(self, asked: Preference) -> Preference | None:
        """Close it as done."""
        return self._end(asked.nth, PreferenceState.DONE, None, None)

    def refused(self, nth: int, code: str, refused: str) -> Preference | None:
        """Close it as refused."""
        return self._end(nth, PreferenceState.REFUSED, code, refused)

    def tried(self, asked: Preference, next_try_at: datetime) -> Preference | None:
        """Count a try that failed; it is not done again before then. None where it changed meanwhile."""
        values = {"nth": asked.nth, "tries": asked.tries, "next_try_at": next_try_at}
        return self._one(_TRIED, values)

    def failed(self, asked: Preference, code: str, why: str) -> Preference | None:
        """Close it as failed with the last try; None where it changed meanwhile."""
        values = {"nth": asked.nth, "tries": asked.tries, "now": self._now, "code": code, "refused": why}
        return self._one(_FAILED, values)

    def _end(
        self, nth: int, state: PreferenceState, code: str | None, refused: str | None
    ) -> Preference | None:
        values = {"nth": nth, "state": state.value, "now": self._now, "code": code, "refused": refused}
        return self._one(_END, values)

    def _one(self, query: str, values: Mapping[str, Any]) -> Preference | None:
        rows = self._connection.exec_driver_sql(query, values).mappings()
        return next((_preference(row) for row in rows), None)


def named(error: Exception) -> str:
    """What stopped it, for a person: the database's own words, which name no value, or the kind of our fault."""
    if not isinstance(error, sa.exc.DBAPIError):
        return type(error).__name__
    if is_refusal(error):
        return refusal_of(error)
    said = error.orig.diag.message_primary if isinstance(error.orig, psycopg.Error) else None
    return said or type(error.orig).__name__


def preferences_of(connection: sa.Connection, file_id: str) -> list[Preference]:
    """What was asked for a file, the oldest first."""
    rows = connection.exec_driver_sql(_OF_FILE, {"file_id": file_id}).mappings()
    return [_preference(row) for row in rows]


def _preference(row: Mapping[Any, Any]) -> Preference:
    return Preference(**{**row, "state": PreferenceState(row["state"])})
