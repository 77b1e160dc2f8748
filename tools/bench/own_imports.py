"""The base of bulk with its own rows: what the ledger writes for a line of a file, into its own tables, by pgbench.

One transaction per journal, through every index, constraint and trigger of the books: the journal with two entries, the
announcement and its version. The rows are those of a line that was booked, with other names and one of the merchants
that were opened; they are of an import that two people wanted and that is never finished.
"""

from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tools.bench.figures import Figure
from tools.bench.own_journals import variables_of
from tools.bench.pgbench import pgbench
from tools.bench.site import Site
from tools.local_stack.layout import StackError

NAME: Final = "pgbench, bulk's own rows"
DATABASE: Final = "ledger"

# The account of the merchant is the next one that there is: ids have gaps.
_SCRIPT: Final = r"""
\set n random(1, 1000000000000000)
\set place random(:first_merchant, :last_merchant)
BEGIN;
SELECT nextval('journal_positions') AS position, account_id AS merchant, owner AS merchant_id FROM accounts
 WHERE family = :family AND account_id >= :place ORDER BY account_id LIMIT 1 \gset
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, merchant_id,
                      currency, amount_minor, entry_count, effective_at)
  VALUES (:position, 'jrn_' || lpad(:n::text, 26, '0'), :rule, 'evt_' || lpad(:n::text, 26, '0'), :cause_event_type,
          'bench ' || lpad(:n::text, 26, '0'), :import_id, :merchant_id, :currency, :amount, 2, now());
INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key)
  VALUES (:position::bigint, 1, :debited::bigint, 'debit'::entry_side, :amount::bigint, :currency::text, NULL),
         (:position::bigint, 2, :merchant::bigint, 'credit'::entry_side, :amount::bigint, :currency::text, NULL);
INSERT INTO outbox_streams AS s (topic, key, last_version)
  VALUES (:told_on, 'jrn_' || lpad(:n::text, 26, '0'), 1)
  ON CONFLICT (topic, key) DO UPDATE SET last_version = s.last_version + 1;
INSERT INTO outbox (shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject, event_time,
                    cause_id, payload, payload_sha256)
  VALUES (0, :told_on, 'jrn_' || lpad(:n::text, 26, '0'), 1, 'evt_' || lpad(:n::text, 26, '0'), :event_type,
          :data_schema, :source, 'jrn_' || lpad(:n::text, 26, '0'), now(), 'evt_' || lpad(:n::text, 26, '0'),
          decode(:payload, 'hex'), decode(:sha256, 'hex'));
COMMIT;
"""
_BOOKED: Final = """
SELECT j.rule, j.cause_event_type, j.currency, j.amount_minor AS amount, debit.account_id AS debited, account.family,
       o.topic AS told_on, o.event_type, o.data_schema, o.source, encode(o.payload, 'hex') AS payload,
       encode(o.payload_sha256, 'hex') AS sha256
  FROM journals AS j
  JOIN entries AS debit ON (debit.journal_position, debit.line, debit.side) = (j.position, 1, 'debit')
  JOIN entries AS owed ON (owed.journal_position, owed.line, owed.side) = (j.position, 2, 'credit')
  JOIN accounts AS account ON account.account_id = owed.account_id
  JOIN outbox AS o ON o.cause_id = j.cause_event_id
 WHERE j.rule = 'imported' AND j.entry_count = 2 ORDER BY j.position DESC LIMIT 1
"""
_MERCHANTS: Final = """
SELECT min(account_id) AS first_merchant, max(account_id) AS last_merchant FROM accounts WHERE family = %(family)s
"""
# As the command begins it, once two people want these bytes.
_BEGIN: Final = """
INSERT INTO imports (import_id, file_sha256, file_name, journals, begun_by, reason, begun_at)
SELECT import_id, file_sha256, file_name, journals, proposed_by, reason, now() FROM import_proposals
 WHERE state = 'APPROVED' AND file_sha256 = decode(%(sha256)s, 'hex')
RETURNING import_id
"""


def measure(site: Site, section: str, approved_sha256: str) -> Figure:
    """Journals per second of pgbench, each in a transaction of its own; files were booked before, this one was not."""
    with site.admin(DATABASE) as books:
        found = _found(books, approved_sha256)
    return pgbench(site, NAME, _SCRIPT, section=section, database=DATABASE, variables=variables_of(found))


def _found(books: "psycopg.Connection[Any]", approved_sha256: str) -> dict[str, Any]:
    session = books.cursor(row_factory=dict_row)
    booked = session.execute(_BOOKED).fetchone()
    begun = session.execute(_BEGIN, {"sha256": approved_sha256}).fetchone()
    if booked is None or begun is None:
        raise StackError("no file of journals of two entries was booked, or this one is not approved")
    merchants = session.execute(_MERCHANTS, {"family": booked["family"]}).fetchone() or {}
    return {**booked, **begun, **merchants}
