"""The base with the ledger's own rows: what it writes for one capture, into its own tables, sent by pgbench.

One transaction per journal, through every index, constraint and trigger of the books: the inbox and its version, the
journal with three entries, the announcement and its version. The rows are those of a capture that the ledger booked,
with other names and one of the merchants that it opened accounts for.
"""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.rows import dict_row

from tools.bench.figures import Figure
from tools.bench.pgbench import pgbench
from tools.bench.site import Site
from tools.local_stack.layout import StackError

NAME: Final = "pgbench, the ledger's own rows"
DATABASE: Final = "ledger"
CONSUMER: Final = "bench"
"""Rows of the inbox stand under this name, so that none is in the ledger's way."""
NAMES: Final = {
    "consumer": CONSUMER,
    "topic": "payment.events",
    "clears": "alpha:acct_alpha:cap_",
    "told_as": ":succeeded:1",
}
"""What has colons is a value: pgbench looks for its variables between quotes too."""

# The account of the merchant is the next one that there is: ids have gaps.
_SCRIPT: Final = r"""
\set n random(1, 1000000000000000)
\set place random(:first_merchant, :last_merchant)
BEGIN;
INSERT INTO inbox (consumer, event_id, payload_sha256, topic, key, stream_version, event_time, outcome)
  VALUES (:consumer, 'evt_' || lpad(:n::text, 26, '0'), decode(:sha256, 'hex'), :topic,
          'pay_' || lpad(:n::text, 26, '0'), 1, now(), 'applied');
INSERT INTO inbox_versions AS v (consumer, topic, key, last_version)
  VALUES (:consumer, :topic, 'pay_' || lpad(:n::text, 26, '0'), 1)
  ON CONFLICT (consumer, topic, key) DO UPDATE SET last_version = excluded.last_version;
SELECT nextval('journal_positions') AS position, account_id AS merchant FROM accounts
 WHERE family = :family AND account_id >= :place ORDER BY account_id LIMIT 1 \gset
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, payment_id,
                      merchant_id, currency, amount_minor, from_party, to_party, entry_count, effective_at)
  VALUES (:position, 'jrn_' || lpad(:n::text, 26, '0'), :rule, 'evt_' || lpad(:n::text, 26, '0'), :cause_event_type,
          :clears || lpad(:n::text, 26, '0') || :told_as, 'cap_' || lpad(:n::text, 26, '0'),
          'pay_' || lpad(:n::text, 26, '0'), :merchant_id, :currency, :amount, :from_party, :to_party, 3, now());
INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key)
  VALUES (:position::bigint, 1, :debited::bigint, 'debit'::entry_side, :amount::bigint, :currency::text,
          :clears || lpad(:n::text, 26, '0')),
         (:position::bigint, 2, :merchant::bigint, 'credit'::entry_side, :amount::bigint - :fee::bigint,
          :currency::text, NULL),
         (:position::bigint, 3, :fees::bigint, 'credit'::entry_side, :fee::bigint, :currency::text, NULL);
INSERT INTO outbox_streams AS s (topic, key, last_version)
  VALUES (:told_on, 'pay_' || lpad(:n::text, 26, '0'), 1)
  ON CONFLICT (topic, key) DO UPDATE SET last_version = s.last_version + 1;
INSERT INTO outbox (shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject, event_time,
                    cause_id, payload, payload_sha256)
  VALUES (0, :told_on, 'pay_' || lpad(:n::text, 26, '0'), 1, 'evt_' || lpad(:n::text, 26, '0'), :event_type,
          :data_schema, :source, 'pay_' || lpad(:n::text, 26, '0'), now(), 'evt_' || lpad(:n::text, 26, '0'),
          decode(:payload, 'hex'), decode(:sha256, 'hex'));
COMMIT;
"""
_BOOKED: Final = """
SELECT j.rule, j.cause_event_type, j.merchant_id, j.currency, j.amount_minor AS amount, j.from_party, j.to_party,
       debit.account_id AS debited, fee.account_id AS fees, fee.amount_minor AS fee, account.family,
       o.topic AS told_on, o.event_type, o.data_schema, o.source, encode(o.payload, 'hex') AS payload,
       encode(o.payload_sha256, 'hex') AS sha256
  FROM journals AS j
  JOIN entries AS debit ON (debit.journal_position, debit.line, debit.side) = (j.position, 1, 'debit')
  JOIN entries AS owed ON (owed.journal_position, owed.line, owed.side) = (j.position, 2, 'credit')
  JOIN entries AS fee ON (fee.journal_position, fee.line, fee.side) = (j.position, 3, 'credit')
  JOIN accounts AS account ON account.account_id = owed.account_id
  JOIN outbox AS o ON o.cause_id = j.cause_event_id
 WHERE j.rule = 'capture' AND j.entry_count = 3 AND j.reverses_position IS NULL
 ORDER BY j.position DESC LIMIT 1
"""
_MERCHANTS: Final = """
SELECT min(account_id) AS first_merchant, max(account_id) AS last_merchant FROM accounts WHERE family = %(family)s
"""


def measure(site: Site, section: str) -> Figure:
    """Journals per second of pgbench, each in a transaction of its own; the ledger has booked captures before."""
    with site.admin(DATABASE) as books:
        session = books.cursor(row_factory=dict_row)
        booked = session.execute(_BOOKED).fetchone()
        if booked is None:
            raise StackError("the ledger has booked no capture of three entries that it announced")
        merchants = session.execute(_MERCHANTS, {"family": booked["family"]}).fetchone() or {}
    return pgbench(
        site, NAME, _SCRIPT, section=section, database=DATABASE, variables=variables_of(booked | merchants)
    )


def variables_of(booked: Mapping[str, Any]) -> dict[str, str]:
    """What the script names, as pgbench's own variables."""
    return {name: str(value) for name, value in {**booked, **NAMES}.items()}
