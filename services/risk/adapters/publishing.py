"""Decisions and operators' acts as the contract's events: the only mapping to the schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.generated import OperatorActedV1, RiskDecidedV1
from services.risk.app.ports import Decision, OperatorAct

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


def operator_acted(act: OperatorAct, now: datetime) -> OperatorActedV1:
    """What an operator did to the rules."""
    return OperatorActedV1(
        actor=act.actor,
        role=act.role,  # type: ignore[arg-type]  # the contract's own words, checked when written
        action=act.action,
        target=target_of(act.version),
        reason=act.reason,
        request_id=act.request_id,
        acted_at=now,
    )


def target_of(version: int) -> str:
    """How events name a rule set; also their key."""
    return f"rule_set:{version}"
