"""Apply RiskDecided: what waits is sent, held for a person, or ended; what is late meets what was done meanwhile."""

from dataclasses import dataclass

from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.changes import Moment
from services.payment.domain.risking import decide
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRiskDecided:
    """What risk said of one operation, and of which version of its payment."""

    payment_id: str
    operation_id: str
    payment_version: int
    verdict: str
    cause_id: str


def apply_risk_decided(command: ApplyRiskDecided, uow: PaymentUnit) -> bool:
    """False where it changes nothing: told twice, about another version, or overtaken by a person."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.RISK, risk=uow.risk)
    return decide(payment, operation, command.verdict, command.payment_version, moment)
