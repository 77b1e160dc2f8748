"""Counts what disputes and reversals took of a stray from zero up, as the code does.

Money that came back before its taking is known makes ``taken_back_minor`` negative. It was the stray's all the time, so
it is no room for a return: until now the trigger alone read it as such.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RETURNS = """
CREATE OR REPLACE FUNCTION check_stray_return() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NEW.kind <> 'money' OR NEW.released
       OR NEW.returned_minor + NEW.reserved_minor + greatest(NEW.taken_back_minor, 0) > NEW.amount_minor THEN
        RAISE EXCEPTION 'stray % cannot be returned once more', NEW.stray_id USING ERRCODE = 'check_violation',
            CONSTRAINT = 'strays_returned_once';
    END IF;
    RETURN NEW;
END
$$;
"""


def upgrade() -> None:
    """Replace the function; its trigger stays, and no stored row is looked at."""
    op.execute(RETURNS)
