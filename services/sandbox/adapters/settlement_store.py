"""Owns the rows of the processors' own money and of the bank: every call is one statement, whole or not at all."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import orjson
import psycopg

from services.sandbox.adapters import settlement_rows as rows
from services.sandbox.adapters.connections import Connections
from services.sandbox.adapters.tables import named
from services.sandbox.app.ports import OutdatedError
from services.sandbox.app.settlement_ports import Standing
from services.sandbox.domain.balance_transactions import KINDS, BalanceTransaction, BookedMoney
from services.sandbox.domain.bank import Transfer
from services.sandbox.domain.payouts import Available, Closing

UNDERIVED: Final = """
SELECT b.position, b.kind, b.account, b.currency,
       b.captured_minor - b.refunded_minor - b.withdrawn_minor - b.reversed_minor, b.fee_minor, b.booked_at,
       o.kind, o.id, o.parent_id, c.id, c.parent_id, b.payment_id, b.reference
FROM alpha_book b JOIN alpha_objects o ON o.id = b.object_id
JOIN alpha_objects c ON c.id = CASE o.kind
    WHEN 'money_row' THEN o.claim->>'capture' WHEN 'refund' THEN o.parent_id ELSE o.id END
WHERE b.position > %(after)s AND b.booked_at < %(before)s AND b.kind = ANY(%(kinds)s)
  AND b.captured_minor - b.refunded_minor - b.withdrawn_minor - b.reversed_minor <> 0
  AND NOT EXISTS (SELECT 1 FROM balance_transactions t
                  WHERE t.processor = %(processor)s AND t.book_position = b.position)
ORDER BY b.position LIMIT %(limit)s
"""

ADD_TRANSACTIONS: Final = f"""
INSERT INTO balance_transactions ({rows.TRANSACTION_COLUMNS})
SELECT {rows.TRANSACTION_COLUMNS} FROM jsonb_populate_recordset(NULL::balance_transactions, %(transactions)s::jsonb)
ON CONFLICT DO NOTHING
"""

DAYS_TO_CLOSE: Final = """
WITH begun AS (
    SELECT coalesce(
        (SELECT max(day) + 1 FROM settled_days WHERE processor = %(processor)s),
        (SELECT (booked_at AT TIME ZONE 'UTC')::date FROM alpha_book ORDER BY position LIMIT 1)) AS day
)
SELECT over::date FROM begun, generate_series(begun.day, %(until)s::date, interval '1 day') over
ORDER BY over LIMIT %(limit)s
"""

# What is paid out is chosen by the same words when it is decided and when it is written.
_UNPAID: Final = """
FROM balance_transactions t
WHERE t.processor = %(processor)s
  AND (%(until)s::date IS NULL OR t.available_on <= %(until)s::date)
  AND NOT EXISTS (SELECT 1 FROM payout_lines l WHERE l.processor = t.processor AND l.transaction_id = t.id)
"""

AVAILABLE: Final = f"""
SELECT t.account, t.net_currency, sum(t.net_minor)::bigint,
       coalesce(sum(t.net_minor) FILTER (WHERE t.kind = 'charge'), 0)::bigint
{_UNPAID} GROUP BY t.account, t.net_currency
"""
NEXT_BATCH: Final = "SELECT coalesce(max(batch_number), 0) + 1 FROM payouts WHERE processor = %(processor)s"
WAITING: Final = """
SELECT p.processor, p.id, p.currency, p.amount_minor, p.trace, p.arrives_on FROM payouts p
WHERE p.processor = %(processor)s AND p.fate = 'combined'
  AND NOT EXISTS (SELECT 1 FROM bank_entry_parts e WHERE e.processor = p.processor AND e.payout_id = p.id)
ORDER BY p.batch_number
"""

CLOSE: Final = f"""
WITH closed AS (
    INSERT INTO settled_days (processor, day)
    SELECT %(processor)s, %(day)s::date WHERE %(day)s::date IS NOT NULL
), paid AS (
    INSERT INTO payouts ({rows.PAYOUT_COLUMNS})
    SELECT {rows.PAYOUT_COLUMNS} FROM jsonb_populate_recordset(NULL::payouts, %(payouts)s::jsonb)
    RETURNING id, account, currency
), kept AS (
    INSERT INTO balance_transactions ({rows.TRANSACTION_COLUMNS})
    SELECT {rows.TRANSACTION_COLUMNS}
    FROM jsonb_populate_recordset(NULL::balance_transactions, %(reserves)s::jsonb)
), booked AS (
    INSERT INTO bank_entries ({rows.ENTRY_COLUMNS})
    SELECT {rows.ENTRY_COLUMNS} FROM jsonb_populate_recordset(NULL::bank_entries, %(entries)s::jsonb)
), divided AS (
    INSERT INTO bank_entry_parts ({rows.PART_COLUMNS})
    SELECT {rows.PART_COLUMNS} FROM jsonb_populate_recordset(NULL::bank_entry_parts, %(parts)s::jsonb)
), chosen AS (
    SELECT t.processor, t.id, t.account, t.net_currency {_UNPAID}
)
INSERT INTO payout_lines (processor, transaction_id, payout_id)
SELECT chosen.processor, chosen.id, paid.id
FROM chosen JOIN paid ON paid.account = chosen.account AND paid.currency = chosen.net_currency
UNION ALL
SELECT %(processor)s, held->>0, held->>1 FROM jsonb_array_elements(%(held)s::jsonb) held
"""


class SettlementStore:
    """Movements, payouts and the bank's entries, as they are made."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def underived(
        self, processor: str, *, after: int, before: datetime, limit: int
    ) -> list[BookedMoney]:
        """Rows of the book that moved money and have no movement yet, in the book's order."""
        found = await self._connections.fetch(
            named(UNDERIVED, processor),
            {
                "processor": processor,
                "after": after,
                "before": before,
                "kinds": [str(kind) for kind in KINDS],
                "limit": limit,
            },
        )
        return [rows.to_booked(row) for row in found]

    async def add_transactions(self, transactions: Sequence[BalanceTransaction]) -> None:
        """Write movements; those that stand already stay as they are."""
        await self._connections.fetch(
            ADD_TRANSACTIONS, {"transactions": _json([rows.transaction_row(each) for each in transactions])}
        )

    async def days_to_close(self, processor: str, until: date, limit: int) -> list[date]:
        """The days that are over and not closed, from the first day of the book on, in order."""
        found = await self._connections.fetch(
            named(DAYS_TO_CLOSE, processor), {"processor": processor, "until": until, "limit": limit}
        )
        return [row[0] for row in found]

    async def standing(self, processor: str, available_until: date | None) -> Standing:
        """What may be paid out: what is available by then, or everything; ``close`` finds what changes meanwhile."""
        asked: dict[str, Any] = {"processor": processor, "until": available_until}
        available = await self._connections.fetch(AVAILABLE, asked)
        waiting = await self._connections.fetch(WAITING, asked)
        (number,) = await self._connections.fetch(NEXT_BATCH, asked)
        return Standing(
            next_batch_number=number[0],
            available=[
                Available(account=row[0], currency=row[1], net_minor=row[2], charges_minor=row[3])
                for row in available
            ],
            waiting=[
                Transfer(
                    processor=row[0],
                    payout_id=row[1],
                    currency=row[2],
                    amount_minor=row[3],
                    trace=row[4],
                    due_on=row[5],
                )
                for row in waiting
            ],
        )

    async def close(
        self, processor: str, closing: Closing, *, available_until: date | None, day: date | None
    ) -> bool:
        """Write it whole, or raise ``OutdatedError``; false, and nothing, if the day was closed before."""
        held = [reserve.held for reserve in closing.reserves]
        released = [reserve.released for reserve in closing.reserves]
        parameters = {
            "processor": processor,
            "until": available_until,
            "day": day,
            "payouts": _json([rows.payout_row(payout) for payout in closing.payouts]),
            "reserves": _json([rows.transaction_row(each) for each in (*held, *released)]),
            "held": _json([[reserve.held.id, reserve.payout_id] for reserve in closing.reserves]),
            "entries": _json([rows.entry_row(entry) for entry in closing.entries]),
            "parts": _json([part for entry in closing.entries for part in rows.part_rows(entry)]),
        }
        try:
            await self._connections.fetch(CLOSE, parameters)
        except (psycopg.errors.UniqueViolation, psycopg.errors.CheckViolation) as error:
            if error.diag.constraint_name == DAY_CONSTRAINT:
                return False
            if error.diag.constraint_name in EXPECTED:
                raise OutdatedError from error
            raise
        return True


DAY_CONSTRAINT: Final = "settled_days_pkey"
EXPECTED: Final = frozenset(
    {
        "payouts_pkey",
        "payouts_processor_batch_number_key",
        "payouts_trace_key",
        "payout_lines_pkey",
        "bank_entry_parts_pkey",
        "bank_entries_pkey",
        "balance_transactions_pkey",
        "payouts_sum_up",
    }
)
"""What is violated where somebody else paid out, or money came, between the deciding and the writing."""


def _json(found: list[Any]) -> str:
    return orjson.dumps(found).decode()
