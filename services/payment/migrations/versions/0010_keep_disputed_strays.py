"""Refuses the return of a stray that somebody claims by dispute, also against plain SQL.

A dispute of which only a money row is known claims as well: nobody can say yet how it stands.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CLAIMED = """
CREATE FUNCTION check_stray_unclaimed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM disputes AS d WHERE d.payment_id = NEW.payment_id AND d.stray_id = NEW.stray_id
                AND (d.implied OR d.status NOT IN ('won', 'inquiry'))) THEN
        RAISE EXCEPTION 'stray % is disputed', NEW.stray_id USING ERRCODE = 'check_violation',
            CONSTRAINT = 'strays_disputed_not_returned';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER strays_unclaimed BEFORE UPDATE ON strays FOR EACH ROW
    WHEN (NEW.reserved_minor > OLD.reserved_minor) EXECUTE FUNCTION check_stray_unclaimed();
"""


def upgrade() -> None:
    """Add the trigger; no stored row is looked at, and a return that is under way runs on."""
    op.execute(CLAIMED)
