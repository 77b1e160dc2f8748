"""The columns that Stripe's itemized payout reports can be asked for, as its documentation lists them."""

from __future__ import annotations

import re
from typing import Final

_FAMILIES: Final = re.compile(
    r"(?:payment|refund|transfer|customer|subscription|invoice|charge)_metadata\[.{1,100}\]"
    r"|(?:card|customer|customer_shipping|shipping|billing)_address_(?:city|country|line1|line2|postal_code|state)"
    r"|card_(?:brand|country|funding)"
    r"|connected_account(?:_id|_name|_country|_direct_charge_id)?"
    r"|customer_(?:id|email|name|description|facing_amount|facing_currency)"
    r"|invoice_(?:id|number)"
    r"|(?:automatic_payout_effective_at|available_on|charge_created|created|effective_at|payout_expected_arrival_date)(?:_utc)?"
)
_NAMES: Final = frozenset(
    {
        "automatic_payout_id",
        "balance_transaction_id",
        "charge_id",
        "currency",
        "description",
        "destination_payment_id",
        "dispute_reason",
        "fee",
        "gross",
        "is_link",
        "net",
        "order_id",
        "payment_intent_id",
        "payment_method_type",
        "payout_description",
        "payout_destination_id",
        "payout_id",
        "payout_reversed_at",
        "payout_reversed_at_utc",
        "payout_status",
        "payout_type",
        "regulatory_tag",
        "reporting_category",
        "source_id",
        "statement_descriptor",
        "subscription_id",
        "trace_id",
        "trace_id_status",
        "transfer_group",
    }
)


def known_column(name: str) -> bool:
    """Whether a report can have that column: another one means another report, or a source that has to declare it."""
    return name in _NAMES or _FAMILIES.fullmatch(name) is not None
