"""Owns the reading of payouts, lines and entries for reports: a page at a time, in an order that never changes."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from services.sandbox.adapters import settlement_rows as rows
from services.sandbox.adapters.connections import Connections
from services.sandbox.app.settlement_ports import Span
from services.sandbox.domain.balance_transactions import BalanceTransaction
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.payouts import Payout

LINE_COLUMNS: Final = ", ".join(f"t.{name}" for name in rows.TRANSACTION_COLUMNS.split(", "))
ENTRY_COLUMNS: Final = ", ".join(f"e.{name}" for name in rows.ENTRY_COLUMNS.split(", "))
PARTS: Final = """(
    SELECT jsonb_agg(jsonb_build_object('processor', b.processor, 'payout_id', b.payout_id, 'trace', b.trace,
                                        'amount_minor', b.amount_minor) ORDER BY b.trace COLLATE "C")
    FROM bank_entry_parts b WHERE b.entry_id = e.id)"""

PAYOUTS: Final = f"""
SELECT {rows.PAYOUT_COLUMNS} FROM payouts
WHERE processor = %(processor)s AND made_on BETWEEN %(first)s AND %(last)s AND batch_number > %(after)s
ORDER BY batch_number LIMIT %(limit)s
"""
LINES: Final = f"""
SELECT {LINE_COLUMNS} FROM payout_lines l
JOIN balance_transactions t ON t.processor = l.processor AND t.id = l.transaction_id
WHERE l.processor = %(processor)s AND l.payout_id = %(payout_id)s
  AND l.transaction_id COLLATE "C" > %(after)s
ORDER BY l.transaction_id COLLATE "C" LIMIT %(limit)s
"""
ENTRY_DAYS: Final = """
SELECT DISTINCT booked_on FROM bank_entries
WHERE currency = %(currency)s AND booked_on BETWEEN %(first)s AND %(last)s ORDER BY booked_on
"""
BALANCE_BEFORE: Final = """
SELECT coalesce(sum(amount_minor), 0)::bigint FROM bank_entries WHERE currency = %(currency)s AND booked_on < %(day)s
"""
ENTRIES: Final = f"""
SELECT {ENTRY_COLUMNS}, {PARTS} FROM bank_entries e
WHERE e.currency = %(currency)s AND e.booked_on = %(day)s AND e.id COLLATE "C" > %(after)s
ORDER BY e.id COLLATE "C" LIMIT %(limit)s
"""


class ReportBooks:
    """What reports read."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def payouts(self, processor: str, span: Span, *, after_batch: int, limit: int) -> Sequence[Payout]:
        """Payouts made on the days of the span, in the order of their numbers."""
        found = await self._connections.fetch(
            PAYOUTS,
            {
                "processor": processor,
                "first": span.first,
                "last": span.last,
                "after": after_batch,
                "limit": limit,
            },
        )
        return [rows.to_payout(row) for row in found]

    async def lines(
        self, processor: str, payout_id: str, *, after: str, limit: int
    ) -> Sequence[BalanceTransaction]:
        """A payout's lines in the order of their ids."""
        found = await self._connections.fetch(
            LINES, {"processor": processor, "payout_id": payout_id, "after": after, "limit": limit}
        )
        return [rows.to_transaction(row) for row in found]

    async def entry_days(self, currency: str, span: Span) -> Sequence[date]:
        """The days of the span on which the bank booked anything."""
        asked = {"currency": currency, "first": span.first, "last": span.last}
        return [row[0] for row in await self._connections.fetch(ENTRY_DAYS, asked)]

    async def balance_before(self, currency: str, day: date) -> int:
        """What stands on the bank account before the first entry of that day."""
        ((balance_minor,),) = await self._connections.fetch(
            BALANCE_BEFORE, {"currency": currency, "day": day}
        )
        return int(balance_minor)

    async def entries(self, currency: str, day: date, *, after: str, limit: int) -> Sequence[BankEntry]:
        """A day's entries in the order of their ids, each with its parts."""
        found = await self._connections.fetch(
            ENTRIES, {"currency": currency, "day": day, "after": after, "limit": limit}
        )
        return [rows.to_entry(row) for row in found]
