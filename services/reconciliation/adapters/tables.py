"""Reconciliation's tables as the repositories write them: names and columns, in one place."""

from __future__ import annotations

from typing import Final

SOURCE: Final = (
    "source", "kind", "format", "processor", "account", "bank_account", "options", "declared_by", "declared_at",
    "changed_at",
)  # fmt: skip
FILE: Final = (
    "file_id", "source", "sha256", "name", "byte_count", "state", "refused_code", "refused_field", "refused_expected",
    "received_at", "received_by", "closed_at", "period_from", "period_to", "line_count", "quarantined_count",
    "feed_sequence",
)  # fmt: skip
SETTLEMENT_LINE: Final = (
    "payout_id", "category", "type_text", "object_id", "parent_object_id", "our_reference", "currency", "gross_minor",
    "fee_currency", "fee_minor", "net_currency", "net_minor", "exchange_rate", "fee_in_net_currency_minor",
    "occurred_at", "available_on", "bank_reference",
)  # fmt: skip
"""What a settlement line says, beside which line it is."""
BANK_LINE: Final = (
    "statement_id", "account_number", "currency", "amount_minor", "booked_on", "value_on", '"references"', "text",
    "returned",
)  # fmt: skip
"""What a bank's line says, beside which line it is."""
