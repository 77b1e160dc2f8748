"""Keeps which part of a bank's statement a message is, and names what its parts lack: each goes on where one ended.

Parts that were staged before say nothing of this: they stand as they are, corrected by nothing.
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

PARTS = """
ALTER TABLE statement_heads
    ADD COLUMN number text COLLATE "C" CHECK (number <> ''),
    ADD COLUMN part integer CHECK (part > 0),
    ADD COLUMN opens boolean,
    ADD COLUMN closes boolean,
    ADD CONSTRAINT statement_heads_part CHECK (num_nonnulls(number, part, opens, closes) IN (0, 4));
CREATE INDEX statement_heads_of_parts ON statement_heads (account_number, number, part) WHERE part IS NOT NULL;
"""

# Of each part its last reading. An interim balance at either end needs a part beside it that has the same one there;
# the number of a statement comes again next year. 31 days: no statement is longer.
GAPS = """
CREATE VIEW statement_parts AS
SELECT DISTINCT ON (f.source, h.account_number, h.currency, h.number, h.part, h.opening_on) f.source, f.received_at, h.*
  FROM statement_heads AS h JOIN report_files AS f USING (file_id)
 WHERE h.part IS NOT NULL
 ORDER BY f.source, h.account_number, h.currency, h.number, h.part, h.opening_on, h.nth DESC;

CREATE VIEW statement_gaps AS
SELECT p.source, p.file_id, p.received_at, p.account_number, p.currency, p.number AS statement, p.part, p.opening_on,
       e.field, CASE WHEN n.part IS NULL THEN 'part_missing' ELSE 'part_not_continued' END AS code,
       p.part + e.step AS other_part, e.minor AS expected_minor, n.minor AS found_minor
  FROM statement_parts AS p
 CROSS JOIN LATERAL (VALUES (-1, ':60M:', p.opens, p.opening_minor), (1, ':62M:', p.closes, p.closing_minor))
         AS e (step, field, ends, minor)
  LEFT JOIN LATERAL (
       SELECT o.part, CASE e.step WHEN 1 THEN o.opening_minor ELSE o.closing_minor END AS minor,
              CASE e.step WHEN 1 THEN o.opens ELSE o.closes END AS ends
         FROM statement_parts AS o
        WHERE o.source = p.source AND o.account_number = p.account_number AND o.currency = p.currency
          AND o.number = p.number AND o.part = p.part + e.step
          AND o.opening_on BETWEEN p.opening_on - 31 AND p.opening_on + 31
        ORDER BY abs(o.opening_on - p.opening_on), o.nth DESC LIMIT 1) AS n ON true
 WHERE NOT e.ends AND (n.ends OR n.minor IS DISTINCT FROM e.minor);
"""


def upgrade() -> None:
    """Add the columns and both views."""
    for part in (PARTS, GAPS):
        op.execute(part)
