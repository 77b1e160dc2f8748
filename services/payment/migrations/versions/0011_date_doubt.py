"""Dates the first doubt of an operation, so that its age does not start anew when it goes before a person."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The release before does not name the column: what it puts in doubt is dated by the trigger.
DOUBT = """
ALTER TABLE operations ADD COLUMN doubtful_since timestamptz;
UPDATE operations AS o SET doubtful_since = coalesce(
    (SELECT min(h.at) FROM status_history AS h
      WHERE h.payment_id = o.payment_id AND h.subject = 'operation' AND h.subject_id = o.operation_id
        AND h.to_state = 'UNCERTAIN'), o.since)
 WHERE o.state IN ('UNCERTAIN', 'IN_REVIEW');
ALTER TABLE operations ADD CONSTRAINT operations_doubt_is_dated CHECK (
    state NOT IN ('UNCERTAIN', 'IN_REVIEW') OR doubtful_since IS NOT NULL);
CREATE FUNCTION date_doubt() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    NEW.doubtful_since := now();
    RETURN NEW;
END
$$;
CREATE FUNCTION refuse_younger_doubt() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'operation % is in doubt since %', OLD.operation_id, OLD.doubtful_since
        USING ERRCODE = 'check_violation', CONSTRAINT = 'operations_doubt_is_dated_once';
END
$$;
-- Conditions of the triggers and not of their functions: nearly every operation is never in doubt and calls neither.
CREATE TRIGGER operations_doubt_dated BEFORE INSERT OR UPDATE ON operations FOR EACH ROW
    WHEN (NEW.doubtful_since IS NULL AND NEW.state IN ('UNCERTAIN', 'IN_REVIEW')) EXECUTE FUNCTION date_doubt();
CREATE TRIGGER operations_doubt_kept BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.doubtful_since IS NOT NULL AND NEW.doubtful_since IS DISTINCT FROM OLD.doubtful_since)
    EXECUTE FUNCTION refuse_younger_doubt();
"""


def upgrade() -> None:
    """Add the column with the first doubt that history knows; it is set once."""
    op.execute(DOUBT)
