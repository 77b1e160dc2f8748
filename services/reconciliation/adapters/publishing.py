"""What reconciliation tells, as the contract's events: the only mapping to the schemas."""

from __future__ import annotations

from typing import Any, Final

from schemas.generated import SettlementLineAcceptedV1, SettlementLineAmendedV1
from services.reconciliation.domain.announcing import UntoldLine

TOPIC: Final = "reconciliation.events"


def line_told(line: UntoldLine) -> SettlementLineAcceptedV1 | SettlementLineAmendedV1:
    """A line as it stands: accepted with its first revision, amended with every further one."""
    said: dict[str, Any] = {
        "source": line.source,
        "line_id": line.line_id,
        "revision": line.revision,
        "processor": line.processor,
        "account": line.account,
        "payout_id": line.payout_id,
        "category": line.category,
        "payment_id": line.payment_id,
        "merchant_id": line.merchant_id,
        "object_id": line.object_id,
        "currency": line.currency,
        "gross_minor": line.gross_minor,
        "fee_currency": line.fee_currency,
        "fee_minor": line.fee_minor,
        "net_currency": line.net_currency,
        "net_minor": line.net_minor,
        "exchange_rate": line.exchange_rate,
        "fee_in_net_currency_minor": line.fee_in_net_currency_minor,
        "available_on": line.available_on,
        "effective_at": line.occurred_at,
    }
    if line.is_amendment:
        return SettlementLineAmendedV1(**said, amended_revision=line.amended_revision)
    return SettlementLineAcceptedV1(**said)
