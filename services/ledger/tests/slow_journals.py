"""A journal whose writer takes its time: its position is drawn, and it commits when the test says so."""

from __future__ import annotations

SLOW = "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency, amount_minor, entry_count, effective_at) VALUES (nextval('journal_positions'), %(id)s, 'r', %(id)s, 'Test.v1', %(id)s, 's', 'EUR', 5, 2, now()) RETURNING position"
SLOW_ENTRIES = (
    "INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency)"
    " SELECT %(position)s, line, (SELECT min(account_id) FROM accounts WHERE NOT transitional AND currency = 'EUR'),"
    " side::entry_side, 5, 'EUR' FROM (VALUES (1, 'debit'), (2, 'credit')) AS both_sides(line, side)"
)


def begin_slowly(connection, name):
    """Book 5 on both sides of one account; returns the position. COMMIT is the caller's."""
    position = connection.execute(SLOW, {"id": name}).fetchone()[0]
    connection.execute(SLOW_ENTRIES, {"position": position})
    return position
