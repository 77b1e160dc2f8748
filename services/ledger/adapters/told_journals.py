"""Journals that were told before this database was filled: under which ids, and what was said of them.

Books that are rebuilt book the same facts again. Whoever heard of a journal knows it by its id and by its place in its
stream, so it keeps both: it has the id that was told, and its event is the one that was taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from schemas.generated import JournalPostedV1
from shared.persistence.arrays import integer_array, optional_text_array, text_array, time_array

FactKey = tuple[str, str]

DIFFERENCES_NAMED_MAX: Final = 20

_ANY: Final = "SELECT EXISTS (SELECT FROM told_journals)"
# Once its month is closed here, nothing more takes effect in it, whatever was told.
_TOLD: Final = """
SELECT t.rule, t.fact_key, t.journal_id, t.told_effective_at,
       CASE WHEN NOT EXISTS (SELECT FROM closed_periods c WHERE c.ends_at > t.effective_at) THEN t.effective_at END
  FROM told_journals t
  JOIN unnest(%(rules)s::text[], %(fact_keys)s::text[]) AS wanted(rule, fact_key) USING (rule, fact_key)
"""
_KEEP: Final = """
INSERT INTO told_journals (rule, fact_key, journal_id, payment_id, currency, amount_minor, told_effective_at,
                           effective_at)
SELECT * FROM unnest(%(rules)s::text[], %(fact_keys)s::text[], %(journal_ids)s::text[], %(payment_ids)s::text[],
                     %(currencies)s::text[], %(amounts)s::bigint[], %(times)s::timestamptz[],
                     %(effective)s::timestamptz[])
"""
# Of what was taken over before migration 0020 only the time that was told is known.
_DIFFERENT: Final = """
SELECT t.journal_id, count(*) OVER (), min(coalesce(t.effective_at, t.told_effective_at)) OVER () FROM told_journals t
  LEFT JOIN journals j ON j.rule = t.rule AND j.fact_key = t.fact_key
  LEFT JOIN late_journals l ON l.journal_position = j.position
 WHERE (j.journal_id, j.payment_id, j.currency, j.amount_minor, coalesce(l.told_effective_at, j.effective_at),
        j.effective_at)
       IS DISTINCT FROM (t.journal_id, t.payment_id, t.currency, t.amount_minor, t.told_effective_at,
                         coalesce(t.effective_at, j.effective_at))
 ORDER BY t.journal_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Differences:
    """How many journals were told and are not in the books as they were told, the first of them, and since when.

    Of what was told to take effect before ``since``, everything is in the books; None where all of it is.
    """

    count: int
    journal_ids: tuple[str, ...]
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToldJournal:
    """Under which id a fact was told and when it took effect; None where nothing takes effect then any more."""

    journal_id: str
    told_effective_at: datetime
    effective_at: datetime | None


def told_of(connection: sa.Connection, facts: Collection[FactKey]) -> Mapping[FactKey, ToldJournal]:
    """What was told of these (rule, fact key), of those that were; asked for each batch of journals, in its turn.

    Most books were never rebuilt, and then only that is asked.
    """
    if not connection.exec_driver_sql(_ANY).scalar_one():
        return {}
    values = {
        "rules": text_array([rule for rule, _ in facts]),
        "fact_keys": text_array([fact_key for _, fact_key in facts]),
    }
    rows = connection.exec_driver_sql(_TOLD, values)
    return {(rule, fact_key): ToldJournal(*told) for rule, fact_key, *told in rows}


def keep_told(connection: sa.Connection, told: Sequence[JournalPostedV1]) -> None:
    """Remember these, each once; by the tables' owner."""
    if not told:
        return
    values = {
        "rules": text_array([each.rule for each in told]),
        "fact_keys": text_array([each.fact_key for each in told]),
        "journal_ids": text_array([each.journal_id for each in told]),
        "payment_ids": optional_text_array([each.payment_id for each in told]),
        "currencies": text_array([each.currency for each in told]),
        "amounts": integer_array([each.amount_minor for each in told]),
        "times": time_array([each.told_effective_at or each.effective_at for each in told]),
        "effective": time_array([each.effective_at for each in told]),
    }
    connection.exec_driver_sql(_KEEP, values)


def differences(connection: sa.Connection) -> Differences:
    """Hold the books against everything that was told of them."""
    rows = connection.exec_driver_sql(_DIFFERENT, {"limit": DIFFERENCES_NAMED_MAX}).all()
    return Differences(
        count=int(rows[0][1]) if rows else 0,
        journal_ids=tuple(str(row[0]) for row in rows),
        since=rows[0][2] if rows else None,
    )
