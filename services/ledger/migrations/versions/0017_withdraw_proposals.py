"""Remembers which proposals reconciliation withdrew: none of them is kept afterwards, whoever writes it.

What had been kept by then is rejected as it is withdrawn, and is decided once; what had been booked stays booked.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WITHDRAWN = """
CREATE TABLE withdrawn_proposals (
    asked_event_id text COLLATE "C" PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    break_id text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    withdrawn_by text NOT NULL CHECK (withdrawn_by <> ''),
    heard_at timestamptz NOT NULL
);
CREATE FUNCTION refuse_withdrawn() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM withdrawn_proposals WHERE asked_event_id = NEW.asked_event_id) THEN
        RAISE EXCEPTION 'the proposal % was withdrawn', NEW.asked_event_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_not_withdrawn';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER adjustment_not_withdrawn BEFORE INSERT ON adjustments FOR EACH ROW
    WHEN (NEW.asked_event_id IS NOT NULL) EXECUTE FUNCTION refuse_withdrawn();
"""


def upgrade() -> None:
    """Add the table and what it holds off."""
    op.execute(WITHDRAWN)
    protect(op, "withdrawn_proposals")
