"""Numbers the pieces of a feed, source by source, so that the same piece again is known and a gap is named.

A piece is a file as any other; the process that runs still knows of no such thing and keeps files without a number.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FEEDS = """
ALTER TABLE report_files ADD COLUMN feed_sequence bigint CHECK (feed_sequence > 0);
CREATE UNIQUE INDEX report_files_of_feed ON report_files (source, feed_sequence) WHERE feed_sequence IS NOT NULL;

-- A piece is kept behind the one before it: what came later corrects what came earlier, so none may come in between.
CREATE FUNCTION check_feed_goes_on() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NEW.feed_sequence <> 1 + (SELECT coalesce(max(feed_sequence), 0) FROM report_files
                                  WHERE source = NEW.source AND feed_sequence IS NOT NULL) THEN
        RAISE EXCEPTION 'piece % of % does not follow the last one', NEW.feed_sequence, NEW.source
            USING ERRCODE = 'check_violation', CONSTRAINT = 'feed_goes_on';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER report_files_feed BEFORE INSERT ON report_files FOR EACH ROW WHEN (NEW.feed_sequence IS NOT NULL)
    EXECUTE FUNCTION check_feed_goes_on();

CREATE TRIGGER report_files_keeps_feed BEFORE UPDATE OF feed_sequence ON report_files
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE report_files ENABLE ALWAYS TRIGGER report_files_keeps_feed;
"""


def upgrade() -> None:
    """Add the column, its order and its protection."""
    op.execute(FEEDS)
