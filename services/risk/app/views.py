"""What operators are shown: rule sets and decisions, field for field as the API documents them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from services.risk.app.ports import StoredRuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetLife:
    """What became of a rule set, without its rules: those may be longer than a reply that is kept."""

    version: int
    state: str
    based_on_version: int
    proposed_by: str
    proposed_at: datetime
    reason: str
    approved_by: str | None
    activated_at: datetime | None
    closed_by: str | None
    closed_at: datetime | None

    @classmethod
    def of(cls, stored: StoredRuleSet) -> Self:
        return cls(**cls._fields(stored))

    @classmethod
    def _fields(cls, stored: StoredRuleSet) -> dict[str, Any]:
        return {
            "version": stored.version,
            "state": stored.state.value,
            "based_on_version": stored.based_on_version,
            "proposed_by": stored.proposed_by,
            "proposed_at": stored.proposed_at,
            "reason": stored.reason,
            "approved_by": stored.approved_by,
            "activated_at": stored.activated_at,
            "closed_by": stored.closed_by,
            "closed_at": stored.closed_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetView(RuleSetLife):
    """A rule set."""

    rules: Mapping[str, Any]

    @classmethod
    def _fields(cls, stored: StoredRuleSet) -> dict[str, Any]:
        return RuleSetLife._fields(stored) | {"rules": stored.document}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision."""

    decision_id: str
    payment_id: str
    operation_id: str
    operation_type: str
    payment_version: int
    rule_set_version: int
    decision: str
    reasons: Sequence[str]
    amount_minor: int
    currency: str
    decided_at: datetime
