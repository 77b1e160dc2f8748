"""Keeps which files were staged before it was asked which of two holds, and has a preferred reading of a part stand in gaps.

What was staged by now and contradicts nothing was not looked through, or had nothing to be asked about: either way its
months are computed again without the question.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

KEPT = """
CREATE TABLE files_before_orders (file_id text COLLATE "C" PRIMARY KEY REFERENCES report_files);
INSERT INTO files_before_orders SELECT file_id FROM report_files WHERE state = 'STAGED';
"""
# A file that was preferred came last by then.
PARTS = """
CREATE OR REPLACE VIEW statement_parts AS
SELECT DISTINCT ON (f.source, h.account_number, h.currency, h.number, h.part, h.opening_on) f.source, f.received_at, h.*
  FROM statement_heads AS h JOIN report_files AS f USING (file_id)
  LEFT JOIN LATERAL (SELECT p.nth, a.nth AS place FROM preferred_files AS p
                       JOIN report_files AS a ON a.file_id = p.after_file_id
                      WHERE p.file_id = h.file_id ORDER BY p.nth DESC LIMIT 1) AS last ON true
 WHERE h.part IS NOT NULL
 ORDER BY f.source, h.account_number, h.currency, h.number, h.part, h.opening_on,
          coalesce(last.place, f.nth) DESC, last.nth DESC NULLS LAST, h.nth DESC;
"""


def upgrade() -> None:
    """Fill the table, and order the view by what came last."""
    op.execute(KEPT)
    protect(op, "files_before_orders")
    op.execute(PARTS)
