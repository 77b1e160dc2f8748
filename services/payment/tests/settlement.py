"""Lines of settlement reports for tests: what one says of a capture, and how it is read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.domain.payment import Payment
from services.payment.domain.settling import SettlementLine
from services.payment.tests.memory import START, MemoryUnit
from services.payment.tests.world import ACCOUNT, AMOUNT

AVAILABLE_ON = START + timedelta(days=2)


def line_of(payment: Payment | None, line_id: str = "1", **changes: Any) -> SettlementLine:
    """A line that covers the whole capture, unless said otherwise; of no payment it is unmatched."""
    said: dict[str, Any] = {
        "source": "alpha_payouts",
        "line_id": line_id,
        "revision": 1,
        "match_number": 0,
        "processor": "alpha",
        "account": ACCOUNT,
        "category": "charge",
        "payment_id": payment.payment_id if payment is not None else None,
        "object_id": "cap_1" if payment is not None else None,
        "gross_minor": AMOUNT,
        "currency": "EUR",
        "available_on": AVAILABLE_ON,
    }
    return SettlementLine(**(said | changes))


def again(line: SettlementLine, **changes: Any) -> SettlementLine:
    """The next revision of a line."""
    return replace(line, **({"revision": line.revision + 1, "match_number": 0} | changes))


def tell(uow: MemoryUnit, *lines: SettlementLine) -> list[Any]:
    """Apply each in a transaction of its own; what was announced."""
    before = len(uow.events)
    for line in lines:
        apply_settlement_line(line, f"evt_{line.line_id}_{line.revision}_{line.match_number}", uow)
        uow.commit()
    return [event for _, event in uow.events[before:]]
