"""Closed months are held against the books by one pass over the journals, however many months are closed."""

from datetime import UTC, datetime
from random import Random

import psycopg
import pytest

from shared.kernel.months import Month
from tools.auditor.ledger_queries import LEDGER

QUERY = dict(LEDGER)["closed_periods"]
TABLES = ("journals", "seals", "period_closes", "closed_periods")
JOURNAL = """
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,
                      amount_minor, entry_count, effective_at)
VALUES (%(n)s, 'jrn_' || %(n)s, 'r', 'evt_' || %(n)s, 'T.v1', %(n)s::text, 'f', 'EUR', 5, 2, %(at)s)
"""
SEAL = "INSERT INTO seals VALUES (0, %s, %s, now(), sha256('d'), sha256('h'))"
PROPOSED = """
INSERT INTO period_closes VALUES (%s, %s, 'r', 'APPROVED', 'ada', now(), 'bob', now(), 'r')
"""
CLOSED = "INSERT INTO closed_periods VALUES (%s, %s, %s, %s, 0, %s, encode(sha256('h'), 'hex'), now())"
ENDS = [Month.read(f"2024-{number:02}") for number in range(1, 6)]


@pytest.fixture
def books(service_database):
    """Books whose guards are down, as after whatever an auditor looks for."""
    with psycopg.connect(service_database("ledger").owner) as session:
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        yield session
        session.rollback()


def booked(session, random, *, orderly):
    """Journals of any month, most of them sealed in any order, and five closes; those that no close may have left."""
    journals = {number: datetime(2024, random.randint(1, 7), 15, tzinfo=UTC) for number in range(1, 41)}
    for number, at in journals.items():
        session.execute(JOURNAL, {"n": number, "at": at})
    sealed = random.sample(sorted(journals), 36)
    for position, number in enumerate(sealed, start=1):
        session.execute(SEAL, (position, number))
    ends = [random.randint(1, 36) for _ in ENDS]
    for month, end in zip(ENDS, sorted(ends) if orderly else ends, strict=True):
        session.execute(PROPOSED, (f"cls_{month}", str(month)))
        session.execute(CLOSED, (str(month), f"cls_{month}", month.starts_at, month.ends_at, end))
    place = {number: position for position, number in enumerate(sealed, start=1)}
    closes = list(zip(ENDS, sorted(ends) if orderly else ends, strict=True))
    return {
        f"jrn_{number}"
        for number, at in journals.items()
        if any(at < month.ends_at and place.get(number, 99) > end for month, end in closes)
    }


@pytest.mark.parametrize("orderly", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_month_is_told_wrong_if_any_journal_was_booked_into_it_later(books, seed, orderly):
    wrong = booked(books, Random(seed), orderly=orderly)  # noqa: S311  # draws books, guards nothing
    while wrong:
        told = {row[4] for row in books.execute(QUERY).fetchall() if row[4]}
        assert told
        assert told <= wrong
        wrong -= told
        books.execute("DELETE FROM journals WHERE journal_id = ANY(%s)", (list(told),))
    assert [row[4] for row in books.execute(QUERY).fetchall()] == [None] * len(ENDS)


def test_every_journal_is_read_once(books):
    booked(books, Random(1), orderly=True)  # noqa: S311
    books.execute("ANALYZE")
    ((plan,),) = books.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + QUERY).fetchall()
    reads = [
        node["Actual Loops"] for node in nodes_of(plan[0]["Plan"]) if node.get("Relation Name") == "journals"
    ]
    assert reads == [1]


def nodes_of(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)
