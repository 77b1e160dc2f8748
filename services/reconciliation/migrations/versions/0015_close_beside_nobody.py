"""Has whoever adds figures of a month and whoever closes it take turns, whichever way they write.

What is added is there before the month is worked out, or is refused because it is closed: nothing comes in between.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STILL_OPEN = """
CREATE OR REPLACE FUNCTION period_still_open() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    closed text;
BEGIN
    -- Whoever closes holds it alone from before the figures are worked out until they are committed.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('reconciliation closing', 0));
    SELECT min(c.period) INTO closed FROM (SELECT DISTINCT period FROM added) AS a JOIN closed_periods AS c USING (period);
    IF closed IS NOT NULL THEN
        RAISE EXCEPTION 'period % is closed and stays as it is', closed
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_still_open';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Replace the check of what is added."""
    op.execute(STILL_OPEN)
