"""Answer a dispute: hand evidence in, or accept it."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.dispute_requests import accept_dispute, submit_evidence
from services.payment.domain.disputes import Dispute
from services.payment.domain.operations import Operation
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDispute:
    """A merchant's answer; without documents it accepts the dispute."""

    merchant_id: str
    mode: str
    payment_id: str
    dispute_id: str
    request_id: str
    documents: Mapping[str, str] | None = None


def answer_dispute(command: AnswerDispute, uow: PaymentUnit) -> tuple[Dispute, Operation]:
    """Ask the processor; at most one answer of a dispute is undecided at a time."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    dispute = payment.disputes.get(command.dispute_id)
    if dispute is None:
        raise Rejected("dispute_not_found", "there is no such dispute", status=404, stored=False)
    moment = merchants_moment(uow, command.request_id)
    if command.documents is None:
        return dispute, accept_dispute(payment, dispute, moment)
    return dispute, submit_evidence(payment, dispute, command.documents, moment)
