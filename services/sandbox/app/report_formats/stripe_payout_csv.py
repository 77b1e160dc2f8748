"""Owns the report in the columns of Stripe's ``payout_reconciliation.itemized.5``: major units, by payout.

``gross``, ``fee`` and ``net`` are in the payout's currency; what the customer was charged stands beside them where it
differs. ``payment_metadata`` carries the caller's reference and payment.
"""

from collections.abc import Mapping
from typing import Final

from services.sandbox.app.report_formats.writers import csv_row, midnight, wall_clock
from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.payouts import Payout
from shared.kernel.money import signed_major_units

COLUMNS: Final = (
    "automatic_payout_id",
    "automatic_payout_effective_at_utc",
    "balance_transaction_id",
    "created_utc",
    "available_on_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "description",
    "customer_facing_amount",
    "customer_facing_currency",
    "regulatory_tag",
    "customer_id",
    "charge_id",
    "payment_intent_id",
    "charge_created_utc",
    "invoice_id",
    "subscription_id",
    "payment_method_type",
    "card_brand",
    "card_funding",
    "card_country",
    "statement_descriptor",
    "dispute_reason",
    "connected_account_id",
    "destination_payment_id",
    "payment_metadata[operation_id]",
    "payment_metadata[payment_id]",
    "trace_id",
    "trace_id_status",
)
CATEGORIES: Final[Mapping[Kind, str]] = {
    Kind.CHARGE: "charge",
    Kind.CHARGE_FAILURE: "charge_failure",
    Kind.REFUND: "refund",
    Kind.REFUND_FAILURE: "refund_failure",
    Kind.DISPUTE: "dispute",
    Kind.DISPUTE_REVERSAL: "dispute_reversal",
    Kind.REVERSAL: "charge_failure",
    Kind.REVERSAL_RETURN: "charge_failure",
    Kind.RESERVE_HELD: "risk_reserved_funds",
    Kind.RESERVE_RELEASED: "risk_reserved_funds",
}


class StripePayoutCsv:
    """The writer."""

    media_type = "text/csv; charset=utf-8"

    def head(self) -> bytes:
        return csv_row(COLUMNS)

    def line(self, payout: Payout, line: BalanceTransaction) -> bytes:
        exchanged = line.exchange_rate is not None
        return _row(
            payout,
            {
                "balance_transaction_id": line.id,
                "created_utc": wall_clock(line.occurred_at),
                "available_on_utc": midnight(line.available_on),
                "gross": signed_major_units(line.converted_minor, payout.currency),
                "fee": signed_major_units(line.fee_minor, payout.currency),
                "net": signed_major_units(line.net_minor, payout.currency),
                "reporting_category": CATEGORIES[line.kind],
                "source_id": line.object_id or "",
                "description": str(line.kind),
                "customer_facing_amount": signed_major_units(line.gross_minor, line.currency)
                if exchanged
                else "",
                "customer_facing_currency": line.currency.lower() if exchanged else "",
                "charge_id": line.charge_id or "",
                "payment_intent_id": line.authorization_id or "",
                "payment_method_type": "card" if line.charge_id else "",
                "payment_metadata[operation_id]": line.reference or "",
                "payment_metadata[payment_id]": line.payment_id or "",
            },
        )

    def total(self, payout: Payout, net_minor: int) -> bytes:
        return _row(
            payout,
            {
                "balance_transaction_id": f"txn_{payout.id}",
                "created_utc": wall_clock(payout.made_at),
                "available_on_utc": midnight(payout.arrives_on),
                "gross": signed_major_units(-net_minor, payout.currency),
                "fee": signed_major_units(0, payout.currency),
                "net": signed_major_units(-net_minor, payout.currency),
                "reporting_category": "payout",
                "source_id": payout.id,
                "description": "payout",
            },
        )

    def end(self) -> bytes:
        return b""


def _row(payout: Payout, own: Mapping[str, str]) -> bytes:
    found = {
        "automatic_payout_id": payout.id,
        "automatic_payout_effective_at_utc": midnight(payout.arrives_on),
        "currency": payout.currency.lower(),
        "trace_id": payout.trace,
        "trace_id_status": "supported",
        **own,
    }
    return csv_row(found.get(column, "") for column in COLUMNS)
