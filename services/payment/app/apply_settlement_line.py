"""Apply a line of a settlement report, read first, amended or matched: the newest reading of it stands."""

from services.payment.app.ports import PaymentUnit
from services.payment.domain.changes import Moment
from services.payment.domain.settling import SettlementLine, settle
from services.payment.domain.status import Source
from shared.kernel.errors import Poison


def apply_settlement_line(line: SettlementLine, cause_id: str, uow: PaymentUnit) -> None:
    """Let it stand, and have the payment that it is about, and the one that it was about, follow their lines."""
    before = uow.settlement.get(line.key)
    if before is not None and before.rank >= line.rank:
        return
    uow.settlement.put(line)
    moment = Moment(now=uow.now, cause_id=cause_id, ids=uow.ids, source=Source.SETTLEMENT)
    concerned = {line.payment_id, before.payment_id if before is not None else None} - {None}
    for payment_id in sorted(name for name in concerned if name):
        payment = uow.payments.locked(payment_id)
        if payment is None:
            raise Poison(f"payment {payment_id} is not ours")
        settle(payment, uow.settlement.of_payment(payment_id), moment)
