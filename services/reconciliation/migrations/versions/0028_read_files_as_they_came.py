"""Lets a source be declared otherwise only while no file of it waits: each is read as it was declared when it came."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

NOTHING_WAITS = """
CREATE FUNCTION check_no_file_waits() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM report_files WHERE source = NEW.source AND state = 'RECEIVED') THEN
        RAISE EXCEPTION 'files of % wait to be read as it was declared when they came', NEW.source
            USING ERRCODE = 'check_violation', CONSTRAINT = 'source_no_file_waits';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sources_no_file_waits BEFORE UPDATE ON sources FOR EACH ROW
    WHEN ((NEW.format, NEW.options) IS DISTINCT FROM (OLD.format, OLD.options))
    EXECUTE FUNCTION check_no_file_waits();
"""


def upgrade() -> None:
    """Add the check."""
    op.execute(NOTHING_WAITS)
