"""Owns the report in the columns of Adyen's settlement details: debit and credit apart, a batch for each payout.

``Psp Reference`` is the authorization, ``Modification Reference`` the capture, refund, dispute or reversal. The batch's
``MerchantPayout`` row takes out what its rows bring in, so each batch comes to zero.
"""

from collections.abc import Mapping
from typing import Final

from services.sandbox.app.report_formats.writers import csv_row, wall_clock
from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.payouts import Payout
from shared.kernel.money import major_units, signed_major_units

COLUMNS: Final = (
    "Company Account",
    "Merchant Account",
    "Psp Reference",
    "Merchant Reference",
    "Payment Method",
    "Creation Date",
    "TimeZone",
    "Type",
    "Modification Reference",
    "Gross Currency",
    "Gross Debit (GC)",
    "Gross Credit (GC)",
    "Exchange Rate",
    "Net Currency",
    "Net Debit (NC)",
    "Net Credit (NC)",
    "Commission (NC)",
    "Markup (NC)",
    "Scheme Fees (NC)",
    "Interchange (NC)",
    "Payment Method Variant",
    "Modification Merchant Reference",
    "Batch Number",
    "Reserved4",
    "Reserved5",
    "Reserved6",
    "Reserved7",
    "Reserved8",
    "Reserved9",
    "Reserved10",
)
TYPES: Final[Mapping[Kind, str]] = {
    Kind.CHARGE: "Settled",
    Kind.CHARGE_FAILURE: "SettledReversed",
    Kind.REFUND: "Refunded",
    Kind.REFUND_FAILURE: "RefundedReversed",
    Kind.DISPUTE: "Chargeback",
    Kind.DISPUTE_REVERSAL: "ChargebackReversed",
    Kind.REVERSAL: "SettledReversed",
    Kind.REVERSAL_RETURN: "SettledReversed",
    Kind.RESERVE_HELD: "DepositCorrection",
    Kind.RESERVE_RELEASED: "DepositCorrection",
}
"""What is taken back without a dispute, and given back, is one type: its side says which. A reserve is a deposit."""
COMPANY: Final = "TieoutSandbox"


class AdyenSettlementCsv:
    """The writer."""

    media_type = "text/csv; charset=utf-8"

    def head(self) -> bytes:
        return csv_row(COLUMNS)

    def line(self, payout: Payout, line: BalanceTransaction) -> bytes:
        return _row(
            payout,
            {
                "Psp Reference": line.authorization_id or "",
                "Merchant Reference": line.payment_id or "",
                "Payment Method": "visa" if line.charge_id else "",
                "Creation Date": wall_clock(line.occurred_at),
                "Type": TYPES[line.kind],
                "Modification Reference": line.object_id or line.id,
                "Gross Currency": line.currency,
                **_sides("Gross", "GC", line.gross_minor, line.currency),
                "Exchange Rate": line.exchange_rate or "1",
                **_sides("Net", "NC", line.net_minor, line.net_currency),
                "Commission (NC)": signed_major_units(line.fee_minor, line.net_currency)
                if line.fee_minor
                else "",
                "Modification Merchant Reference": line.reference or "",
            },
        )

    def total(self, payout: Payout, net_minor: int) -> bytes:
        return _row(
            payout,
            {
                "Creation Date": wall_clock(payout.made_at),
                "Type": "MerchantPayout",
                "Modification Reference": payout.trace,
                **_sides("Net", "NC", -net_minor, payout.currency),
            },
        )

    def end(self) -> bytes:
        return b""


def _sides(what: str, unit: str, amount_minor: int, currency: str) -> dict[str, str]:
    side = "Debit" if amount_minor < 0 else "Credit"
    return {f"{what} {side} ({unit})": major_units(abs(amount_minor), currency)}


def _row(payout: Payout, own: Mapping[str, str]) -> bytes:
    found = {
        "Company Account": COMPANY,
        "Merchant Account": payout.account,
        "TimeZone": "UTC",
        "Net Currency": payout.currency,
        "Batch Number": str(payout.batch_number),
        **own,
    }
    return csv_row(found.get(column, "") for column in COLUMNS)
