"""The base of bulk with its own rows writes books like any other: each journal whole, of a wanted import, and announced."""

from types import SimpleNamespace

import psycopg

from tools.bench.own_imports import NAME, measure

_ACCOUNTS = """
INSERT INTO accounts (family, owner, currency, normal_side, transitional)
SELECT 'merchant_available', 'mer_' || n, 'EUR', 'credit'::entry_side, false FROM generate_series(1, 7) AS n
UNION ALL SELECT 'bank_cash', 'iban-1', 'EUR', 'debit', false
"""
#: Two files that two people want: one of them is booked, as far as one journal.
_WANTED = """
INSERT INTO import_proposals (import_id, file_sha256, file_name, lines, journals, totals, reason, state, proposed_by,
                              proposed_at)
SELECT 'imp_' || n, sha256(n::text::bytea), 'old.jsonl', 9, 9, '{"EUR": 9}', 'r', 'PROPOSED', 'ada', now()
  FROM generate_series(1, 2) AS n;
UPDATE import_proposals SET state = 'APPROVED', decided_by = 'bob', decided_at = now(), decision_reason = 'r';
INSERT INTO imports (import_id, file_sha256, file_name, journals, begun_by, reason, begun_at)
SELECT import_id, file_sha256, file_name, journals, 'ada', reason, now() FROM import_proposals WHERE import_id = 'imp_1';
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, merchant_id,
                      currency, amount_minor, entry_count, effective_at)
VALUES (nextval('journal_positions'), 'jrn_1', 'imported', 'evt_1', 'JournalImported.v1', 'old 1', 'imp_1', 'mer_1', 'EUR',
        5, 2, now());
INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency)
SELECT 1, n, account_id, side::entry_side, 5, 'EUR'
  FROM (VALUES (1, 'iban-1', 'debit'), (2, 'mer_1', 'credit')) AS legs (n, owner, side) JOIN accounts USING (owner);
INSERT INTO outbox (shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject, event_time,
                    cause_id, payload, payload_sha256)
VALUES (0, 'ledger.events', 'jrn_1', 1, 'evt_2', 'JournalPosted.v1', '/x', '/tieout/ledger', 'jrn_1', now(), 'evt_1', '{}',
        sha256('{}'));
"""
_WRITTEN = """
SELECT count(*), count(*) FILTER (WHERE subject = 'imp_2' AND rule = 'imported'), (SELECT count(*) FROM entries),
       (SELECT count(DISTINCT account_id) FROM entries), (SELECT count(*) FROM outbox), (SELECT sum(last_version) FROM outbox_streams) FROM journals
"""


def test_each_transaction_is_a_journal_of_the_import_with_its_announcement(service_database, tmp_path):
    urls = service_database("ledger")
    with psycopg.connect(urls.owner, autocommit=True) as session:
        session.execute(_ACCOUNTS)
        with session.transaction():
            for statement in filter(str.strip, _WANTED.split(";\n")):
                session.execute(statement)
        site = SimpleNamespace(
            stack=SimpleNamespace(place=SimpleNamespace(home=tmp_path)),
            quick=True,
            repetitions=1,
            progress=lambda _: None,
            admin=lambda _: psycopg.connect(urls.owner),
            database_url=lambda _: urls.owner,
        )
        (digest,) = session.execute("SELECT encode(sha256('2'), 'hex')").fetchone()
        figure = measure(site, "journals in bulk", digest)
        assert (figure.name, figure.unit) == (NAME, "tx/s")
        journals, of_import, entries, accounts, announced, versions = session.execute(_WRITTEN).fetchone()
    assert journals == of_import + 1 > 1
    assert entries == 2 * journals
    assert accounts == 8
    assert announced == journals
    assert versions == of_import
