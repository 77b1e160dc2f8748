"""Has changed lines compared with what they were by a plan for as many as there are.

The function's plan was kept by the session that had first changed one line: with ten thousand, each was compared with
each, for longer than a statement may take.
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

CHANGED = """
-- Planned each time: for a line, or for thousands that are announced together.
CREATE OR REPLACE FUNCTION touch_changed_lines() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    EXECUTE 'INSERT INTO touched_lines (source, line_id, fresh, former_object_id, former_reference, former_amount)
             SELECT n.source, n.line_id, false, o.object_id, o.our_reference,
                    CASE WHEN o.object_id IS NULL AND o.our_reference IS NULL
                         THEN o.gross_minor::text || o.currency END
               FROM changed AS n JOIN former AS o USING (source, line_id, revision)
              WHERE (n.stands, n.withdrawn, n.category, n.object_id, n.our_reference, n.currency, n.gross_minor,
                     n.fee_currency, n.fee_minor, n.net_currency, n.net_minor, n.occurred_at)
                 IS DISTINCT FROM
                    (o.stands, o.withdrawn, o.category, o.object_id, o.our_reference, o.currency, o.gross_minor,
                     o.fee_currency, o.fee_minor, o.net_currency, o.net_minor, o.occurred_at)';
    RETURN NULL;
END
$$;
"""


def upgrade() -> None:
    """Replace the function; nobody has to stop for it."""
    op.execute(CHANGED)
