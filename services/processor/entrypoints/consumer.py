"""Which command goes to which use case, and how a batch is locked first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.processor.adapters.unit_of_work import AttemptUnitOfWork
from services.processor.app.accept_command import (
    look_up_operation,
    open_attempt,
    operation_decided,
    withdraw_operation,
)
from services.processor.app.ports import Policies
from services.processor.domain.operation import Operation
from shared.messaging.envelope import Event
from shared.messaging.routes import BatchLimits, Routes

TOPIC: Final = "processor.commands"
LIMITS: Final = BatchLimits(max_records=200, target_ms=200)
"""Commands are small inserts; the batch is short so that the first of it is sent soon."""


def routes(policies: Policies) -> Routes[AttemptUnitOfWork]:
    """Return the handlers of this service's only topic."""

    def opens(event: Event, uow: AttemptUnitOfWork) -> None:
        open_attempt(_operation_of(event), uow, policies=policies, cause_id=event.event_id)

    def withdraws(event: Event, uow: AttemptUnitOfWork) -> None:
        withdraw_operation(event.data.operation_id, uow, cause_id=event.event_id)

    def decides(event: Event, uow: AttemptUnitOfWork) -> None:
        operation_decided(event.data.operation_id, event.data.outcome, uow, cause_id=event.event_id)

    def looks_up(event: Event, uow: AttemptUnitOfWork) -> None:
        look_up_operation(event.data.operation_id, uow, policies=policies)

    return Routes(
        consumer="processor",
        handlers={
            (TOPIC, "AuthorizePayment", 1): opens,
            (TOPIC, "CapturePayment", 1): opens,
            (TOPIC, "CancelPayment", 1): opens,
            (TOPIC, "RefundPayment", 1): opens,
            (TOPIC, "SubmitDisputeEvidence", 1): opens,
            (TOPIC, "AcceptDispute", 1): opens,
            (TOPIC, "WithdrawOperation", 1): withdraws,
            (TOPIC, "OperationDecided", 1): decides,
            (TOPIC, "LookUpOperation", 1): looks_up,
        },
        prepare=_lock_batch,
        limits=LIMITS,
    )


def _lock_batch(events: Sequence[Event], uow: AttemptUnitOfWork) -> None:
    uow.attempts.lock(event.data.operation_id for event in events)


def _operation_of(event: Event) -> Operation:
    data: Any = event.data
    shared = {
        "operation_id": data.operation_id,
        "payment_id": data.payment_id,
        "processor": data.processor,
        "account": data.account,
    }
    match event.event_type:
        case "AuthorizePayment":
            return Operation(
                **shared, kind="authorize", amount_minor=data.amount_minor, currency=data.currency,
                payment_method=data.payment_method, merchant_id=data.merchant_id, sale=data.capture,
            )  # fmt: skip
        case "CapturePayment":
            return Operation(
                **shared, kind="capture", amount_minor=data.amount_minor, currency=data.currency,
                authorization_id=data.authorization_id, final=data.final,
            )  # fmt: skip
        case "CancelPayment":
            return Operation(**shared, kind="cancel", authorization_id=data.authorization_id)
        case "SubmitDisputeEvidence":
            return Operation(
                **shared, kind="dispute_evidence", dispute_object_id=data.dispute_object_id,
                documents=dict(data.documents),
            )  # fmt: skip
        case "AcceptDispute":
            return Operation(**shared, kind="dispute_accept", dispute_object_id=data.dispute_object_id)
        case _:
            return Operation(
                **shared, kind="refund", amount_minor=data.amount_minor, currency=data.currency,
                capture_id=data.capture_id, refund_id=data.refund_id,
            )  # fmt: skip
