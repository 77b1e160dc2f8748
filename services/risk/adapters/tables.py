"""The risk service's tables as the repositories write them: names and columns, in one place."""

from __future__ import annotations

from typing import Final

ATTEMPT: Final = (
    "operation_id", "merchant_id", "customer_key", "payment_method", "operation_type", "amount_minor", "currency",
    "at",
)  # fmt: skip
DECISION: Final = (
    "decision_id", "operation_id", "payment_id", "merchant_id", "payment_version", "operation_type", "amount_minor",
    "currency", "rule_set_version", "decision", "reasons", "cause_event_id", "decided_at",
)  # fmt: skip
RULE_SET: Final = (
    "version", "state", "document", "based_on_version", "proposed_by", "proposed_at", "reason", "approved_by",
    "activated_at", "closed_by", "closed_at",
)  # fmt: skip
