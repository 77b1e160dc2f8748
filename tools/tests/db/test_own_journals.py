"""The base with the ledger's own rows writes books like any other: each journal whole, announced and claimed once."""

from types import SimpleNamespace

import psycopg

from tools.bench.growth import ENTRIES_EACH, fill
from tools.bench.own_journals import NAME, measure

_ACCOUNTS = """
INSERT INTO accounts (family, owner, currency, normal_side, transitional)
SELECT 'merchant_pending', 'mer_' || n, 'EUR', 'credit'::entry_side, false FROM generate_series(1, 7) AS n
UNION ALL SELECT 'processor_receivable', 'alpha:acct_alpha', 'EUR', 'debit', true
UNION ALL SELECT 'fee_revenue', 'platform', 'EUR', 'credit', false
"""
_WRITTEN = """
SELECT count(*), count(*) FILTER (WHERE rule = 'capture'), (SELECT count(*) FROM entries),
       (SELECT count(DISTINCT account_id) FROM entries), (SELECT count(*) FROM outbox),
       (SELECT count(*) FROM inbox), (SELECT sum(last_version) FROM inbox_versions) FROM journals
"""


def test_each_transaction_is_a_journal_with_all_that_comes_with_it(service_database, tmp_path):
    urls = service_database("ledger")
    with psycopg.connect(urls.owner, autocommit=True) as session:
        session.execute(_ACCOUNTS)
        fill(session, 0, 0)
        site = SimpleNamespace(
            stack=SimpleNamespace(place=SimpleNamespace(home=tmp_path)),
            quick=True,
            repetitions=1,
            progress=lambda _: None,
            admin=lambda _: psycopg.connect(urls.owner),
            database_url=lambda _: urls.owner,
        )
        figure = measure(site, "ledger and relay")
        assert (figure.name, figure.unit) == (NAME, "tx/s")
        journals, captures, entries, accounts, announced, claimed, versions = session.execute(
            _WRITTEN
        ).fetchone()
    assert journals == captures > 1
    assert entries == journals * ENTRIES_EACH
    assert accounts == 9
    assert announced == journals
    assert claimed == versions == journals
