"""Owns the mapping of disputes, reversals and money rows to their rows: what only they have is one JSON column."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.sandbox.domain.objects import Dispute, MoneyRow, Reversal, Status


def claim_columns(item: Dispute | Reversal | MoneyRow) -> dict[str, Any]:
    """Return the columns that such an object has beside those of every object."""
    own: dict[str, Any] = {"capture_reference": item.capture_reference}
    if isinstance(item, MoneyRow):
        own |= {"capture": item.capture_id, "kind": item.subject_kind, "fee_minor": item.fee_minor}
        return {"parent_id": item.subject_id, "claim": own}
    if isinstance(item, Reversal):
        own["given_back_minor"] = item.given_back_minor
    else:
        own |= {
            "answers": item.answers,
            "reason": item.reason,
            "evidence_due_by": item.evidence_due_by,
            "documents": item.documents,
            "withdrawn_minor": item.withdrawn_minor,
            "reinstated_minor": item.reinstated_minor,
            "verdict": item.verdict,
        }
    return {"parent_id": item.capture_id, "claim": own}


def to_claim(
    kind: str, parent_id: str, claim: Mapping[str, Any], common: Mapping[str, Any]
) -> Dispute | Reversal | MoneyRow:
    """Return the object of its columns."""
    own = dict(claim)
    reference = common["reference"]
    shared = {name: value for name, value in common.items() if name != "reference"}
    shared["capture_reference"] = own.pop("capture_reference")
    if kind == "money_row":
        return MoneyRow(
            subject_id=parent_id,
            capture_id=own.pop("capture"),
            subject_kind=own.pop("kind"),
            **own,
            **shared,
        )
    if kind == "reversal":
        return Reversal(capture_id=parent_id, **own, **shared)
    due_by, verdict = own.pop("evidence_due_by"), own.pop("verdict")
    return Dispute(
        capture_id=parent_id,
        reference=reference,
        answers=tuple(own.pop("answers")),
        evidence_due_by=datetime.fromisoformat(due_by) if due_by else None,
        verdict=Status(verdict) if verdict else None,
        **own,
        **shared,
    )
