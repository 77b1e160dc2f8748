"""Apply what a settlement report proves of an object: by the same rules as the processor's own word."""

from dataclasses import replace

from services.payment.app.apply_fact import ApplyFact, apply_fact, find_payment, refs_of
from services.payment.app.ports import PaymentUnit
from services.payment.domain.absorbing import Verdict
from services.payment.domain.reported import as_known


def apply_reported_object(command: ApplyFact, uow: PaymentUnit) -> Verdict:
    """Rank it by what the payment knows of the object, and apply it as any other fact.

    What a webhook or a look-up told already, or tells later, has its effect once: facts are about objects.
    """
    uow.refs.lock(refs_of(command.fact))
    payment = find_payment(uow, command.fact, command.payment_id)
    if payment is not None:
        command = replace(command, fact=as_known(payment, command.fact))
    return apply_fact(command, uow)
