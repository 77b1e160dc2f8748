"""Close a case: somebody looked, and says why nothing is left to do."""

from dataclasses import dataclass

from services.payment.app.ports import OperatorUnit
from services.payment.domain.cases import OF_REVIEW
from services.payment.domain.changes import Moment
from services.payment.domain.operations import OperationState
from services.payment.domain.status import Source
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase:
    """Which case, by whom, and why."""

    case_id: str
    reason: str
    actor: Actor


def close_case(command: CloseCase, uow: OperatorUnit) -> str:
    """Close it and return its payment. It decides nothing: the case of an operation in review closes with it alone."""
    if not command.reason.strip():
        raise Rejected("reason_missing", "say why it is closed", status=422, param="reason")
    holder = uow.payments.holder(command.case_id)
    payment = uow.payments.locked(holder) if holder is not None else None
    case = payment.cases.kept.get(command.case_id) if payment is not None else None
    if payment is None or case is None or not case.open:
        raise Rejected("case_not_found", "there is no such open case", status=404, stored=False)
    operation = payment.operations.get(case.operation_id or "")
    if case.reason in OF_REVIEW and operation is not None and operation.state is OperationState.IN_REVIEW:
        raise Rejected(
            "case_needs_decision",
            f"operation {operation.operation_id} is in review: decide it, and its case closes with it",
            extra={"operation": operation.operation_id},
        )
    moment = Moment(now=uow.now, cause_id=case.case_id, ids=uow.ids, source=Source.OPERATOR)
    payment.answer_cases([case], moment, why=command.reason, by=command.actor.name)
    uow.acted(command.actor, "close_case", command.case_id, command.reason)
    return payment.payment_id
