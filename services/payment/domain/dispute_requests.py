"""What a merchant may answer to a dispute, and when: evidence while it can still be weighed, or acceptance."""

from collections.abc import Mapping

from services.payment.domain.changes import Moment
from services.payment.domain.commands import AcceptDispute, SubmitDisputeEvidence
from services.payment.domain.dispute_events import DisputeResponseRequested
from services.payment.domain.disputes import OPEN, Dispute, DisputeStatus
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from shared.kernel.errors import Rejected

#: Evidence may answer an inquiry too; only a dispute can be accepted.
_ANSWERABLE = {
    OperationType.DISPUTE_EVIDENCE: OPEN | {DisputeStatus.INQUIRY},
    OperationType.DISPUTE_ACCEPT: OPEN,
}
#: A processor shows all evidence of a dispute in each of its events: without end they could be read by nobody.
EVIDENCE_TIMES_MAX = 10
_NEVER_TAKEN = {OperationState.DECLINED, OperationState.ABANDONED}


def submit_evidence(
    payment: Payment, dispute: Dispute, documents: Mapping[str, str], moment: Moment
) -> Operation:
    """Hand in the processor's tokens of files uploaded there, by what kind of evidence each is."""
    operation = _answer(payment, dispute, OperationType.DISPUTE_EVIDENCE, moment)
    payment.ask(
        SubmitDisputeEvidence(
            operation_id=operation.operation_id,
            dispute_id=dispute.dispute_id,
            processor=operation.processor,
            account=operation.account,
            dispute_object_id=dispute.object_id,
            documents=dict(sorted(documents.items())),
        ),
        moment,
    )
    return operation


def accept_dispute(payment: Payment, dispute: Dispute, moment: Moment) -> Operation:
    """Give the disputed money up; what that takes follows from the processor's facts."""
    operation = _answer(payment, dispute, OperationType.DISPUTE_ACCEPT, moment)
    payment.ask(
        AcceptDispute(
            operation_id=operation.operation_id,
            dispute_id=dispute.dispute_id,
            processor=operation.processor,
            account=operation.account,
            dispute_object_id=dispute.object_id,
        ),
        moment,
    )
    return operation


def _answer(payment: Payment, dispute: Dispute, kind: OperationType, moment: Moment) -> Operation:
    undecided = next(
        (o for o in payment.operations.values() if o.dispute_id == dispute.dispute_id and o.undecided), None
    )
    if undecided is not None:
        raise Rejected(
            "operation_in_doubt",
            f"operation {undecided.operation_id} is not decided yet",
            stored=False,
            extra={"operation": undecided.operation_id},
        )
    if dispute.implied:
        # Doubt, not a refusal: its own word is on the way (webhook or feed), and the same key may ask again.
        raise Rejected(
            "dispute_in_doubt",
            "only money that it took is known of this dispute yet; ask again with the same key",
            stored=False,
            extra={"dispute": dispute.dispute_id},
        )
    if dispute.status not in _ANSWERABLE[kind]:
        raise Rejected(
            "dispute_wrong_status",
            f"a dispute that is {dispute.status.value} takes no {kind.value.removeprefix('dispute_')}",
            extra={"dispute": dispute.dispute_id, "dispute_status": dispute.status.value},
        )
    if kind is OperationType.DISPUTE_EVIDENCE:
        _check_evidence_room(payment, dispute)
    operation = Operation(
        operation_id=moment.ids.new("op_"),
        number=payment.next_operation_number(),
        type=kind,
        state=OperationState.REQUESTED,
        amount_minor=0,
        # Where the dispute stands, which a late routing of the payment would not change.
        processor=dispute.processor,
        account=dispute.account,
        created_at=moment.now,
        since=moment.now,
        dispute_id=dispute.dispute_id,
    )
    payment.add_operation(operation, moment)
    payment.announce(
        DisputeResponseRequested(
            dispute_id=dispute.dispute_id,
            operation_id=operation.operation_id,
            response=kind.value.removeprefix("dispute_"),
        ),
        moment,
    )
    return operation


def _check_evidence_room(payment: Payment, dispute: Dispute) -> None:
    handed_in = [
        operation
        for operation in payment.operations.values()
        if operation.dispute_id == dispute.dispute_id
        and operation.type is OperationType.DISPUTE_EVIDENCE
        and operation.state not in _NEVER_TAKEN
    ]
    if len(handed_in) >= EVIDENCE_TIMES_MAX:
        raise Rejected(
            "dispute_evidence_full",
            f"evidence was handed in {len(handed_in)} times; a dispute takes it {EVIDENCE_TIMES_MAX} times",
            param="documents",
            extra={"dispute": dispute.dispute_id},
        )
