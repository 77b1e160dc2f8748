"""What must be true after the storm, asked of the services' databases: the review queue, cases, deadlines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import tuple_row

from tools.auditor.model import Invariant
from tools.auditor.sandbox_queries import at_both

POLL_S: Final = 0.5
_PENDING: Final = """
SELECT operation_id || ' (' || type || ' of ' || payment_id || ') is ' || state FROM operations
 WHERE state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN')
UNION ALL
SELECT waiting_id || ' waits' FROM waiting_facts
UNION ALL
SELECT stray_id || ' of ' || payment_id || ' waits to be given back' FROM strays AS s
 WHERE NOT mismatch AND NOT accepted AND NOT released AND returned_minor = 0 AND taken_back_minor = 0
   AND NOT EXISTS (SELECT FROM operations AS o WHERE o.stray_id = s.stray_id)
"""
# A refund of more than was asked for, and what was not what it should be, stay with a person.
_STILL_ASTRAY = """
SELECT stray_id, payment_id FROM strays
 WHERE NOT mismatch AND NOT accepted AND NOT released
   AND (kind = 'hold' OR returned_minor + taken_back_minor < amount_minor)
"""
_GIVEN_BACK = """
SELECT stray_id, payment_id, count(*) FROM operations
 WHERE stray_id IS NOT NULL AND state = 'SUCCEEDED' GROUP BY 1, 2
"""
_REVIEWED: Final = "SELECT DISTINCT payment_id FROM operations WHERE state = 'IN_REVIEW'"
_CASES: Final = "SELECT payment_id, reason FROM cases WHERE closed_at IS NULL"
_STRAYS: Final = "SELECT DISTINCT payment_id FROM strays"
_DECLINED: Final = """
SELECT DISTINCT payment_id FROM operations WHERE state = 'DECLINED' AND type <> 'cancel'
"""
# What was stored when it happened: a clock that polls sees only what is left at the end.
_IN_DOUBT_FOR: Final = """
SELECT o.operation_id, o.type, o.payment_id, o.processor,
       extract(epoch FROM coalesce(least(h.at, c.at), clock_timestamp()) - o.created_at)::float8
  FROM operations AS o
  LEFT JOIN LATERAL (
      SELECT min(at) AS at FROM status_history
       WHERE payment_id = o.payment_id AND subject = 'operation' AND subject_id = o.operation_id
         AND to_state IN ('SUCCEEDED', 'DECLINED', 'ABANDONED', 'IN_REVIEW')) AS h ON true
  LEFT JOIN LATERAL (
      SELECT min(opened_at) AS at FROM cases
       WHERE payment_id = o.payment_id AND operation_id = o.operation_id) AS c ON true
 ORDER BY 5 DESC
"""
_TWICE: Final = f"""
SELECT reference, payment_id FROM {at_both("book_by_reference")}
 WHERE greatest(authorizations, effective_charges, effective_refunds) > 1
"""
_ABANDONED: Final = "SELECT operation_id, payment_id FROM operations WHERE state = 'ABANDONED'"
_REFERENCES: Final = f"SELECT DISTINCT reference FROM {at_both('book_by_reference')}"
_NOT_YET_SENT: Final = f"""
SELECT DISTINCT o.payment_id FROM {at_both("webhooks")} JOIN {at_both("events").removesuffix("b")}e ON e.id = b.event_id
  JOIN {at_both("objects").removesuffix("b")}o ON o.id = e.object_id
 WHERE b.state = 'due' AND b.due_at > now() + interval '1 minute' AND o.payment_id IS NOT NULL
"""
OF_TWO_EFFECTS: Final[Mapping[str, str]] = {
    "I4.operations_took_effect": "operation_id",
    "I5.one_effect_per_reference": "reference",
}
"""What rightly finds an operation that a processor did twice, and the column that names the operation."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The review queue and the open cases."""

    reviewed: frozenset[str]
    cases: Mapping[str, str]
    strays: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()
    """Payments of which the processor refused something that moves or holds money, as we heard it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Whom the queue must name, by what was done to their payments, and whom it may name beside."""

    reviewed: frozenset[str]
    found: frozenset[str] = frozenset()
    """The processor did something twice: it is astray, or a case."""
    denied: frozenset[str] = frozenset()
    """The processor denied what it did: where that was believed, it is astray or a case."""
    may_be: frozenset[str] = frozenset()


def wait_until_nothing_pends(payment_database: str, deadline_s: float) -> tuple[float, list[str]]:
    """How long it took until no operation was pending and no fact waiting, and what still is at the deadline."""
    began_s = time.monotonic()
    while True:
        pending = [str(row[0]) for row in _rows(payment_database, _PENDING)]
        took_s = time.monotonic() - began_s
        if not pending or took_s > deadline_s:
            return took_s, pending
        time.sleep(POLL_S)


def review_queue(payment_database: str) -> Queue:
    """What waits for a person now."""
    return Queue(
        reviewed=frozenset(str(row[0]) for row in _rows(payment_database, _REVIEWED)),
        cases={str(payment): str(reason) for payment, reason in _rows(payment_database, _CASES)},
        strays=frozenset(str(row[0]) for row in _rows(payment_database, _STRAYS)),
        declined=frozenset(str(row[0]) for row in _rows(payment_database, _DECLINED)),
    )


def differences(queue: Queue, expected: Expected) -> list[str]:
    """Where the queue is not exactly the payments whose evidence was made impossible, or that were done twice."""
    cases = set(queue.cases)
    seen = cases | queue.strays
    odd = expected.reviewed | expected.may_be | expected.found | expected.denied
    told = {
        "is in review, its evidence was not lost": queue.reviewed - expected.reviewed - expected.may_be,
        "lost its evidence and is not in review": expected.reviewed - queue.reviewed,
        "lost its evidence and has no case": expected.reviewed - cases,
        "was done twice, and nothing of it is astray or a case": expected.found - seen,
        "was denied, which was believed, and nothing of it is astray or a case": (
            expected.denied & queue.declined
        )
        - seen,
        "has something astray, and nobody did it twice or denied it": queue.strays - odd,
    }
    return [
        *(f"{payment} {what}" for what, payments in told.items() for payment in sorted(payments)),
        *(
            f"{payment} has a case ({queue.cases[payment]}), its evidence was not lost"
            for payment in sorted(cases - odd)
        ),
    ]


@dataclass(frozen=True, slots=True)
class Doubts:
    """How long operations were in doubt, by what was stored about them."""

    longest_s: Mapping[str, float] = field(default_factory=dict)
    """By processor."""
    late: tuple[str, ...] = ()


def doubts(payment_database: str, deadlines_s: Mapping[str, float]) -> Doubts:
    """From each operation's request to its decision or its case: whatever took longer than its processor's ladder."""
    longest_s: dict[str, float] = {}
    late = []
    for operation_id, kind, payment_id, processor, took_s in _rows(payment_database, _IN_DOUBT_FOR):
        longest_s[processor] = max(longest_s.get(processor, 0.0), took_s)
        if took_s > deadlines_s[processor]:
            late.append(
                f"{operation_id} ({kind} of {payment_id}) was neither decided nor a case for {took_s:.0f} s,"
                f" {processor} has {deadlines_s[processor]:.0f} s"
            )
    return Doubts(longest_s, tuple(late))


@dataclass(frozen=True, slots=True)
class Returns:
    """What became of what was astray, and was the policy's to give back."""

    given_back: int = 0
    """So many strays went back."""
    problems: tuple[str, ...] = ()


def returns(payment_database: str, in_vain: frozenset[str]) -> Returns:
    """Whether each stray went back once; ``in_vain`` is whose calls did not reach their processor."""
    went = _rows(payment_database, _GIVEN_BACK)
    still = [row for row in _rows(payment_database, _STILL_ASTRAY) if row[1] not in in_vain]
    return Returns(
        given_back=len(went),
        problems=(
            *(f"{stray} of {payment} went back {times} times" for stray, payment, times in went if times > 1),
            *(f"{stray} of {payment} is still astray" for stray, payment in still),
        ),
    )


def done_twice(sandbox_database: str) -> Mapping[str, str]:
    """What the processors did more than once by their own books: the payment, by our operation."""
    return {str(reference): str(payment) for reference, payment in _rows(sandbox_database, _TWICE)}


def never_arrived(payment_database: str, sandbox_database: str) -> frozenset[str]:
    """The payments that gave up a call which the processor's own book knows nothing of: no evidence to lose."""
    known = {row[0] for row in _rows(sandbox_database, _REFERENCES)}
    given_up = _rows(payment_database, _ABANDONED)
    return frozenset(str(payment) for operation_id, payment in given_up if operation_id not in known)


def not_yet_sent(sandbox_database: str) -> list[str]:
    """The payments whose webhooks are due later than anybody waits for."""
    return sorted(str(row[0]) for row in _rows(sandbox_database, _NOT_YET_SENT))


def unexplained(invariants: Iterable[Invariant], twice: frozenset[str]) -> list[str]:
    """Every invariant that does not hold, but for the operations that were done twice and found by it."""
    return [
        invariant.name
        for invariant in invariants
        if not invariant.holds
        and (
            invariant.more
            or invariant.name not in OF_TWO_EFFECTS
            or not {row[OF_TWO_EFFECTS[invariant.name]] for row in invariant.violations} <= twice
        )
    ]


def _rows(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True, row_factory=tuple_row) as connection:
        return connection.execute(statement).fetchall()
