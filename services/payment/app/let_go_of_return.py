"""Two people here let go of the record that asked for a return: nothing is returned by it, and that is answered."""

from services.payment.app.ports import OperatorUnit
from services.payment.domain.changes import Moment
from services.payment.domain.events import StrayReturnAnswered
from services.payment.domain.status import Source

LET_GO = "discarded"


def let_go_of_return(payment_id: str, break_id: str, proposal_event_id: str, uow: OperatorUnit) -> bool:
    """Answer reconciliation that it is refused, in the transaction that drops the record.

    False where the payment is not ours: then there is no stream to answer on, and nobody here can return anything.
    """
    payment = uow.payments.locked(payment_id)
    if payment is None:
        return False
    payment.announce(
        StrayReturnAnswered(
            break_id=break_id,
            proposal_event_id=proposal_event_id,
            outcome="refused",
            operation_id=None,
            reason=LET_GO,
        ),
        Moment(now=uow.now, cause_id=proposal_event_id, ids=uow.ids, source=Source.OPERATOR),
    )
    return True
