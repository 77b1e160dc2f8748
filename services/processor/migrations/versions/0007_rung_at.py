"""Gives the ladder a time of its own for the next rung, which look-ups on request do not touch.

The table itself refuses to climb on a look-up that was made before that time: reading a payment cannot exhaust its ladder.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOVE = """
CREATE OR REPLACE FUNCTION attempts_move() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.state = 'closed' AND NEW.state <> 'closed' THEN
        RAISE EXCEPTION 'attempt % is closed: nothing may send it again', OLD.operation_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.lease_epoch < OLD.lease_epoch OR NEW.asked <> OLD.asked OR NEW.cause_id <> OLD.cause_id
       OR (OLD.lease_epoch = NEW.lease_epoch AND NEW.attempt_number <> OLD.attempt_number) THEN
        RAISE EXCEPTION 'attempt %: lease epochs only grow, and what was asked never changes', OLD.operation_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.rung > OLD.rung AND NEW.looked_up_at < OLD.rung_at THEN
        RAISE EXCEPTION 'attempt %: a look-up on request climbs no rung', OLD.operation_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
"""


def upgrade() -> None:
    """Add the column; of an attempt from before the next look-up counts as the ladder's own."""
    op.execute("ALTER TABLE attempts ADD COLUMN rung_at timestamptz")
    op.execute(MOVE)
