"""Keeps with each file how its source was declared when it was staged: computed again, it is read so.

A source may be declared otherwise within a month, once no file of it waits. Its earlier files were read as it was declared
then, and computing the month again read all of them as it was declared at the close.
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Whoever stages a file holds its source. Of files that came before the source was last declared nobody knows it any more:
# they are read as at the close of their month, as before.
KEPT = """
ALTER TABLE report_files
    ADD COLUMN read_format text COLLATE "C",
    ADD COLUMN read_options jsonb,
    ADD CONSTRAINT report_files_read CHECK (num_nulls(read_format, read_options) IN (0, 2));
ALTER TABLE report_files DISABLE TRIGGER report_files_step;
UPDATE report_files AS f SET read_format = s.format, read_options = s.options FROM sources AS s
 WHERE s.source = f.source AND f.state = 'STAGED' AND f.closed_at > s.changed_at;
ALTER TABLE report_files ENABLE TRIGGER report_files_step;

CREATE FUNCTION keep_how_file_was_read() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    SELECT format, options INTO NEW.read_format, NEW.read_options FROM sources WHERE source = NEW.source;
    RETURN NEW;
END
$$;
CREATE TRIGGER report_files_how_read BEFORE UPDATE OF state ON report_files FOR EACH ROW
    WHEN (NEW.state = 'STAGED' AND OLD.state <> 'STAGED') EXECUTE FUNCTION keep_how_file_was_read();
CREATE TRIGGER report_files_keeps_how_read BEFORE UPDATE OF read_format, read_options ON report_files FOR EACH ROW
    EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    """Add it, and fill it in where the source was not declared otherwise since."""
    op.execute(KEPT)
