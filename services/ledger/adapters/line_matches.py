"""Matches of lines, written set-based at flush; the newest of a line holds, and none is ever changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from services.ledger.app.ports import Rekeying
from shared.kernel.errors import Poison
from shared.persistence.arrays import integer_array, text_array

_KEEP: Final = """
INSERT INTO line_matches (line_key, number, clearing_key, payment_id, cause_event_id, matched_at)
SELECT * FROM unnest(%(line_keys)s::text[], %(numbers)s::int[], %(clearing_keys)s::text[], %(payment_ids)s::text[],
                     %(cause_event_ids)s::text[], %(matched_at)s::timestamptz[])
    ON CONFLICT (line_key, number) DO NOTHING
"""
_KEPT: Final = """
SELECT line_key, number, clearing_key FROM line_matches
  JOIN unnest(%(line_keys)s::text[], %(numbers)s::int[]) AS wanted(line_key, number) USING (line_key, number)
"""


class StoredLineMatches:
    """The matches that one transaction tells of."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._kept: dict[tuple[str, int], str] = {}
        self._told: list[Rekeying] = []

    def load(self, matches: Collection[tuple[str, int]]) -> None:
        """Read which of these are known, so that one told otherwise is noticed."""
        keys = {
            "line_keys": text_array([line_key for line_key, _ in matches]),
            "numbers": integer_array([number for _, number in matches]),
        }
        for line_key, number, clearing_key in self._connection.exec_driver_sql(_KEPT, keys):
            self._kept[line_key, number] = clearing_key

    def rekey(self, rekeying: Rekeying) -> None:
        """A match told twice is one; told otherwise it is a contradiction that people must see."""
        name = (rekeying.line_key, rekeying.number)
        kept = self._kept.setdefault(name, rekeying.clearing_key)
        if kept != rekeying.clearing_key:
            raise Poison(
                f"match {rekeying.number} of {rekeying.line_key} was told already, of another object"
            )
        self._told.append(rekeying)

    def flush(self) -> None:
        """Write them."""
        told, self._told = self._told, []
        if not told:
            return
        values = {
            "line_keys": text_array([match.line_key for match in told]),
            "numbers": integer_array([match.number for match in told]),
            "clearing_keys": text_array([match.clearing_key for match in told]),
            "payment_ids": text_array([match.payment_id for match in told]),
            "cause_event_ids": text_array([match.cause_event_id for match in told]),
            "matched_at": [match.matched_at for match in told],
        }
        self._connection.exec_driver_sql(_KEEP, values)
