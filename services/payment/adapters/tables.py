"""The payment service's tables as the repositories write them: names and columns, in one place."""

from __future__ import annotations

from typing import Final

AMOUNTS: Final = (
    "authorized_minor", "capturable_minor", "captured_minor", "refunded_minor", "refunded_adopted_minor",
    "refund_reserved_minor", "disputed_open_minor", "reversed_minor", "settled_minor", "stray_minor",
)  # fmt: skip
PRICE: Final = ("percent_ppm", "fixed_minor", "refund_policy", "dispute_fee_minor")
PAYMENT_PLAIN: Final = (
    "payment_id", "merchant_id", "mode", "status", "currency", "amount_minor", "capture_method", "processor",
    "account", "created_at", "updated_at", "max_attempts", "payment_method", "customer", "reference",
    "description", "metadata", "hold", "abandoned", "attempts_used", "fee_total_minor", "fee_returned_minor",
    "captures_counted", "authorization_id", "authorization_released", "released_reason", "release_announced",
    "capture_before", "last_error_code", "last_error_message", "last_decline_code", "version",
)  # fmt: skip
OPERATION: Final = (
    "operation_id", "number", "type", "state", "state_path", "amount_minor", "processor", "account",
    "created_at", "since", "doubtful_since", "capture", "final", "fee_fixed_minor", "payment_method", "refund_id",
    "stray_id", "object_id", "uncertain_announced", "resolved_announced", "withdrawal_asked", "next_check_at",
    "looked_up_at", "error_code", "decline_code", "message", "dispute_id", "risk", "risk_by", "risk_version",
    "risk_deadline_at", "risk_proposed_by", "risk_approved_by",
)  # fmt: skip
REFUND: Final = (
    "refund_id", "amount_minor", "currency", "state", "created_at", "updated_at", "operation_id", "capture_id",
    "adopted", "reason", "metadata", "fee_returned_minor", "decline_code", "double_return_risk",
)  # fmt: skip
OBJECT: Final = (
    "processor", "account", "object_id", "object_type", "status", "version", "occurred_at", "amount_minor",
    "currency", "fact_key", "digest", "role", "operation_id", "refund_id", "stray_id", "parent_id",
    "counted_minor", "implied", "settled", "times_settled", "settled_available_on",
)  # fmt: skip
STRAY: Final = (
    "stray_id", "kind", "processor", "account", "object_type", "object_id", "fact_key", "operation_id",
    "amount_minor", "currency", "mismatch", "found_at", "returned_minor", "reserved_minor", "released",
    "taken_back_minor", "accepted", "corrects",
)  # fmt: skip
DISPUTE: Final = (
    "dispute_id", "processor", "account", "object_id", "capture_id", "status", "amount_minor", "currency",
    "created_at", "updated_at", "stray_id", "reason", "evidence_due_by", "withdrawn_minor", "reinstated_minor",
    "written_off_minor", "fee_minor", "announced", "implied",
)  # fmt: skip
REVERSAL: Final = (
    "reversal_id", "processor", "account", "object_id", "capture_id", "currency", "cause", "created_at",
    "updated_at", "stray_id", "taken_minor", "given_back_minor",
)  # fmt: skip
CASE: Final = (
    "case_id", "reason", "subject", "operation_id", "exposure_minor", "currency", "opened_at", "changed_at", "told",
    "follows_case_id", "closed_at", "closed_by", "closed_reason", "closed_evidence_id", "closed_decision_id",
    "lowest_minor",
)  # fmt: skip
CASE_STEP: Final = (
    "case_id", "step", "exposure_minor", "currency", "words", "done_by", "evidence_id", "cause_id", "at",
)  # fmt: skip
HISTORY: Final = (
    "subject", "subject_id", "from_state", "to_state", "implied", "evidence_id", "cause_id", "at",
)  # fmt: skip
EVIDENCE: Final = (
    "evidence_id", "payment_id", "processor", "account", "object_type", "object_id", "fact_key", "source", "rank",
    "verdict", "digest", "fact", "cause_id", "occurred_at", "received_at",
)  # fmt: skip
WAITING: Final = (
    "waiting_id", "fact", "source", "evidence_id", "cause_id", "payment_id", "refs", "received_at",
    "next_check_at", "deadline_at", "checks",
)  # fmt: skip

LINE: Final = (
    "source", "line_id", "revision", "match_number", "processor", "account", "category", "payment_id", "object_id",
    "gross_minor", "currency", "available_on",
)  # fmt: skip

#: table -> (key columns, all columns); children carry their payment's id.
CHILDREN: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "operations": (("operation_id",), (*OPERATION, "payment_id")),
    "refunds": (("refund_id",), (*REFUND, "payment_id")),
    "processor_objects": (("processor", "account", "object_id"), (*OBJECT, "payment_id")),
    "strays": (("stray_id",), (*STRAY, "payment_id")),
    "disputes": (("dispute_id",), (*DISPUTE, "payment_id")),
    "reversals": (("reversal_id",), (*REVERSAL, "payment_id")),
    "cases": (("case_id",), (*CASE, "payment_id")),
}
PAYMENT: Final = (*PAYMENT_PLAIN, *AMOUNTS, *PRICE, "status_path", "case_keys")
#: table -> columns of rows that are only ever added.
APPENDED: Final[dict[str, tuple[str, ...]]] = {
    "case_history": (*CASE_STEP, "payment_id"),
    "status_history": (*HISTORY, "payment_id"),
}
