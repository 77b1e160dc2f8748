"""What growth is measured over are books like any other: each journal balances, and a second filling adds to the first."""

import psycopg

from tools.bench.growth import ENTRIES_EACH, fill

_ACCOUNTS = """
INSERT INTO accounts (family, owner, currency, normal_side, transitional)
SELECT 'merchant_pending', 'mer_' || n, 'EUR', 'credit'::entry_side, false FROM generate_series(1, 7) AS n
UNION ALL SELECT 'processor_receivable', 'alpha:acct_alpha', 'EUR', 'debit', true
UNION ALL SELECT 'fee_revenue', 'platform', 'EUR', 'credit', false
"""
_FOUND = """
SELECT (SELECT count(*) FROM journals), count(*), count(DISTINCT account_id),
       sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) FROM entries
"""
#: What comes with each: heard, and told, each under the journal's own payment; nothing waits to be sent.
_BESIDE = """
SELECT count(i), count(v), count(s), count(o), (SELECT count(*) FROM outbox WHERE sent_at IS NULL) FROM journals AS j
  LEFT JOIN inbox AS i ON (i.consumer, i.event_id) = ('ledger', j.cause_event_id)
  LEFT JOIN inbox_versions AS v ON (v.consumer, v.topic, v.key) = ('ledger', 'payment.events', j.payment_id)
  LEFT JOIN outbox_streams AS s ON (s.topic, s.key) = ('ledger.events', j.payment_id)
  LEFT JOIN outbox AS o ON (o.key, o.cause_id) = (j.payment_id, j.cause_event_id)
"""


def test_filled_books_balance_and_spread_over_all_accounts(service_database):
    with psycopg.connect(service_database("ledger").owner, autocommit=True) as session:
        session.execute(_ACCOUNTS)
        fill(session, 0, 99)
        fill(session, 100, 149)
        assert session.execute(_FOUND).fetchone() == (150, 150 * ENTRIES_EACH, 9, 0)
        assert session.execute(_BESIDE).fetchone() == (150, 150, 150, 150, 0)
