"""Owns the report in Tieout's own settlement columns: every currency, the rate and the fee stand for themselves."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from services.sandbox.app.report_formats.writers import csv_row
from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.payouts import Payout
from shared.kernel.money import signed_major_units

COLUMNS: Final = (
    "balance_transaction_id",
    "automatic_payout_id",
    "created_utc",
    "available_on_utc",
    "reporting_category",
    "source_id",
    "charge_id",
    "payment_intent_id",
    "our_reference",
    "currency",
    "gross",
    "fee_currency",
    "fee",
    "net_currency",
    "net",
    "exchange_rate",
    "trace_id",
    "description",
    "made_at_utc",
)
CATEGORIES: Final[Mapping[Kind, str]] = {
    Kind.CHARGE: "charge",
    Kind.CHARGE_FAILURE: "reversal",
    Kind.REFUND: "refund",
    Kind.REFUND_FAILURE: "refund_failure",
    Kind.DISPUTE: "dispute",
    Kind.DISPUTE_REVERSAL: "dispute",
    Kind.REVERSAL: "reversal",
    Kind.REVERSAL_RETURN: "reversal",
    Kind.RESERVE_HELD: "reserve",
    Kind.RESERVE_RELEASED: "reserve",
}


class TieoutCsv:
    """The writer."""

    media_type = "text/csv; charset=utf-8"

    def head(self) -> bytes:
        return csv_row(COLUMNS)

    def line(self, payout: Payout, line: BalanceTransaction) -> bytes:
        return csv_row(
            (
                line.id,
                payout.id,
                _instant(line.occurred_at),
                line.available_on.isoformat(),
                CATEGORIES[line.kind],
                line.object_id or "",
                line.charge_id or "",
                line.authorization_id or "",
                line.reference or "",
                line.currency,
                signed_major_units(line.gross_minor, line.currency),
                line.net_currency,
                signed_major_units(line.fee_minor, line.net_currency),
                line.net_currency,
                signed_major_units(line.net_minor, line.net_currency),
                line.exchange_rate or "",
                payout.trace,
                str(line.kind),
                _instant(line.occurred_at),
            )
        )

    def total(self, payout: Payout, net_minor: int) -> bytes:
        left = signed_major_units(-net_minor, payout.currency)
        return csv_row(
            (
                f"txn_{payout.id}",
                payout.id,
                _instant(payout.made_at),
                payout.arrives_on.isoformat(),
                "payout",
                payout.id,
                "",
                "",
                "",
                payout.currency,
                left,
                payout.currency,
                signed_major_units(0, payout.currency),
                payout.currency,
                left,
                "",
                payout.trace,
                "payout",
                _instant(payout.made_at),
            )
        )

    def end(self) -> bytes:
        return b""


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
