"""Remembers which returns were withdrawn, and lets one that was given without its ground be a break.

A return is withdrawn once, of the break that it was told for, and never while that waits for it or is resolved by it.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TYPES = """
ALTER TABLE breaks
    DROP CONSTRAINT breaks_type_check,
    ADD CONSTRAINT breaks_type_check CHECK (type IN (
        'currency_mismatch', 'amount_mismatch', 'duplicate_charge', 'stray_capture', 'status_conflict',
        'processor_success_internal_missing', 'missing_refund', 'settlement_delay',
        'internal_success_processor_failure', 'fee_mismatch', 'missing_in_bank', 'unexpected_in_bank', 'unposted',
        'unexplained_journal', 'unfounded_adjustment', 'unfounded_return'));
"""

WITHDRAWN = """
CREATE TABLE withdrawn_returns (
    asked_event_id text COLLATE "C" PRIMARY KEY REFERENCES told_returns,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    payment_id text COLLATE "C" NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    withdrawn_by text CHECK (withdrawn_by <> ''),
    run_id text COLLATE "C",
    withdrawn_at timestamptz NOT NULL,
    CONSTRAINT withdrawn_returns_by CHECK (num_nonnulls(withdrawn_by, run_id) = 1)
);

CREATE FUNCTION check_withdrawn_return() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM told_returns AS t JOIN breaks AS b USING (break_id)
         WHERE t.event_id = NEW.asked_event_id AND (t.break_id, t.payment_id) = (NEW.break_id, NEW.payment_id)
           AND b.state = CASE WHEN NEW.run_id IS NULL THEN 'OPEN' ELSE 'SELF_CLOSED' END) THEN
        RAISE EXCEPTION '% is wanted still, or was never told of %', NEW.asked_event_id, NEW.break_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawn_return_unwanted';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER withdrawn_returns_step BEFORE INSERT ON withdrawn_returns
    FOR EACH ROW EXECUTE FUNCTION check_withdrawn_return();

-- Everything that was asked for and is wanted no more.
CREATE VIEW withdrawn_resolutions AS
SELECT asked_event_id, withdrawn_at FROM withdrawn_adjustments
UNION ALL SELECT asked_event_id, withdrawn_at FROM withdrawn_returns;
"""


def upgrade() -> None:
    """Add the type, the table and the view."""
    for part in (TYPES, WITHDRAWN):
        op.execute(part)
    protect(op, "withdrawn_returns")
