"""Has a revision of a line marked as told by the row that says so, and by nothing else.

The mark is what staging goes by: a reading without it is replaced where it lies, one with it stays. Whoever writes the
row marks the line with it; a mark that has no row behind it is refused, from plain SQL too.
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MARK = """
-- Planned each time: for a line, or for a thousand beside millions.
CREATE FUNCTION mark_announced() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    EXECUTE 'UPDATE settlement_lines AS l SET announced = true FROM changed AS c
              WHERE l.source = c.source AND l.line_id = c.line_id AND l.revision = c.revision AND NOT l.announced';
    RETURN NULL;
END
$$;
CREATE TRIGGER announced_lines_mark AFTER INSERT ON announced_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_announced();
"""

AS_TOLD = """
CREATE FUNCTION check_line_announced() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM announced_lines AS a
                    WHERE (a.source, a.line_id, a.revision) = (NEW.source, NEW.line_id, NEW.revision)) THEN
        RAISE EXCEPTION 'revision % of line % was not told', NEW.revision, NEW.line_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'line_announced_as_told';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER settlement_lines_added_announced BEFORE INSERT ON settlement_lines FOR EACH ROW
    WHEN (NEW.announced) EXECUTE FUNCTION check_line_announced();
CREATE TRIGGER settlement_lines_announced_as_told BEFORE UPDATE ON settlement_lines FOR EACH ROW
    WHEN (NEW.announced AND NOT OLD.announced) EXECUTE FUNCTION check_line_announced();
"""


def upgrade() -> None:
    """Add both; the code of version 16 writes the row first and marks what is marked by then, which changes nothing."""
    op.execute(MARK)
    op.execute(AS_TOLD)
