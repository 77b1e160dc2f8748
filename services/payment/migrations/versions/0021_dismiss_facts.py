"""Lets an operator dismiss a fact that has fitted nowhere until its deadline: it is looked at no more, and no longer stuck."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

DISMISSED = """
ALTER TABLE waiting_facts ADD COLUMN dismissed_at timestamptz, ADD COLUMN dismissed_by text,
    ADD COLUMN dismissed_reason text;
ALTER TABLE waiting_facts ADD CONSTRAINT waiting_facts_dismissed_by_somebody CHECK (
    (dismissed_at IS NULL) = (dismissed_by IS NULL) AND (dismissed_at IS NULL) = (dismissed_reason IS NULL));
ALTER TABLE waiting_facts ADD CONSTRAINT waiting_facts_dismissed_once_stuck CHECK (dismissed_at >= deadline_at);
CREATE FUNCTION refuse_dismissed_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'waiting fact % was dismissed', OLD.waiting_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'waiting_facts_dismissed_once';
END
$$;
CREATE TRIGGER waiting_facts_dismissed BEFORE UPDATE ON waiting_facts FOR EACH ROW
    WHEN (OLD.dismissed_at IS NOT NULL
          AND (NEW.dismissed_at, NEW.dismissed_by, NEW.dismissed_reason)
              IS DISTINCT FROM (OLD.dismissed_at, OLD.dismissed_by, OLD.dismissed_reason))
    EXECUTE FUNCTION refuse_dismissed_step();
"""


def upgrade() -> None:
    """Add the columns with their rules; nothing that waits is dismissed here."""
    op.execute(DISMISSED)
