"""What a payment announces: frozen facts in the past tense, one class per type of ``payment.events``."""

from dataclasses import dataclass
from datetime import datetime

from services.payment.domain.dispute_events import (
    DisputeClosed,
    DisputeOpened,
    DisputeReinstated,
    DisputeResponseRequested,
    DisputeWithdrawn,
    DisputeWriteOffReversed,
    DisputeWrittenOff,
    ReversalGivenBack,
    ReversalReceived,
)
from services.payment.domain.settlement_events import CaptureSettled, CaptureUnsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCreated:
    amount_minor: int
    currency: str
    capture_method: str
    mode: str
    customer: str | None
    payment_method: str | None
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequested:
    """``payment_version`` is the row version that this request gives the payment."""

    operation_id: str
    operation_type: str
    amount_minor: int | None
    currency: str
    payment_version: int
    payment_method: str | None
    customer: str | None
    decide_by_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskHoldChanged:
    """``hold`` is what the payment shows from now on."""

    operation_id: str
    hold: str | None
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodDeclined:
    operation_id: str
    decline_code: str | None
    attempts_left: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    operation_id: str | None
    reason: str
    decline_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAuthorized:
    """``amount_minor`` is what this fact added to the hold: the sum of all is the hold."""

    operation_id: str | None
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    capture_before: datetime | None
    implied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCaptured:
    operation_id: str | None
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    fee_minor: int
    amount_captured_minor: int
    capture_number: int
    implied: bool
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCanceled:
    operation_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased:
    amount_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequested:
    refund_id: str
    operation_id: str
    amount_minor: int
    currency: str
    fee_returned_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSucceeded:
    refund_id: str
    operation_id: str
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed:
    refund_id: str
    operation_id: str
    amount_minor: int
    currency: str
    outcome: str
    was_succeeded: bool
    decline_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAdopted:
    refund_id: str
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationUncertain:
    operation_id: str
    operation_type: str
    direction: str
    amount_minor: int
    currency: str
    processor: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResolved:
    operation_id: str
    operation_type: str
    direction: str
    outcome: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayFound:
    stray_id: str
    operation_id: str | None
    kind: str
    processor: str
    account: str
    object_type: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    mismatch: bool
    #: The stray that it stands in the place of, of which a reply had lied.
    corrects: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundStrayFound:
    """Money that the processor gave back otherwise than we asked; it stands in suspense until somebody decides."""

    stray_id: str
    operation_id: str | None
    refund_id: str | None
    processor: str
    account: str
    object_id: str
    fact_key: str
    amount_minor: int
    currency: str
    corrects: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundStrayFailed:
    stray_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayReturnRequested:
    stray_id: str
    operation_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayReturnAnswered:
    """What is made of a return that reconciliation proposed: asked for as this operation, or refused with a code."""

    break_id: str
    proposal_event_id: str
    outcome: str
    operation_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayReturnSucceeded:
    stray_id: str
    operation_id: str
    amount_minor: int
    currency: str
    processor: str
    account: str
    object_id: str
    fact_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayReturnFailed:
    stray_id: str
    operation_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayAccepted:
    """An operator took the stray for the merchant's; how it counts from then on follows as its own event."""

    stray_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened:
    case_id: str
    reason: str
    operation_id: str | None
    exposure_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed:
    """``resolution``: evidence, a decision of what it was about, or an operator by hand, who decided nothing."""

    case_id: str
    reason: str
    operation_id: str | None
    resolution: str
    exposure_minor: int
    currency: str


PaymentEvent = (
    PaymentCreated
    | OperationRequested
    | RiskHoldChanged
    | PaymentMethodDeclined
    | PaymentFailed
    | PaymentAuthorized
    | PaymentCaptured
    | CaptureSettled
    | CaptureUnsettled
    | PaymentCanceled
    | HoldReleased
    | RefundRequested
    | RefundSucceeded
    | RefundFailed
    | RefundAdopted
    | OperationUncertain
    | OperationResolved
    | StrayFound
    | RefundStrayFound
    | RefundStrayFailed
    | StrayReturnRequested
    | StrayReturnAnswered
    | StrayReturnSucceeded
    | StrayReturnFailed
    | DisputeOpened
    | DisputeClosed
    | DisputeWithdrawn
    | DisputeReinstated
    | DisputeWrittenOff
    | DisputeWriteOffReversed
    | DisputeResponseRequested
    | ReversalReceived
    | ReversalGivenBack
    | StrayAccepted
    | CaseOpened
    | CaseClosed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDeadLettered:
    """No evidence will decide the operation any more; goes to the dead letters of ``processor.events``."""

    operation_id: str
    operation_type: str
    processor: str
    account: str
    case_id: str
    reason: str
    exposure_minor: int
    currency: str
    dead_at: datetime
