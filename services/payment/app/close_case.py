"""Close a case: somebody looked, and says why nothing is left to do."""

from dataclasses import dataclass

from services.payment.app.ports import Actor, OperatorUnit
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase:
    """Which case, by whom, and why."""

    case_id: str
    reason: str
    actor: Actor


def close_case(command: CloseCase, uow: OperatorUnit) -> str:
    """Close it and return its payment. It opens no door: what blocked duplicates goes on blocking them."""
    if not command.reason.strip():
        raise Rejected("reason_missing", "say why it is closed", status=422, param="reason")
    payment_id = uow.cases.close(command.case_id, command.actor.subject, command.reason, uow.now)
    if payment_id is None:
        raise Rejected("case_not_found", "there is no such open case", status=404, stored=False)
    uow.acted(command.actor, "close_case", command.case_id, command.reason)
    return payment_id
