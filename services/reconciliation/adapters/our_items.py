"""Our side: items, facts that the ledger has to book, and journals that it booked; a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.app.our_side import JournalFact, ToldFact
from services.reconciliation.domain.calendars import Calendar
from services.reconciliation.domain.given_up import GivenUp
from services.reconciliation.domain.our_items import (
    OurItem,
    RefundObject,
    Standing,
    refund_object_of,
    stronger,
)

ITEM: Final = (
    "item_key", "kind", "category", "standing", "rank", "event_id", "payment_id", "merchant_id", "operation_id",
    "business_id", "processor", "account", "object_id", "parent_object_id", "money_row_id", "amount_minor", "currency",
    "occurred_at", "expected_by", "lost_by",
)  # fmt: skip
_FACT: Final = ("event_id", "event_type", "payment_id", "amount_minor", "currency", "told_at")
_JOURNAL: Final = (
    "journal_id", "rule", "fact_key", "cause_event_id", "cause_event_type", "payment_id", "currency", "amount_minor",
    "reverses_journal_id", "effective_at", "told_at",
)  # fmt: skip
_OBJECT: Final = ("business_ids", "processors", "accounts", "object_ids")
_CHANGED: Final = ", ".join(f"{column} = excluded.{column}" for column in ITEM[1:])
_ROWS: Final = "jsonb_populate_recordset(NULL::{table}, %(rows)s::jsonb)"
# The stronger word holds, as the domain says: the higher rank, then the smaller event.
_TAKE_IN: Final = f"""
INSERT INTO our_items AS known ({", ".join(ITEM)})
SELECT {", ".join(ITEM)} FROM {_ROWS.format(table="our_items")} ORDER BY item_key
ON CONFLICT (item_key) DO UPDATE SET {_CHANGED}
 WHERE (-excluded.rank, excluded.event_id) < (-known.rank, known.event_id)
"""
_KEEP_OBJECTS: Final = """
INSERT INTO refund_objects (business_id, processor, account, object_id)
SELECT * FROM unnest(%(business_ids)s::text[], %(processors)s::text[], %(accounts)s::text[], %(object_ids)s::text[])
    ON CONFLICT DO NOTHING
"""
# A failure is about the object of what failed: whichever of the two was told last completes it.
_COMPLETE: Final = """
UPDATE our_items AS failure
   SET standing = 'expected', processor = undone.processor, account = undone.account, object_id = undone.object_id
  FROM (SELECT DISTINCT ON (business_id) * FROM refund_objects
         WHERE business_id = ANY(%(business_ids)s) ORDER BY business_id, processor, account, object_id) AS undone
 WHERE failure.standing = 'waiting' AND failure.business_id = undone.business_id
"""
_KEEP: Final = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows} ORDER BY {key} ON CONFLICT ({key}) DO NOTHING
"""
_GIVE_UP: Final = f"""
INSERT INTO given_up (name, category, payment_id)
SELECT name, category, payment_id FROM {_ROWS.format(table="given_up")} ORDER BY name, category ON CONFLICT DO NOTHING
"""
_CALENDARS: Final = (
    "SELECT processor, time_zone, settles_after_days, lost_after_days, holidays FROM processor_calendars"
)


#: For a processor that nobody declared a calendar of.
_DEFAULT: Final = Calendar()


class StoredOurSide:
    """What one transaction hears of our side."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._items: dict[str, OurItem] = {}
        self._objects: set[RefundObject] = set()
        self._given_up: set[GivenUp] = set()
        self._facts: list[ToldFact] = []
        self._journals: list[JournalFact] = []

    def hear(self, item: OurItem) -> None:
        """Keep it with this transaction."""
        known = self._items.get(item.item_key)
        self._items[item.item_key] = item if known is None else stronger(known, item)
        if (named := refund_object_of(item)) is not None:
            self._objects.add(named)

    def hear_given_up(self, given_up: GivenUp) -> None:
        """Remember that we expect no money under that name."""
        self._given_up.add(given_up)

    def hear_fact(self, fact: ToldFact) -> None:
        """Remember that the ledger has to book it."""
        self._facts.append(fact)

    def hear_journal(self, journal: JournalFact) -> None:
        """Remember that the ledger booked it."""
        self._journals.append(journal)

    def flush(self) -> None:
        """Write it all, set-based."""
        items, self._items = list(self._items.values()), {}
        objects, self._objects = sorted(self._objects), set()
        given_up, self._given_up = sorted(self._given_up), set()
        facts, self._facts = self._facts, []
        journals, self._journals = self._journals, []
        if items:
            self._write_items(items)
            waiting = {item.business_id for item in items if item.standing is Standing.WAITING}
            self._complete(objects, {business_id for business_id in waiting if business_id is not None})
        if given_up:
            rows = orjson.dumps([asdict(each) for each in given_up]).decode()
            self._connection.exec_driver_sql(_GIVE_UP, {"rows": rows})
        if facts:
            self._keep("told_facts", _FACT, facts)
        if journals:
            self._keep("journal_facts", _JOURNAL, journals)

    def _write_items(self, items: Sequence[OurItem]) -> None:
        calendars = self._calendars()
        rows = []
        for item in items:
            calendar = calendars.get(item.processor or "", _DEFAULT)
            times = {
                "expected_by": calendar.expected_by(item.occurred_at),
                "lost_by": calendar.lost_by(item.occurred_at),
            }
            rows.append(asdict(item) | times)
        self._connection.exec_driver_sql(_TAKE_IN, {"rows": orjson.dumps(rows).decode()})

    def _complete(self, objects: Sequence[RefundObject], waiting: set[str]) -> None:
        if objects:
            named = dict(zip(_OBJECT, map(list, zip(*objects, strict=True)), strict=True))
            self._connection.exec_driver_sql(_KEEP_OBJECTS, named)
        if business_ids := sorted({*waiting, *(name for name, _, _, _ in objects)}):
            self._connection.exec_driver_sql(_COMPLETE, {"business_ids": business_ids})

    def _calendars(self) -> dict[str, Calendar]:
        return {
            row["processor"]: Calendar(
                time_zone=row["time_zone"],
                settles_after_days=row["settles_after_days"],
                lost_after_days=row["lost_after_days"],
                holidays=frozenset(row["holidays"]),
            )
            for row in self._connection.exec_driver_sql(_CALENDARS).mappings()
        }

    def _keep(
        self, table: str, columns: Sequence[str], facts: Sequence[ToldFact] | Sequence[JournalFact]
    ) -> None:
        rows: list[dict[str, Any]] = [asdict(fact) for fact in facts]
        statement = _KEEP.format(
            table=table, columns=", ".join(columns), rows=_ROWS.format(table=table), key=columns[0]
        )
        self._connection.exec_driver_sql(statement, {"rows": orjson.dumps(rows).decode()})
