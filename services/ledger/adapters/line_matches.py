"""Where lines count by their matches and amendments, written set-based at flush; none is ever changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from services.ledger.app.ports import Rekeying
from shared.kernel.errors import Poison
from shared.persistence.arrays import integer_array, text_array

_KEEP: Final = """
INSERT INTO line_matches (line_key, revision, number, clearing_key, payment_id, cause_event_id, told_at)
SELECT * FROM unnest(%(line_keys)s::text[], %(revisions)s::int[], %(numbers)s::int[], %(clearing_keys)s::text[],
                     %(payment_ids)s::text[], %(cause_event_ids)s::text[], %(told_at)s::timestamptz[])
    ON CONFLICT (line_key, revision, number) DO NOTHING
"""
_KEPT: Final = """
SELECT line_key, revision, number, clearing_key FROM line_matches
  JOIN unnest(%(line_keys)s::text[], %(revisions)s::int[], %(numbers)s::int[]) AS wanted(line_key, revision, number)
 USING (line_key, revision, number)
"""
Rank = tuple[str, int, int]


class StoredLineMatches:
    """What one transaction tells of."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._kept: dict[Rank, str] = {}
        self._told: list[Rekeying] = []

    def load(self, matches: Collection[Rank]) -> None:
        """Read which of these are known, so that one told otherwise is noticed."""
        keys = {
            "line_keys": text_array([line_key for line_key, _, _ in matches]),
            "revisions": integer_array([revision for _, revision, _ in matches]),
            "numbers": integer_array([number for _, _, number in matches]),
        }
        for *rank, clearing_key in self._connection.exec_driver_sql(_KEPT, keys):
            self._kept[tuple(rank)] = clearing_key

    def rekey(self, rekeying: Rekeying) -> None:
        """Told twice it is one; told otherwise it is a contradiction that people must see."""
        kept = self._kept.setdefault(rekeying.rank, rekeying.clearing_key)
        if kept != rekeying.clearing_key:
            raise Poison(
                f"match {rekeying.number} of revision {rekeying.revision} of {rekeying.line_key} was told already,"
                " of another object",
                code="matched_otherwise",
            )
        self._told.append(rekeying)

    def flush(self) -> None:
        """Write them."""
        told, self._told = self._told, []
        if not told:
            return
        values = {
            "line_keys": text_array([match.line_key for match in told]),
            "revisions": integer_array([match.revision for match in told]),
            "numbers": integer_array([match.number for match in told]),
            "clearing_keys": text_array([match.clearing_key for match in told]),
            "payment_ids": [match.payment_id for match in told],
            "cause_event_ids": text_array([match.cause_event_id for match in told]),
            "told_at": [match.told_at for match in told],
        }
        self._connection.exec_driver_sql(_KEEP, values)
