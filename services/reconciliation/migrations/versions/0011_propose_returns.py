"""Lets a break be resolved by giving a charge back, and keeps what payment was told of it, by which two people.

Whoever writes it: what is told is what the break was resolved as, by the two people that the break names.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RESOLUTIONS = """
ALTER TABLE breaks
    DROP CONSTRAINT breaks_resolution_check,
    ADD CONSTRAINT breaks_resolution_check CHECK (
        resolution IN ('accepted', 'timing_difference', 'stray_return'));
"""

TOLD = """
CREATE TABLE told_returns (
    event_id text COLLATE "C" PRIMARY KEY,
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    payment_id text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL,
    proposed_by text NOT NULL,
    approved_by text NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT told_returns_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT told_returns_once UNIQUE (break_id, told_at)
);

CREATE FUNCTION check_told_return() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.state = 'RESOLVED' AND b.resolution = 'stray_return'
           AND (b.proposed_by, b.approved_by, b.theirs_minor, b.currency)
             = (NEW.proposed_by, NEW.approved_by, NEW.amount_minor, NEW.currency)
           AND b.changed_at = NEW.told_at) THEN
        RAISE EXCEPTION 'no two people resolved % so', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_return_as_resolved';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER told_returns_step BEFORE INSERT ON told_returns FOR EACH ROW EXECUTE FUNCTION check_told_return();
"""


def upgrade() -> None:
    """Widen what a break may be resolved as, and add the table."""
    op.execute(RESOLUTIONS)
    op.execute(TOLD)
    protect(op, "told_returns")
