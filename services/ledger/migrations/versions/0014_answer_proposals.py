"""Remembers which proposal of reconciliation an adjustment was kept for: one adjustment for each, whoever writes it.

The release before keeps adjustments without it, and answers none of them.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ASKED = """
ALTER TABLE adjustments
    ADD COLUMN asked_event_id text COLLATE "C",
    ADD CONSTRAINT adjustments_asked_no_reversal CHECK (asked_event_id IS NULL OR reverses_adjustment_id IS NULL);
CREATE UNIQUE INDEX adjustments_asked_once ON adjustments (asked_event_id) WHERE asked_event_id IS NOT NULL;
CREATE TRIGGER adjustments_asked_stays BEFORE UPDATE OF asked_event_id ON adjustments
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE adjustments ENABLE ALWAYS TRIGGER adjustments_asked_stays;
"""


def upgrade() -> None:
    """Add the column, which never changes either."""
    op.execute(ASKED)
