"""Which events of other services the payment service acts on, and how many per transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.generated import (
    AttemptAnsweredV1,
    AttemptClosedV1,
    AttemptSentV1,
    FactObservedV1,
    FactV1,
    FeedEventUnrecognisedV1,
    LadderExhaustedV1,
    LookedUpV1,
    ObjectReportedV1,
    RiskDecidedV1,
    WebhookFactReceivedV1,
    WebhookUnrecognisedV1,
)
from services.payment.adapters.notes import Note
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_attempt_sent import ApplyAttemptSent, apply_attempt_sent
from services.payment.app.apply_fact import ApplyFact, apply_fact, refs_of
from services.payment.app.apply_ladder_exhausted import ApplyLadderExhausted, apply_ladder_exhausted
from services.payment.app.apply_looked_up import ApplyLookedUp, apply_looked_up
from services.payment.app.apply_risk_decided import ApplyRiskDecided, apply_risk_decided
from services.payment.app.apply_unrecognised import (
    ApplyUnrecognised,
    apply_unrecognised,
    refs_named,
)
from services.payment.app.ports import Ref
from services.payment.domain.answering import Answer
from services.payment.domain.facts import Fact, ObjectType
from services.payment.domain.status import Source
from services.payment.entrypoints.settlement import (
    load_lines,
    on_object_reported,
    on_return_proposed,
    on_return_withdrawn,
    on_settlement_line,
    reported_fact,
)
from shared.messaging.envelope import Event
from shared.messaging.routes import BatchLimits, Routes

CONSUMER: Final = "payment"
#: Fifty payments locked for fifty milliseconds: a merchant's command behind them hardly notices.
BATCH_MESSAGES_MAX: Final = 50
BATCH_TARGET_MS: Final = 50


def fact_of(told: FactV1) -> Fact:
    """The contract's fact in the domain's words."""
    return Fact(
        processor=told.processor,
        account=told.account,
        object_type=ObjectType(told.object_type),
        object_id=told.object_id,
        status=told.status,
        amount_minor=told.amount_minor,
        currency=told.currency,
        occurred_at=told.occurred_at,
        digest=told.digest,
        fact_key=told.fact_key,
        object_version=told.object_version,
        reference=told.reference,
        payment_id=told.payment_id,
        parent_type=told.parent_type,
        parent_id=told.parent_id,
        money_row_id=told.money_row_id,
        decline_code=told.decline_code,
        capture_before=told.capture_before,
        dispute_reason=told.dispute_reason,
        evidence_due_by=told.evidence_due_by,
    )


def on_attempt_sent(event: Event, uow: PaymentUnitOfWork) -> None:
    """A call is about to be made."""
    said: AttemptSentV1 = event.data
    apply_attempt_sent(
        ApplyAttemptSent(payment_id=said.payment_id, operation_id=said.operation_id, cause_id=event.event_id),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="sent",
            attempt_id=said.attempt_id,
            attempt_number=said.attempt_number,
            at=said.sent_at,
        )
    )


def on_attempt_answered(event: Event, uow: PaymentUnitOfWork) -> None:
    """What came back from a call."""
    said: AttemptAnsweredV1 = event.data
    answer = Answer(
        result=said.result,
        decline_code=said.decline_code,
        error_code=said.error_code,
        message=said.message,
        next_check_at=said.next_check_at,
        mismatched=bool(said.echo_mismatch),
    )
    apply_attempt_answered(
        ApplyAttemptAnswered(
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            cause_id=event.event_id,
            answer=answer,
            facts=[fact_of(fact) for fact in said.facts],
            answered_at=said.answered_at,
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="answered",
            attempt_id=said.attempt_id,
            result=said.result,
            detail=said.decline_code or said.error_code,
            at=said.answered_at,
        )
    )


def on_looked_up(event: Event, uow: PaymentUnitOfWork) -> None:
    """What the processor knows when asked."""
    said: LookedUpV1 = event.data
    apply_looked_up(
        ApplyLookedUp(
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            cause_id=event.event_id,
            result=said.result,
            facts=[fact_of(fact) for fact in said.facts],
            looked_up_at=said.looked_up_at,
            next_check_at=said.next_check_at,
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="looked_up",
            result=said.result,
            detail=f"rung {said.rung}",
            at=said.looked_up_at,
        )
    )


def on_ladder_exhausted(event: Event, uow: PaymentUnitOfWork) -> None:
    """Nobody could say what became of an operation."""
    said: LadderExhaustedV1 = event.data
    apply_ladder_exhausted(
        ApplyLadderExhausted(
            payment_id=said.payment_id, operation_id=said.operation_id, cause_id=event.event_id
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="ladder_exhausted",
            at=said.exhausted_at,
        )
    )


def on_attempt_closed(event: Event, uow: PaymentUnitOfWork) -> None:
    """Nothing of ours will send it again."""
    said: AttemptClosedV1 = event.data
    apply_attempt_closed(
        ApplyAttemptClosed(
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            reason=said.reason,
            ever_sent=said.ever_sent,
            cause_id=event.event_id,
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="closed",
            result=said.reason,
            at=said.closed_at,
        )
    )


def on_risk_decided(event: Event, uow: PaymentUnitOfWork) -> None:
    """What risk says of an operation; kept on the timeline also where it changes nothing."""
    said: RiskDecidedV1 = event.data
    changed = apply_risk_decided(
        ApplyRiskDecided(
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            payment_version=said.payment_version,
            verdict=said.decision,
            cause_id=event.event_id,
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            operation_id=said.operation_id,
            kind="risk_decided",
            result=said.decision if changed else f"{said.decision}, too late",
            detail=", ".join(said.reasons) or None,
            at=said.decided_at,
        )
    )


def on_fact_observed(event: Event, uow: PaymentUnitOfWork) -> None:
    """A fact from a processor's event feed."""
    said: FactObservedV1 = event.data
    apply_fact(
        ApplyFact(
            fact=fact_of(said.fact), source=Source.FEED, cause_id=event.event_id, received_at=event.time
        ),
        uow,
    )


def on_webhook_fact(event: Event, uow: PaymentUnitOfWork) -> None:
    """A fact from a webhook."""
    said: WebhookFactReceivedV1 = event.data
    apply_fact(
        ApplyFact(
            fact=fact_of(said.fact),
            source=Source.WEBHOOK,
            cause_id=event.event_id,
            received_at=said.received_at,
        ),
        uow,
    )
    uow.tallies.webhook_applied(said.fact.processor, (uow.now - said.received_at).total_seconds())


def on_webhook_unrecognised(event: Event, uow: PaymentUnitOfWork) -> None:
    """An authentic webhook that nobody can read."""
    apply_unrecognised(_unrecognised(event), uow)


def on_feed_event_unrecognised(event: Event, uow: PaymentUnitOfWork) -> None:
    """An event of a processor's feed that nobody can read: what a webhook might never have said."""
    apply_unrecognised(_unrecognised(event), uow)


def lock_batch(events: Sequence[Event], uow: PaymentUnitOfWork) -> None:
    """Lock names and then payments of a whole batch, both in order: two batches cannot wait for each other."""
    refs: list[Ref] = []
    payment_ids: set[str] = set()
    taking: list[Fact] = []
    for event in events:
        for fact in _facts(event):
            refs += refs_of(fact)
            payment_ids |= {fact.payment_id} if fact.payment_id else set()
            taking += [fact] if fact.object_type is ObjectType.CAPTURE else []
        if isinstance(event.data, WebhookUnrecognisedV1 | FeedEventUnrecognisedV1):
            refs += refs_named(_unrecognised(event))
        named = getattr(event.data, "payment_id", None)
        payment_ids |= {named} if named else set()
    uow.refs.lock(refs)
    owners = {uow.refs.owner(ref) for ref in refs}
    settling = load_lines(events, uow)
    # Lines may have come before the capture; of all that may count now they are read at once.
    takers = {fact.payment_id for fact in taking} | {
        uow.refs.owner(ref) for fact in taking for ref in refs_of(fact)
    }
    settling |= {payment_id for payment_id in takers if payment_id}
    uow.payments.lock_many(payment_ids | settling | {owner for owner in owners if owner})
    if settling:
        uow.settlement.load_payments(settling)


def _facts(event: Event) -> Iterator[Fact]:
    match event.data:
        case AttemptAnsweredV1(facts=facts) | LookedUpV1(facts=facts):
            yield from (fact_of(fact) for fact in facts)
        case FactObservedV1(fact=fact) | WebhookFactReceivedV1(fact=fact):
            yield fact_of(fact)
        case ObjectReportedV1():
            yield reported_fact(event.data)
        case _:
            return


def _unrecognised(event: Event) -> ApplyUnrecognised:
    said: WebhookUnrecognisedV1 | FeedEventUnrecognisedV1 = event.data
    return ApplyUnrecognised(
        processor=said.processor,
        account=said.account,
        object_id=said.object_id,
        reference=said.reference,
        payment_id=said.payment_id,
        cause_id=event.event_id,
        source=Source.FEED if isinstance(said, FeedEventUnrecognisedV1) else Source.WEBHOOK,
        event_type=said.processor_event_type,
    )


ROUTES: Final[Routes[PaymentUnitOfWork]] = Routes(
    consumer=CONSUMER,
    handlers={
        ("processor.events", "AttemptSent", 1): on_attempt_sent,
        ("processor.events", "AttemptAnswered", 1): on_attempt_answered,
        ("processor.events", "LookedUp", 1): on_looked_up,
        ("processor.events", "LadderExhausted", 1): on_ladder_exhausted,
        ("processor.events", "AttemptClosed", 1): on_attempt_closed,
        ("processor.events", "FactObserved", 1): on_fact_observed,
        ("processor.events", "FeedEventUnrecognised", 1): on_feed_event_unrecognised,
        ("reconciliation.events", "ObjectReported", 1): on_object_reported,
        ("reconciliation.events", "SettlementLineAccepted", 1): on_settlement_line,
        ("reconciliation.events", "SettlementLineAmended", 1): on_settlement_line,
        ("reconciliation.events", "SettlementLineMatched", 1): on_settlement_line,
        ("reconciliation.events", "SettlementLineUnmatched", 1): on_settlement_line,
        ("reconciliation.events", "StrayReturnProposed", 1): on_return_proposed,
        ("reconciliation.events", "StrayReturnWithdrawn", 1): on_return_withdrawn,
        ("risk.events", "RiskDecided", 1): on_risk_decided,
        ("webhook.events", "WebhookFactReceived", 1): on_webhook_fact,
        ("webhook.events", "WebhookUnrecognised", 1): on_webhook_unrecognised,
    },
    prepare=lock_batch,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX, target_ms=BATCH_TARGET_MS),
)
