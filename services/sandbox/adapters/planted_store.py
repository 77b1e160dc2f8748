"""Owns the rows of planted errors, and the lots that choose the lines and entries they are made from."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import orjson

from services.sandbox.adapters import settlement_rows as rows
from services.sandbox.adapters.connections import Connections
from services.sandbox.adapters.report_books import ENTRY_COLUMNS, LINE_COLUMNS, PARTS
from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.bank import BankEntry, Part
from services.sandbox.domain.payouts import Payout
from services.sandbox.domain.planted_errors import Addition, EntryShift, Error, Planted

_PAYOUT_COLUMNS: Final = ", ".join(f"p.{name}" for name in rows.PAYOUT_COLUMNS.split(", "))
_PAYOUT_WIDTH: Final = rows.PAYOUT_COLUMNS.count(",") + 1

# The bank has booked all that the payout makes it book.
_BOOKED: Final = """coalesce((
    SELECT max(b.booked_on) <= %(until)s FROM bank_entry_parts e JOIN bank_entries b ON b.id = e.entry_id
    WHERE e.processor = p.processor AND e.payout_id = p.id), false)"""

PLANTED: Final = "SELECT document FROM planted_errors WHERE seed = %(seed)s ORDER BY number"
ADD: Final = """
INSERT INTO planted_errors (seed, number, break_type, error, document)
SELECT %(seed)s, number, document->>'break_type', document->>'error', document
FROM jsonb_array_elements(%(documents)s::jsonb) WITH ORDINALITY AS planted (document, number)
WHERE NOT EXISTS (SELECT 1 FROM planted_errors WHERE seed = %(seed)s)
ON CONFLICT DO NOTHING
"""
PLANTABLE: Final = f"""
SELECT {_PAYOUT_COLUMNS}, {LINE_COLUMNS}
FROM balance_transactions t
JOIN payout_lines l ON l.processor = t.processor AND l.transaction_id = t.id
JOIN payouts p ON p.processor = l.processor AND p.id = l.payout_id
WHERE t.processor = %(processor)s AND t.kind = %(kind)s
  AND {_BOOKED}
  AND NOT EXISTS (SELECT 1 FROM balance_transactions o
                  WHERE o.processor = t.processor AND o.object_id = t.object_id AND o.id <> t.id)
ORDER BY md5(%(drawn_by)s || t.id), t.id COLLATE "C" LIMIT %(limit)s
"""
PAID_OUT: Final = f"""
SELECT {_PAYOUT_COLUMNS}, {LINE_COLUMNS}
FROM balance_transactions t
JOIN payout_lines l ON l.processor = t.processor AND l.transaction_id = t.id
JOIN payouts p ON p.processor = l.processor AND p.id = l.payout_id
WHERE t.processor = %(processor)s AND t.kind = 'charge'
  AND (%(payment)s::text IS NULL OR t.payment_id = %(payment)s::text)
ORDER BY md5(%(drawn_by)s || t.id), t.id COLLATE "C" LIMIT 1
"""
PLANTABLE_ENTRIES: Final = f"""
SELECT {ENTRY_COLUMNS}, {PARTS} FROM bank_entries e
WHERE e.booked_on <= %(until)s AND NOT EXISTS (
    SELECT 1 FROM bank_entry_parts q JOIN payouts p ON p.processor = q.processor AND p.id = q.payout_id
    WHERE q.entry_id = e.id AND p.fate <> 'arrives')
ORDER BY md5(%(drawn_by)s || e.id), e.id COLLATE "C" LIMIT %(limit)s
"""
ENTRY_BEFORE: Final = (
    "SELECT 1 FROM bank_entries WHERE currency = %(currency)s AND booked_on < %(day)s LIMIT 1"
)
ENTRIES_OF: Final = f"""
SELECT {ENTRY_COLUMNS}, {PARTS} FROM bank_entries e
WHERE e.id IN (SELECT entry_id FROM bank_entry_parts WHERE processor = %(processor)s AND payout_id = %(payout_id)s)
ORDER BY e.booked_on, e.id COLLATE "C"
"""
PAYOUT_AFTER: Final = f"""
SELECT {rows.PAYOUT_COLUMNS} FROM payouts p
WHERE processor = %(processor)s AND account = %(account)s AND currency = %(currency)s AND batch_number > %(number)s
  AND {_BOOKED}
ORDER BY batch_number LIMIT 1
"""


class PlantedStore:
    """The answer key, and what errors may be made from."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def planted(self, seed: str) -> Sequence[Planted]:
        """The errors of a seed, in the order they were planted in; none if nothing was."""
        return [to_planted(row[0]) for row in await self._connections.fetch(PLANTED, {"seed": seed})]

    async def add_planted(self, seed: str, planted: Sequence[Planted]) -> None:
        """Write a seed's errors whole; nothing, if somebody has planted by it."""
        await self._connections.fetch(ADD, {"seed": seed, "documents": orjson.dumps(list(planted)).decode()})

    async def plantable(
        self, processor: str, kind: Kind, until: date, drawn_by: str, limit: int
    ) -> Sequence[tuple[Payout, BalanceTransaction]]:
        """Lines of one currency whose payout the bank has booked whole by then, and nothing else is about, by lot."""
        asked = {"processor": processor, "kind": str(kind), "until": until, "drawn_by": drawn_by}
        found = await self._connections.fetch(PLANTABLE, asked | {"limit": limit})
        return [
            (rows.to_payout(row[:_PAYOUT_WIDTH]), rows.to_transaction(row[_PAYOUT_WIDTH:])) for row in found
        ]

    async def paid_out(
        self, processor: str, drawn_by: str, payment: str | None
    ) -> tuple[Payout, BalanceTransaction] | None:
        """One charge that was paid out, by lot, with its payout; of this payment if one is named."""
        asked = {"processor": processor, "drawn_by": drawn_by, "payment": payment}
        found = await self._connections.fetch(PAID_OUT, asked)
        if not found:
            return None
        row = found[0]
        return rows.to_payout(row[:_PAYOUT_WIDTH]), rows.to_transaction(row[_PAYOUT_WIDTH:])

    async def plantable_entries(self, until: date, drawn_by: str, limit: int) -> Sequence[BankEntry]:
        """Entries by then of payouts that came as they were to come, by lot."""
        asked = {"until": until, "drawn_by": drawn_by, "limit": limit}
        found = await self._connections.fetch(PLANTABLE_ENTRIES, asked)
        return [rows.to_entry(row) for row in found]

    async def has_entries_before(self, currency: str, day: date) -> bool:
        """Whether the bank has booked anything on the account before that day."""
        return bool(await self._connections.fetch(ENTRY_BEFORE, {"currency": currency, "day": day}))

    async def entries_of(self, payout: Payout) -> Sequence[BankEntry]:
        """The entries that have a part of the payout, in order."""
        asked = {"processor": payout.processor, "payout_id": payout.id}
        return [rows.to_entry(row) for row in await self._connections.fetch(ENTRIES_OF, asked)]

    async def payout_after(self, payout: Payout, until: date) -> Payout | None:
        """The next payout of the same account and currency that the bank has booked whole by then."""
        asked = {
            "processor": payout.processor,
            "account": payout.account,
            "currency": payout.currency,
            "number": payout.batch_number,
            "until": until,
        }
        found = await self._connections.fetch(PAYOUT_AFTER, asked)
        return rows.to_payout(found[0]) if found else None


def to_planted(document: Mapping[str, Any]) -> Planted:
    """Return the error of its document."""
    own = dict(document)
    own["error"] = Error(own["error"])
    own["changed"] = _line(own["changed"]) if own["changed"] else None
    own["added"] = tuple(
        Addition(payout_id=each["payout_id"], line=_line(each["line"])) for each in own["added"]
    )
    own["entry_shifts"] = tuple(
        EntryShift(**each | {"booked_on": date.fromisoformat(each["booked_on"])})
        for each in own["entry_shifts"]
    )
    # What was planted by a former version has none of what came since.
    for name in ("unbooked", "invented", "unwritten"):
        own[name] = _entry(own[name]) if own.get(name) else None
    for name in ("unreadable", "said_before"):
        own[name] = _line(own[name]) if own.get(name) else None
    return Planted(**own)


def _line(document: Mapping[str, Any]) -> BalanceTransaction:
    return BalanceTransaction(
        **dict(document)
        | {
            "kind": Kind(document["kind"]),
            "occurred_at": datetime.fromisoformat(document["occurred_at"]),
            "available_on": date.fromisoformat(document["available_on"]),
        }
    )


def _entry(document: Mapping[str, Any]) -> BankEntry:
    return BankEntry(
        **dict(document)
        | {
            "booked_on": date.fromisoformat(document["booked_on"]),
            "value_on": date.fromisoformat(document["value_on"]),
            "parts": tuple(Part(**part) for part in document["parts"]),
        }
    )
