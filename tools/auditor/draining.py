"""Waiting until nothing is on its way any more, and naming what is stuck when the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from tools.auditor.addresses import Addresses
from tools.auditor.copying import READING_ORDER, WITHOUT_KAFKA, reading
from tools.auditor.model import Invariant
from tools.auditor.registry import LIVENESS, LIVENESS_EXPLANATION
from tools.auditor.sandbox_queries import at_both
from tools.auditor.topics import subscribed

POLL_S: Final = 0.25
#: Timers of the sandbox that fall due later than this (a hold that expires in a week) are not waited for.
SOON_S: Final = 30
SHOWN_MAX: Final = 20

Stuck = dict[str, object]
MayStay = Callable[[Stuck], bool]
"""Whether something that waits inside one database may wait for ever: what somebody told of things that never were."""

_UNSENT: Final = (
    "event not sent",
    "SELECT topic || ' ' || key || ' version ' || stream_version FROM outbox WHERE sent_at IS NULL LIMIT 20",
)
_PARKED: Final = (
    "key parked",
    "SELECT consumer || ' ' || topic || ' ' || key || ': ' || reason || ' ' || detail FROM parked_keys LIMIT 20",
)
# A living owner stores its reply within its lease; after that the completer has to.
_UNANSWERED: Final = (
    "reply not stored",
    (
        "SELECT endpoint || ' of ' || coalesce(resource_id, '?') || ' since ' || created_at FROM idempotency_keys"
        " WHERE state = 'in_flight' AND lease_until < clock_timestamp() LIMIT 20"
    ),
)
_STUCK: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "payment": (
        (
            "operation not decided",
            (
                "SELECT operation_id || ' (' || type || ' of ' || payment_id || ') is ' || state FROM operations"
                " WHERE state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN')"
                # A person has to decide about risk, as with what is in review.
                " AND risk IS DISTINCT FROM 'REVIEW' LIMIT 20"
            ),
        ),
        (
            "fact waits",
            (
                "SELECT waiting_id || ' of ' || coalesce(payment_id, '?') || ' about ' || array_to_string(refs, ', ')"
                " FROM waiting_facts WHERE dismissed_at IS NULL LIMIT 100"
            ),
        ),
    ),
    "processor": (
        (
            "attempt open",
            "SELECT operation_id || ' is ' || phase FROM attempts WHERE state = 'open' LIMIT 20",
        ),
    ),
    "sandbox": (
        (
            "webhook due",
            f"SELECT event_id || ' after ' || attempts FROM {at_both('webhooks')} WHERE state = 'due' LIMIT 20",
        ),
        (
            "processor's timer due",
            (
                f"SELECT action || ' ' || object_id FROM {at_both('timers')}"
                f" WHERE due_at < now() + interval '{SOON_S} seconds' LIMIT 20"
            ),
        ),
    ),
    "webhook_ingest": (),
    "ledger": (),
    "risk": (),
    "reconciliation": (
        ("file not staged", "SELECT file_id FROM report_files WHERE state = 'RECEIVED' LIMIT 20"),
        (
            "line of a closed payout not told",
            (
                "SELECT source || ':' || line_id FROM settlement_lines AS l JOIN payouts AS p USING (source, payout_id)"
                " WHERE l.stands AND NOT l.announced AND l.category <> 'payout' AND p.closed_at IS NOT NULL"
                " AND (l.revision > 1 OR NOT l.withdrawn) LIMIT 20"
            ),
        ),
    ),
}
_TOLD: Final = "SELECT topic, sum(last_version)::bigint FROM outbox_streams GROUP BY topic"
_TAKEN_IN: Final = """
    SELECT topic, sum(last_version)::bigint FROM inbox_versions WHERE topic = ANY(%(versioned)s) GROUP BY topic
    UNION ALL
    SELECT topic, count(*) FROM inbox WHERE topic <> ALL(%(versioned)s) GROUP BY topic
"""
#: Every object of the processors with its state; a money row's word for what it did is in the words of facts.
THEIR_OBJECTS: Final = f"""
    SELECT id, CASE kind || ' ' || status WHEN 'money_row withdrawn' THEN 'opened'
        WHEN 'money_row taken' THEN 'succeeded' ELSE status END FROM {at_both("objects")}
"""
#: The same, as far as payment knows of it.
OUR_OBJECTS: Final = "SELECT object_id, status FROM processor_objects"


def nothing(_stuck: Stuck) -> bool:
    """Nothing may be stuck."""
    return False


def wait_until_drained(addresses: Addresses, deadline_s: float, may_stay: MayStay = nothing) -> Invariant:
    """Poll until nothing is stuck or the time is over; what is stuck then are the violations."""
    deadline = time.monotonic() + deadline_s
    while True:
        stuck = find_stuck(addresses, may_stay)
        left_s = deadline - time.monotonic()
        if not stuck or left_s <= 0:
            break
        time.sleep(min(POLL_S, left_s))
    return Invariant(LIVENESS, LIVENESS_EXPLANATION, len(_STUCK), not stuck, stuck)


def told_by_all(addresses: Addresses) -> dict[str, int]:
    """How many events were ever written, by topic."""
    told: dict[str, int] = {}
    for service in READING_ORDER:
        if service not in WITHOUT_KAFKA:
            with reading(addresses, service) as connection:
                told.update(connection.execute(_TOLD).fetchall())
    return told


def find_stuck(addresses: Addresses, may_stay: MayStay = nothing) -> list[Stuck]:
    """What is still on its way, cheapest question first; objects are compared only once all else is quiet."""
    found: list[Stuck] = [
        {"service": service, "what": what, "which": which}
        for service in READING_ORDER
        for what, which in _in_one_database(addresses, service)
    ]
    stuck = [one for one in found if not may_stay(one)]
    stuck = stuck or list(_between_databases(addresses))
    return stuck or list(_unknown_objects(addresses))


def stuck_questions(service: str) -> tuple[tuple[str, str], ...]:
    """What can be stuck inside one database: its name, and the query that lists it."""
    everywhere = () if service in WITHOUT_KAFKA else (_UNSENT, _PARKED, _UNANSWERED)
    return (*_STUCK[service], *everywhere)


def _in_one_database(addresses: Addresses, service: str) -> Iterator[tuple[str, str]]:
    with reading(addresses, service) as connection:
        for what, query in stuck_questions(service):
            for (which,) in connection.execute(query.encode()).fetchall():
                yield what, str(which)


def _between_databases(addresses: Addresses) -> Iterator[Stuck]:
    told = told_by_all(addresses)
    taken_in: dict[tuple[str, str], int] = {}
    by_consumer, versioned = subscribed()
    for service in READING_ORDER:
        if service in WITHOUT_KAFKA:
            continue
        with reading(addresses, service) as connection:
            for topic, number in connection.execute(_TAKEN_IN, {"versioned": versioned}).fetchall():
                taken_in[service, topic] = int(number)
    for consumer, topic in by_consumer:
        missing = told.get(topic, 0) - taken_in.get((consumer, topic), 0)
        if missing:
            yield {"service": consumer, "what": "events not taken in", "which": f"{missing} of {topic}"}


def _unknown_objects(addresses: Addresses) -> Iterator[Stuck]:
    with reading(addresses, "sandbox") as connection:
        theirs = set(connection.execute(THEIR_OBJECTS).fetchall())
    with reading(addresses, "payment") as connection:
        ours = set(connection.execute(OUR_OBJECTS).fetchall())
    for number, (object_id, status) in enumerate(sorted(theirs - ours)):
        if number == SHOWN_MAX:
            break
        yield {"service": "payment", "what": "does not know the state of", "which": f"{object_id}: {status}"}
