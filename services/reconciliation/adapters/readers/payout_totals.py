"""What the lines of each payout come to, against the payout's own row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.reconciliation.domain.lines import ControlTotal, LineCategory, SettlementLine


@dataclass(slots=True)
class PayoutTotals:
    """Sums by payout and currency; a payout that the file names no total of is not checked here."""

    kind: str = "payout"
    _lines: dict[tuple[str, str], int] = field(default_factory=dict)
    _paid: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, line: SettlementLine) -> None:
        """Count a line; a line of no payout waits for one."""
        if line.payout_id is None:
            return
        sums = self._paid if line.category is LineCategory.PAYOUT else self._lines
        key = (line.payout_id, line.net_currency)
        sums[key] = sums.get(key, 0) + line.net_minor

    def control_totals(self) -> Iterator[ControlTotal]:
        """One for each payout that has a row of its own: what left the balance against what its lines brought in."""
        paid = {payout_id for payout_id, _ in self._paid}
        checked = self._paid.keys() | {key for key in self._lines if key[0] in paid}
        for payout_id, currency in sorted(checked):
            yield ControlTotal(
                name=f"{self.kind} {payout_id} sums to zero",
                subject=payout_id,
                currency=currency,
                stated_minor=-self._paid.get((payout_id, currency), 0),
                counted_minor=self._lines.get((payout_id, currency), 0),
            )
