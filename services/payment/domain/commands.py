"""What a payment asks of ``processor``: frozen commands, one class per type of ``processor.commands``."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizePayment:
    """Hold the money, or with ``capture`` hold and take it."""

    operation_id: str
    processor: str
    account: str
    amount_minor: int
    currency: str
    payment_method: str
    capture: bool
    merchant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """Take held money; ``final`` gives the rest of the hold back."""

    operation_id: str
    processor: str
    account: str
    authorization_id: str
    amount_minor: int
    currency: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment:
    """Give the hold back."""

    operation_id: str
    processor: str
    account: str
    authorization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment:
    """Give captured money back."""

    operation_id: str
    refund_id: str
    processor: str
    account: str
    capture_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDisputeEvidence:
    """Hand evidence in to a dispute: the processor's tokens of uploaded files, by kind."""

    operation_id: str
    dispute_id: str
    processor: str
    account: str
    dispute_object_id: str
    documents: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptDispute:
    """Give the disputed money up."""

    operation_id: str
    dispute_id: str
    processor: str
    account: str
    dispute_object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawOperation:
    """Do not send it any more; ``processor`` answers with ``AttemptClosed``."""

    operation_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDecided:
    """Other evidence decided it: stop its ladder."""

    operation_id: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpOperation:
    """Ask the processor what became of it."""

    operation_id: str
    reason: str


ProcessorCommand = (
    AuthorizePayment
    | CapturePayment
    | CancelPayment
    | RefundPayment
    | SubmitDisputeEvidence
    | AcceptDispute
    | WithdrawOperation
    | OperationDecided
    | LookUpOperation
)
