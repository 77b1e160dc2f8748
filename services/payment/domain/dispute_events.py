"""What a payment announces of its disputes and reversals: frozen facts in the past tense."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened:
    dispute_id: str
    stage: str
    charged_to: str
    stray_id: str | None
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    fact_key: str
    amount_minor: int
    currency: str
    reason: str | None
    evidence_due_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeClosed:
    dispute_id: str
    outcome: str
    charged_to: str
    stray_id: str | None
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    fact_key: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeWithdrawn:
    dispute_id: str
    charged_to: str
    stray_id: str | None
    processor: str
    account: str
    object_id: str
    money_row_id: str
    fact_key: str
    amount_minor: int
    currency: str
    fee_minor: int
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReinstated:
    """``held_minor`` is the part that was still disputed; the rest comes back after it was written off."""

    dispute_id: str
    charged_to: str
    stray_id: str | None
    processor: str
    account: str
    object_id: str
    money_row_id: str
    fact_key: str
    amount_minor: int
    currency: str
    held_minor: int
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeWrittenOff:
    dispute_id: str
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeWriteOffReversed:
    dispute_id: str
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeResponseRequested:
    dispute_id: str
    operation_id: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalReceived:
    reversal_id: str
    charged_to: str
    stray_id: str | None
    cause: str
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    money_row_id: str | None
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalGivenBack:
    reversal_id: str
    charged_to: str
    stray_id: str | None
    processor: str
    account: str
    object_id: str
    capture_id: str | None
    money_row_id: str | None
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime
