"""Lets payments end that waited for a payment method for a month; refused sooner, and while anything is undecided."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ABANDONED = """
ALTER TABLE payments ADD COLUMN abandoned boolean NOT NULL DEFAULT false;
ALTER TABLE payments ADD CONSTRAINT payments_abandoned_is_canceled CHECK (NOT abandoned OR status = 'CANCELED');
-- By birth and not by the last change: an index of what every write changes would cost every write.
CREATE INDEX payments_without_method ON payments (created_at) WHERE status = 'REQUIRES_PAYMENT_METHOD';
CREATE FUNCTION check_abandoned() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT NEW.abandoned OR OLD.status <> 'REQUIRES_PAYMENT_METHOD'
       OR NEW.updated_at - OLD.updated_at < interval '30 days'
       OR EXISTS (SELECT FROM operations AS o
                   WHERE o.payment_id = NEW.payment_id AND o.type IN ('authorize', 'capture', 'cancel')
                     AND o.state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW')) THEN
        RAISE EXCEPTION 'payment % is not abandoned', NEW.payment_id USING ERRCODE = 'check_violation',
            CONSTRAINT = 'payments_abandoned_in_time';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payments_abandoned BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (NEW.abandoned IS DISTINCT FROM OLD.abandoned) EXECUTE FUNCTION check_abandoned();
"""


def upgrade() -> None:
    """Add the column, the index of those that wait, and the trigger; no stored payment is ended here."""
    op.execute(ABANDONED)
