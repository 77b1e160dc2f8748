"""What `payment` asked for: one operation at one processor, and the check of what came back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from services.processor.domain.fact import Fact

KINDS: Final = ("authorize", "capture", "cancel", "refund", "dispute_evidence", "dispute_accept")
ANSWERS: Final = frozenset({"dispute_evidence", "dispute_accept"})
"""Answers to a dispute: like a cancel they make no object and move no money; the dispute was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation as asked. Its id is the processor's idempotency key and our reference there."""

    operation_id: str
    payment_id: str
    kind: str
    processor: str
    account: str
    amount_minor: int | None = None
    currency: str | None = None
    payment_method: str | None = None
    merchant_id: str | None = None
    sale: bool = False
    authorization_id: str | None = None
    capture_id: str | None = None
    refund_id: str | None = None
    final: bool = False
    dispute_object_id: str | None = None
    documents: Mapping[str, str] | None = None

    @property
    def idempotency_key(self) -> str:
        """The key that the processor sees: stable over retries, never the merchant's own key."""
        return self.operation_id

    def digest(self) -> str:
        """Return a digest of everything asked, to tell a repeated command from a changed one."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def exposure_minor(self) -> int:
        """The money that is in doubt while this operation is: none for a cancel."""
        return self.amount_minor or 0


def echo_mismatch(operation: Operation, facts: tuple[Fact, ...]) -> tuple[str, ...]:
    """Return which of amount, currency and reference the processor echoed differently than asked.

    Ids count as references: ours, our payment's, and the parent that we named. The object of a cancel, or of an
    answer to a dispute, was there before: its amount and reference are not ours, so only its id is compared.
    """
    wrong: set[str] = set()
    parent = {"capture": operation.authorization_id, "refund": operation.capture_id}.get(operation.kind)
    for fact in facts:
        if operation.kind == "cancel":
            if fact.object_type == "authorization" and fact.object_id != operation.authorization_id:
                wrong.add("reference")
            continue
        if operation.kind in ANSWERS:
            if fact.object_type == "dispute" and fact.object_id != operation.dispute_object_id:
                wrong.add("reference")
            continue
        if fact.amount_minor != operation.amount_minor:
            wrong.add("amount")
        if fact.currency != operation.currency:
            wrong.add("currency")
        if fact.reference != operation.operation_id or fact.payment_id not in (None, operation.payment_id):
            wrong.add("reference")
        if parent is not None and fact.parent_id != parent:
            wrong.add("reference")
    return tuple(sorted(wrong))
