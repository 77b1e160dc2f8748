"""Lets a break be resolved by an adjustment of the books: what was proposed, by whom, and what the ledger was told.

Whoever writes it: kept is what a break was proposed for, told is what it was resolved as, by two people.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

RESOLUTIONS = """
ALTER TABLE breaks
    DROP CONSTRAINT breaks_resolution_check,
    ADD CONSTRAINT breaks_resolution_check CHECK (
        resolution IN ('accepted', 'timing_difference', 'stray_return', 'adjustment'));
"""

ADJUSTMENTS = """
CREATE TABLE break_adjustments (
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    proposed_at timestamptz NOT NULL,
    proposed_by text NOT NULL,
    template text COLLATE "C" NOT NULL CHECK (template <> ''),
    parameters jsonb NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL,
    PRIMARY KEY (break_id, proposed_at)
);
CREATE TABLE told_adjustments (
    event_id text COLLATE "C" PRIMARY KEY,
    break_id text COLLATE "C" NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by text NOT NULL,
    told_at timestamptz NOT NULL,
    FOREIGN KEY (break_id, proposed_at) REFERENCES break_adjustments,
    CONSTRAINT told_adjustments_once UNIQUE (break_id, proposed_at)
);

CREATE FUNCTION check_break_adjustment() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b
         WHERE b.break_id = NEW.break_id AND b.state = 'PROPOSED' AND b.resolution = 'adjustment'
           AND (b.proposed_by, b.changed_at, b.currency) = (NEW.proposed_by, NEW.proposed_at, NEW.currency)
           AND NEW.amount_minor <= b.at_risk_minor) THEN
        RAISE EXCEPTION '% was not proposed so', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_adjustment_as_proposed';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER break_adjustments_step BEFORE INSERT ON break_adjustments
    FOR EACH ROW EXECUTE FUNCTION check_break_adjustment();

CREATE FUNCTION check_told_adjustment() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM breaks AS b JOIN break_adjustments AS a USING (break_id)
         WHERE b.break_id = NEW.break_id AND b.state = 'RESOLVED' AND b.resolution = 'adjustment'
           AND a.proposed_at = NEW.proposed_at AND a.proposed_by = b.proposed_by
           AND a.proposed_at = (SELECT max(last.proposed_at) FROM break_adjustments AS last
                                 WHERE last.break_id = NEW.break_id)
           AND (b.approved_by, b.changed_at) = (NEW.approved_by, NEW.told_at)
           AND b.approved_by <> b.proposed_by) THEN
        RAISE EXCEPTION 'no two people resolved % so', NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'told_adjustment_as_resolved';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER told_adjustments_step BEFORE INSERT ON told_adjustments
    FOR EACH ROW EXECUTE FUNCTION check_told_adjustment();
"""


def upgrade() -> None:
    """Widen what a break may be resolved as, and add the tables."""
    op.execute(RESOLUTIONS)
    op.execute(ADJUSTMENTS)
    for table in ("break_adjustments", "told_adjustments"):
        protect(op, table)
