"""Has only claims on lines that were announced told: of the others the announcement itself tells.

Both take turns by the lock of runs. A run that claims a line sees every announcement whose row anybody has taken before;
one whose row is still there is told of after the run, with its claim.

Nobody has to stop for this: it waits for a run that is at work, and the next one finds the new trigger.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

CLAIMED = """
-- Planned each time: of a line, of a month, beside no announcements or millions.
CREATE FUNCTION have_claimed_told() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    EXECUTE 'INSERT INTO untold_lines (source, line_id)
             SELECT c.source, c.line_id FROM changed AS c
              WHERE EXISTS (SELECT FROM announced_lines AS a WHERE a.source = c.source AND a.line_id = c.line_id)
              ORDER BY c.source, c.line_id';
    RETURN NULL;
END
$$;
DROP TRIGGER claims_inserted ON claims;
CREATE TRIGGER claims_inserted AFTER INSERT ON claims REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION have_claimed_told();
"""


def upgrade() -> None:
    """Create everything of version 14."""
    op.execute(CLAIMED)
