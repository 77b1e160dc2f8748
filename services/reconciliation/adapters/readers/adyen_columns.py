"""The columns of Adyen's settlement details report, as its documentation lists them, and what its types mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.reconciliation.domain.lines import LineCategory

REQUIRED: Final = frozenset(
    {
        "Merchant Account", "Psp Reference", "Creation Date", "TimeZone", "Type", "Modification Reference",
        "Gross Currency", "Gross Debit (GC)", "Gross Credit (GC)", "Exchange Rate", "Net Currency", "Net Debit (NC)",
        "Net Credit (NC)", "Batch Number",
    }
)  # fmt: skip
OPTIONAL: Final = frozenset(
    {
        "Company Account", "Merchant Reference", "Payment Method", "Commission (NC)", "Markup (NC)",
        "Scheme Fees (NC)", "Interchange (NC)", "Payment Method Variant", "Modification Merchant Reference",
        "Reserved4", "Reserved5", "Reserved6", "Reserved7", "Reserved8", "Reserved9", "Reserved10",
        "Advancement Code", "Booking Date", "Booking Date TimeZone", "DCC Markup (NC)", "Payment Fees (NC)",
        "Advanced (NC)", "Merchant Order Reference", "Booking Type", "Invoice Number", "Global Card Brand",
        "Acquirer", "Submerchant Identifier", "Additional Type", "Installments", "Issuer Country",
        "Shopper Country", "Store", "Unique Terminal ID", "Terminal ID", "Clearing Network", "Settlement Flow",
    }
)  # fmt: skip
COSTS: Final = ("Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)")
"""Blended pricing fills the first, interchange++ the others."""
COSTS_IN_ALL: Final = "Payment Fees (NC)"
"""Their total: it counts only where none of them is filled."""
CATEGORIES: Final[Mapping[str, LineCategory]] = {
    "Settled": LineCategory.CHARGE,
    "Refunded": LineCategory.REFUND,
    "RefundedReversed": LineCategory.REFUND_FAILURE,
    "Chargeback": LineCategory.DISPUTE,
    "SecondChargeback": LineCategory.DISPUTE,
    "ChargebackReversed": LineCategory.DISPUTE,
    "SettledReversed": LineCategory.REVERSAL,
    "DepositCorrection": LineCategory.RESERVE,
    "MerchantPayout": LineCategory.PAYOUT,
}
"""The type never says the direction: only the debit and credit columns do. Every other type is ``other``."""
