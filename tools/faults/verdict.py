"""What must be true after the storm, asked of the services' databases: the review queue, cases, deadlines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import tuple_row

POLL_S: Final = 0.5
_PENDING: Final = """
SELECT operation_id || ' (' || type || ' of ' || payment_id || ') is ' || state FROM operations
 WHERE state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN')
UNION ALL
SELECT waiting_id || ' waits' FROM waiting_facts
"""
_REVIEWED: Final = "SELECT DISTINCT payment_id FROM operations WHERE state = 'IN_REVIEW'"
_CASES: Final = "SELECT payment_id, reason FROM cases WHERE closed_at IS NULL"


@dataclass(frozen=True, slots=True)
class Queue:
    """The review queue and the open cases."""

    reviewed: frozenset[str]
    cases: Mapping[str, str]


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
    )


def differences(queue: Queue, expected: frozenset[str], *, may_be: frozenset[str] = frozenset()) -> list[str]:
    """Where the queue is not exactly the payments whose evidence was made impossible; ``may_be`` may be there too."""
    return [
        *(
            f"{payment} is in review, its evidence was not lost"
            for payment in sorted(queue.reviewed - expected - may_be)
        ),
        *(
            f"{payment} lost its evidence and is not in review"
            for payment in sorted(expected - queue.reviewed)
        ),
        *(
            f"{payment} has a case ({queue.cases[payment]}), its evidence was not lost"
            for payment in sorted(set(queue.cases) - expected - may_be)
        ),
        *(f"{payment} lost its evidence and has no case" for payment in sorted(expected - set(queue.cases))),
    ]


def _rows(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True, row_factory=tuple_row) as connection:
        return connection.execute(statement).fetchall()
