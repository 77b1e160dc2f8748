"""Apply a canonical fact (webhook, feed, reply, poll) to the payment that it is about, or let it wait."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.payment.app.ports import Evidence, PaymentUnit, Ref, WaitingFact
from services.payment.app.settle_counted import settle_counted
from services.payment.domain.absorbing import Verdict, absorb
from services.payment.domain.changes import Moment
from services.payment.domain.commands import LookUpOperation
from services.payment.domain.facts import STATUS_RANK, Fact
from services.payment.domain.operations import IN_DOUBT, Operation
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source

#: The first look at a fact that waits: long enough for a payment's commit to be seen, short for a person.
FIRST_CHECK_S: Final = 2
#: After a day a fact that still fits nowhere is shown as stuck; it is never dropped.
DEADLINE_S: Final = 86_400
#: At most one look-up per operation in this time, however often it is asked for.
LOOK_UP_EVERY_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFact:
    """A fact as it reached us."""

    fact: Fact
    source: Source
    cause_id: str
    received_at: datetime
    #: What the envelope says about the payment, where the fact itself may not.
    payment_id: str | None = None
    #: The operation whose call was answered with the fact although something else was asked for.
    asked: Operation | None = None


def evidence_id_of(fact: Fact, source: Source) -> str:
    """One id per fact, source and content: telling us the same again is no new evidence."""
    name = f"{fact.processor}\n{fact.account}\n{fact.fact_key}\n{source.value}\n{fact.digest}"
    return "evd_" + hashlib.sha256(name.encode()).hexdigest()[:32]


def refs_of(fact: Fact) -> list[Ref]:
    """Every name under which a payment could know the fact: its object, its parent, our reference."""
    names = (fact.object_id, fact.parent_id, fact.reference)
    return [(fact.processor, fact.account, name) for name in names if name]


def apply_fact(command: ApplyFact, uow: PaymentUnit) -> Verdict:
    """Keep the fact as evidence, and apply it or let it wait. Facts are never refused."""
    evidence_id = evidence_id_of(command.fact, command.source)
    uow.refs.lock(refs_of(command.fact))
    payment = find_payment(uow, command.fact, command.payment_id)
    verdict = Verdict.WAITS
    if payment is not None:
        moment = Moment(
            now=uow.now,
            cause_id=command.cause_id,
            ids=uow.ids,
            source=command.source,
            evidence_id=evidence_id,
        )
        counted_before = payment.captures_counted
        # An answer may tell of another payment's object: what it says of that one is as good as anybody's word.
        asked = command.asked
        ours = asked is not None and asked.operation_id in payment.operations
        verdict = absorb(payment, command.fact, moment, asked=asked if ours else None)
        settle_counted(payment, counted_before, moment, uow)
        if verdict is not Verdict.WAITS:
            for thing in payment.objects:
                uow.refs.claim(thing, payment.payment_id)
    uow.evidence.add(
        Evidence(
            evidence_id=evidence_id,
            fact=command.fact,
            source=command.source,
            rank=STATUS_RANK.get(command.fact.status, 0),
            verdict=verdict.value,
            payment_id=payment.payment_id if payment else None,
            cause_id=command.cause_id,
            received_at=command.received_at,
        )
    )
    if verdict is Verdict.WAITS:
        _let_wait(command, payment, evidence_id, uow)
    return verdict


def find_payment(uow: PaymentUnit, fact: Fact, payment_id: str | None) -> Payment | None:
    """The payment of the object that the fact names, else of its parent, else of the reference or echoed id."""
    for ref in refs_of(fact):
        owner = uow.refs.owner(ref)
        if owner is not None:
            return uow.payments.locked(owner)
    for echoed in (fact.payment_id, payment_id):
        if echoed is not None:
            payment = uow.payments.locked(echoed)
            if payment is not None:
                return payment
    return None


def ask_look_up(payment: Payment, operation: Operation, reason: str, moment: Moment) -> bool:
    """Send a look-up for an undecided operation, at most one per operation and five seconds."""
    return operation.undecided and look_again(payment, operation, reason, moment)


def look_again(payment: Payment, operation: Operation, reason: str, moment: Moment) -> bool:
    """The same for an operation that may be decided: what it made may have changed since."""
    earliest = moment.now - timedelta(seconds=LOOK_UP_EVERY_S)
    if operation.looked_up_at is not None and operation.looked_up_at > earliest:
        return False
    operation.looked_up_at = moment.now
    operation.dirty = True
    payment.ask(LookUpOperation(operation_id=operation.operation_id, reason=reason), moment)
    return True


def look_up_doubts(payment: Payment, reason: str, moment: Moment) -> list[Operation]:
    """Look up every operation in doubt, and the one that blocks others; return them, asked for just now or before.

    Not what waits for risk: it was never sent, so it is no doubt.
    """
    blocking = payment.blocking_operation()
    doubts = [
        operation
        for operation in payment.operations.values()
        if operation.state in IN_DOUBT or (operation is blocking and not operation.unsent)
    ]
    for operation in doubts:
        ask_look_up(payment, operation, reason, moment)
    return doubts


def _let_wait(command: ApplyFact, payment: Payment | None, evidence_id: str, uow: PaymentUnit) -> None:
    uow.waiting.add(
        WaitingFact(
            waiting_id=evidence_id,
            fact=command.fact,
            source=command.source,
            evidence_id=evidence_id,
            cause_id=command.cause_id,
            payment_id=payment.payment_id if payment else command.fact.payment_id or command.payment_id,
            received_at=command.received_at,
            next_check_at=uow.now + timedelta(seconds=FIRST_CHECK_S),
            deadline_at=uow.now + timedelta(seconds=DEADLINE_S),
        )
    )
    if payment is not None:
        moment = Moment(
            now=uow.now,
            cause_id=command.cause_id,
            ids=uow.ids,
            source=command.source,
            evidence_id=evidence_id,
        )
        look_up_doubts(payment, "fact_waits", moment)
