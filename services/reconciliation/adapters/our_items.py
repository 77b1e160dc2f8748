"""Our side: items, facts that the ledger has to book, and journals that it booked; a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.app.our_side import JournalFact, ToldFact
from services.reconciliation.domain.calendars import Calendar, DueTimes
from services.reconciliation.domain.given_up import GivenUp
from services.reconciliation.domain.our_items import (
    OurItem,
    RefundObject,
    Standing,
    refund_object_of,
    stronger,
)
from shared.persistence.arrays import binary_time_array, integer_array, optional_text_array
from shared.persistence.statements import execute

_DUE: Final = ("expected_by", "lost_by")
ITEM: Final = (*OurItem._fields, *_DUE)
_INTEGERS: Final = frozenset({"rank", "amount_minor"})
_TIMES: Final = frozenset({"occurred_at", *_DUE, "told_at", "effective_at"})


def _type_of(column: str) -> str:
    """What a column is sent as; every other is text."""
    return "bigint" if column in _INTEGERS else "timestamptz" if column in _TIMES else "text"


def _rows(columns: Sequence[str]) -> str:
    """Rows from an array for each column: half of the price of JSON, which would be read twice."""
    arrays = ", ".join(f"%({column})s::{_type_of(column)}[]" for column in columns)
    return f"unnest({arrays}) AS r({', '.join(columns)})"


def _keep(table: str, columns: Sequence[str], key: str) -> str:
    """What is said once and stays; told again it changes nothing."""
    return f"""
INSERT INTO {table} ({", ".join(columns)})
SELECT * FROM {_rows(columns)} ORDER BY {key} ON CONFLICT DO NOTHING
"""


_CHANGED: Final = ", ".join(f"{column} = excluded.{column}" for column in ITEM[1:])
# The stronger word holds, as the domain says: the higher rank, then the smaller event. In order, so that two who write
# the same items wait for each other rather than both for ever.
_TAKE_IN: Final = f"""
INSERT INTO our_items AS known ({", ".join(ITEM)})
SELECT * FROM {_rows(ITEM)} ORDER BY item_key
ON CONFLICT (item_key) DO UPDATE SET {_CHANGED}
 WHERE (-excluded.rank, excluded.event_id) < (-known.rank, known.event_id)
"""
_OBJECT: Final = ("business_id", "processor", "account", "object_id")
_GIVEN_UP: Final = ("name", "category", "payment_id")
_KEEP_OBJECTS: Final = _keep("refund_objects", _OBJECT, "business_id")
_KEEP_GIVEN_UP: Final = _keep("given_up", _GIVEN_UP, "name, category")
_KEEP_FACTS: Final = _keep("told_facts", ToldFact._fields, "event_id")
_KEEP_JOURNALS: Final = _keep("journal_facts", JournalFact._fields, "journal_id")
# A failure is about the object of what failed: whichever of the two was told last completes it.
_COMPLETE: Final = """
UPDATE our_items AS failure
   SET standing = 'expected', processor = undone.processor, account = undone.account, object_id = undone.object_id
  FROM (SELECT DISTINCT ON (business_id) * FROM refund_objects
         WHERE business_id = ANY(%(business_ids)s) ORDER BY business_id, processor, account, object_id) AS undone
 WHERE failure.standing = 'waiting' AND failure.business_id = undone.business_id
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
        items, self._items = self._items, {}
        objects, self._objects = sorted(self._objects), set()
        given_up, self._given_up = sorted(self._given_up), set()
        facts, self._facts = self._facts, []
        journals, self._journals = self._journals, []
        if items:
            self._write_items(list(items.values()))
            self._complete(
                objects, {item.business_id for item in items.values() if item.standing is Standing.WAITING}
            )
        if given_up:
            self._write(
                _KEEP_GIVEN_UP, _GIVEN_UP, [(each.name, each.category, each.payment_id) for each in given_up]
            )
        if facts:
            self._write(_KEEP_FACTS, ToldFact._fields, facts)
        if journals:
            self._write(_KEEP_JOURNALS, JournalFact._fields, journals)

    def _write_items(self, items: Sequence[OurItem]) -> None:
        calendars = self._calendars()
        due: dict[str | None, DueTimes] = {}
        moments = []
        for item in items:
            times = due.get(item.processor)
            if times is None:
                calendar = calendars.get(item.processor or "", _DEFAULT)
                times = due[item.processor] = DueTimes(calendar)
            moments.append(times.of(item.occurred_at))
        values = _columns(OurItem._fields, items) | _columns(_DUE, moments)
        execute(self._connection, _TAKE_IN, values)

    def _complete(self, objects: Sequence[RefundObject], waiting: set[str | None]) -> None:
        if objects:
            self._write(_KEEP_OBJECTS, _OBJECT, objects)
        if business_ids := sorted(
            {name for name in waiting if name is not None} | {each[0] for each in objects}
        ):
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

    def _write(self, statement: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        execute(self._connection, statement, _columns(columns, rows))


def _columns(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, str | bytes]:
    """The array of each column, as it is sent."""
    return {
        name: _ARRAY_OF[_type_of(name)](values)
        for name, values in zip(columns, zip(*rows, strict=True), strict=True)
    }


_ARRAY_OF: Final[Mapping[str, Any]] = {
    "text": optional_text_array, "bigint": integer_array, "timestamptz": binary_time_array,
}  # fmt: skip
