"""Maps what happened to the events of `processor.events`: the only place that knows both sides."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from schemas.generated import (
    AttemptAnsweredV1,
    AttemptClosedV1,
    AttemptSentV1,
    FactObservedV1,
    FactV1,
    FeedEventUnrecognisedV1,
    LadderExhaustedV1,
    LookedUpV1,
)
from services.processor.app.ports import FeedReject, FeedTurn
from services.processor.domain.attempt import Attempt, Move, State
from services.processor.domain.fact import Fact
from services.processor.domain.operation import echo_mismatch
from services.processor.domain.outcome import Answer, Doubt, LookUp
from shared.kernel.errors import InvariantViolation
from shared.persistence.outbox import Outbox

TOPIC: Final = "processor.events"
MESSAGE_CHARS_MAX: Final = 512
CODE_CHARS_MAX: Final = 128


class OutboxEvidence:
    """The ``Evidence`` of one transaction."""

    def __init__(self, outbox: Outbox, now: datetime) -> None:
        self._outbox = outbox
        self._now = now

    def sent(self, attempt: Attempt) -> None:
        """Announce a send that is about to be made."""
        event = AttemptSentV1(
            **_operation(attempt),
            attempt_id=_attempt_id(attempt),
            attempt_number=attempt.attempt_number,
            sent_at=self._now,
        )
        self._append(attempt, event)

    def answered(self, attempt: Attempt, answer: Answer, move: Move) -> None:
        """Tell what came back, doubt included, and where it differs from what was asked."""
        waits = attempt.state is State.OPEN
        mismatch: Any = echo_mismatch(attempt.operation, answer.facts)
        event = AttemptAnsweredV1(
            **_operation(attempt),
            attempt_id=_attempt_id(attempt),
            result=answer.result.value,
            will_retry=move.will_retry,
            decline_code=_cut(answer.decline_code, CODE_CHARS_MAX),
            error_code=_cut(answer.error_code, CODE_CHARS_MAX),
            message=_cut(answer.message, MESSAGE_CHARS_MAX),
            echo_mismatch=mismatch or None,
            facts=tuple(fact_event(fact) for fact in answer.facts),
            answered_at=self._now,
            next_check_at=attempt.next_at if waits else None,
        )
        self._append(attempt, event)

    def doubted(self, attempt: Attempt, doubt: Doubt) -> None:
        """Tell that an outcome is unknown though no answer said so: the worker never came back, or patience ended."""
        event = AttemptAnsweredV1(
            **_operation(attempt),
            attempt_id=_attempt_id(attempt),
            result="unknown",
            will_retry=False,
            error_code=doubt.value,
            facts=(),
            answered_at=self._now,
            next_check_at=attempt.next_at,
        )
        self._append(attempt, event)

    def looked_up(self, attempt: Attempt, rung: int, seen: LookUp, move: Move) -> None:
        """Tell what a look-up saw."""
        waits = move.attempt.state is State.OPEN
        event = LookedUpV1(
            **_operation(attempt),
            rung=rung,
            result=seen.found.value,
            facts=tuple(fact_event(fact) for fact in seen.facts),
            looked_up_at=self._now,
            next_check_at=attempt.next_at if waits else None,
        )
        self._append(attempt, event)

    def exhausted(self, attempt: Attempt, currency: str) -> None:
        """Tell that every rung was tried and doubt remains: an operator's case, still blocking."""
        event = LadderExhaustedV1(
            **_operation(attempt),
            exhausted_at=self._now,
            exposure_minor=attempt.operation.exposure_minor,
            currency=currency,
        )
        self._append(attempt, event)

    def closed(self, attempt: Attempt, *, cause_id: str) -> None:
        """Tell that nothing of ours will send the operation again."""
        reason: Any = attempt.closing
        event = AttemptClosedV1(
            **_operation(attempt), reason=reason.value, ever_sent=attempt.ever_sent, closed_at=self._now
        )
        self._append(attempt, event, cause_id=cause_id)

    def observed(self, fact: Fact, cursor: str) -> None:
        """Tell a fact that the feed listed."""
        self._outbox.append(
            TOPIC,
            FactObservedV1(source="feed", cursor=cursor, fact=fact_event(fact)),
            key=fact.payment_id or fact.object_id,
            cause_id=fact.fact_key[:200],
            subject=fact.object_id,
        )

    def unrecognised(self, turn: FeedTurn, reject: FeedReject, cursor: str) -> None:
        """Tell that the feed listed what we cannot read; ids only, so that it is looked up."""
        named = reject.payment_id or reject.object_id or reject.own_id or reject.digest
        self._outbox.append(
            TOPIC,
            FeedEventUnrecognisedV1(
                processor=turn.processor,
                account=turn.account,
                processor_event_id=reject.own_id,
                processor_event_type=reject.event_type,
                object_id=reject.object_id,
                reference=reject.reference,
                payment_id=reject.payment_id,
                reason=reject.reason,
                cursor=cursor,
                observed_at=self._now,
                digest=reject.digest,
            ),
            key=named,
            cause_id=f"{turn.processor}:{turn.account}:{reject.own_id or reject.digest}"[:200],
            subject=reject.object_id,
        )

    def _append(self, attempt: Attempt, event: Any, *, cause_id: str | None = None) -> None:
        self._outbox.append(
            TOPIC,
            event,
            key=attempt.operation.payment_id,
            cause_id=cause_id or attempt.cause_id,
            subject=attempt.operation.operation_id,
        )


def fact_event(fact: Fact) -> FactV1:
    """Return the fact as the contract states it."""
    shape: Any = {name: getattr(fact, name) for name in Fact.__dataclass_fields__}
    return FactV1(**shape)


def _operation(attempt: Attempt) -> Any:
    operation = attempt.operation
    return {
        "payment_id": operation.payment_id,
        "operation_id": operation.operation_id,
        "kind": operation.kind,
        "processor": operation.processor,
        "account": operation.account,
    }


def _attempt_id(attempt: Attempt) -> str:
    if attempt.attempt_id is None:
        raise InvariantViolation("attempt_was_sent", attempt.operation.operation_id)
    return attempt.attempt_id


def _cut(text: str | None, chars_max: int) -> str | None:
    return text[:chars_max] or None if text else None
