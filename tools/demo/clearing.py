"""Holds the ledger's clearing accounts against what reconciliation has open: the same money, to the minor unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from tools.demo.office import Row

#: What we expect and no line says, less what lines say and we do not know: all that is not matched to zero.
_CLAIMS: Final = """
SELECT 'processor_receivable', processor || ':' || account, currency, sum(minor)::bigint FROM (
    SELECT processor, account, currency, amount_minor AS minor FROM matchable_items WHERE standing = 'expected'
    UNION ALL SELECT processor, account, currency, -gross_minor FROM matchable_lines) AS said
 GROUP BY processor, account, currency
"""
#: What was paid out and no line of the bank is for.
_PAID_OUT: Final = """
SELECT 'bank_clearing', processor || ':' || account, currency, sum(minor)::bigint FROM (
    SELECT processor, account, currency, lines_net_minor AS minor FROM payouts WHERE closed_at IS NOT NULL
    UNION ALL SELECT processor, account, currency, -amount_minor FROM payout_allocations) AS said
 GROUP BY processor, account, currency
"""
COMPARED: Final = frozenset({"processor_receivable", "bank_clearing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """One clearing account: what the ledger has not cleared, and what is open; minor units of the currency."""

    family: str
    owner: str
    currency: str
    ledger_minor: int
    open_minor: int

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.ledger_minor == self.open_minor


def cleared(reconciliation: str, keys: Sequence[Row]) -> list[Cleared]:
    """Every account that either side has something in, from reconciliation's database and the ledger's open keys."""
    booked: Counter[tuple[str, str, str]] = Counter()
    for key in keys:
        if key["family"] in COMPARED:
            booked[key["family"], key["owner"], key["currency"]] += key["balance_minor"]
    items: Mapping[tuple[str, str, str], int] = _open(reconciliation)
    return [
        Cleared(family=family, owner=owner, currency=currency,
                ledger_minor=booked[family, owner, currency], open_minor=items.get((family, owner, currency), 0))
        for family, owner, currency in sorted({*items, *booked})
    ]  # fmt: skip


def _open(reconciliation: str) -> dict[tuple[str, str, str], int]:
    with psycopg.connect(reconciliation, autocommit=True) as connection:
        rows = [row for query in (_CLAIMS, _PAID_OUT) for row in connection.execute(query)]
    return {(family, owner, currency): minor for family, owner, currency, minor in rows if minor}
