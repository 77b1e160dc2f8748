"""Judges the operations of a batch: counted first, all at once, then decided one by one in stream order.

The consumer calls ``load_batch`` once per batch and ``decide_operation`` once per event, inside the transaction that
claims the events: so an attempt is counted once and judged once, however often its event is delivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.risk.app.ports import Batch, CountKey, Decision, RiskUnit
from services.risk.domain.attempts import Attempt
from services.risk.domain.judging import Judgement, judge
from services.risk.domain.rules import Counted, RuleSet, Velocity
from shared.kernel.errors import InvariantViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOperation:
    """An operation as its event tells of it; ``waits`` says whether anybody waits for a decision."""

    attempt: Attempt
    cause_event_id: str
    waits: bool


def load_batch(asked: Sequence[AskedOperation], work: RiskUnit) -> None:
    """Store what velocity counts and count what the rules ask about, set-based."""
    rules = work.rule_sets.active()
    counted = [operation.attempt for operation in asked if operation.attempt.counted]
    questions = questions_of(rules, [operation.attempt for operation in asked if operation.waits])
    if questions:
        work.attempts.lock([f"{rule.subject}:{attempt.key_of(rule.subject)}" for attempt, rule in questions])
    if counted:
        work.attempts.take_in(counted)
    work.batch = Batch(rules, work.attempts.count(questions) if questions else {})


def decide_operation(asked: AskedOperation, work: RiskUnit) -> None:
    """Decide, where somebody waits for it."""
    if not asked.waits:
        return
    if work.batch is None:
        raise InvariantViolation("batch_loaded", "an operation was judged before its batch was counted")
    work.decisions.add(
        Decision(
            decision_id=work.ids.new("dec_"),
            attempt=asked.attempt,
            judgement=judgement_of(work.batch.rules, asked.attempt, work.batch.counts),
            cause_event_id=asked.cause_event_id,
            decided_at=work.now,
        )
    )


def questions_of(rules: RuleSet, attempts: Sequence[Attempt]) -> list[tuple[Attempt, Velocity]]:
    """Which attempts must be counted for which rules."""
    return [(attempt, rule) for attempt in attempts for rule in rules.velocity if rule.asks_about(attempt)]


def judgement_of(rules: RuleSet, attempt: Attempt, counts: Mapping[CountKey, Counted]) -> Judgement:
    """Judge one attempt by what was counted for it."""
    names = [rule.name for rule in rules.velocity if rule.asks_about(attempt)]
    return judge(rules, attempt, {name: counts[attempt.operation_id, name] for name in names})
