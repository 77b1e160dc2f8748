"""Decisions and operators' acts as the contract's events: the only mapping to the schemas."""

from __future__ import annotations

from typing import Final

from schemas.generated import RiskDecidedV1
from services.risk.app.ports import Decision

TOPIC: Final = "risk.events"


def risk_decided(decision: Decision) -> RiskDecidedV1:
    """The decision, pinned to the payment's version and to the rules'."""
    attempt, judgement = decision.attempt, decision.judgement
    return RiskDecidedV1(
        payment_id=attempt.payment_id,
        merchant_id=attempt.merchant_id,
        decision_id=decision.decision_id,
        operation_id=attempt.operation_id,
        payment_version=attempt.payment_version,
        rule_set_version=judgement.rule_set_version,
        decision=judgement.verdict.value,
        reasons=judgement.reasons,
        decided_at=decision.decided_at,
    )
