"""Counts how often it was tried to let a file hold that a person asked for: what keeps failing ends, and can be asked anew.

Until then a wish that met a statement's time limit, or a fault of ours, was tried for ever, before any file was staged.
"""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TRIED = """
ALTER TABLE asked_preferences
    ADD COLUMN tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    ADD COLUMN next_try_at timestamptz,
    DROP CONSTRAINT asked_preferences_state_check,
    ADD CONSTRAINT asked_preferences_state_check CHECK (state IN ('WAITING', 'DONE', 'REFUSED', 'FAILED')),
    DROP CONSTRAINT asked_preferences_refused,
    ADD CONSTRAINT asked_preferences_refused CHECK (
        CASE WHEN state IN ('REFUSED', 'FAILED') THEN num_nulls(refused_code, refused) = 0
             ELSE num_nonnulls(refused_code, refused) = 0 END),
    ADD CONSTRAINT asked_preferences_tried CHECK (state <> 'FAILED' OR tries > 0);
GRANT UPDATE (tries, next_try_at) ON asked_preferences TO reconciliation_app;
"""


def upgrade() -> None:
    """Add the count; what waits was not tried yet."""
    op.execute(TRIED)
