"""Numbers files in the order in which they were staged, which decides which reading holds, not in the one of their arrival.

Of two that come at once the later one may be whole first, and one that was refused may be read again behind others.
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# What was staged by one worker after another was closed in that order. The next run looks anew at what files lack.
KEPT = """
CREATE SEQUENCE report_files_staged;
ALTER TABLE report_files ADD COLUMN staged_nth bigint;
ALTER TABLE report_files DISABLE TRIGGER report_files_step;
UPDATE report_files AS f SET staged_nth = o.staged_nth
  FROM (SELECT file_id, row_number() OVER (ORDER BY closed_at, nth) AS staged_nth FROM report_files
         WHERE state = 'STAGED') AS o WHERE o.file_id = f.file_id;
ALTER TABLE report_files ENABLE TRIGGER report_files_step;
SELECT setval('report_files_staged', 1 + (SELECT count(*) FROM report_files));
ALTER TABLE report_files ADD CONSTRAINT report_files_numbered CHECK (state <> 'STAGED' OR staged_nth IS NOT NULL);
CREATE UNIQUE INDEX report_files_by_staging ON report_files (staged_nth);

-- Whoever stages a file holds its source: of one source the numbers are drawn in turn.
CREATE FUNCTION number_staged_file() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    NEW.staged_nth := nextval('report_files_staged');
    RETURN NEW;
END
$$;
CREATE TRIGGER report_files_number BEFORE UPDATE OF state ON report_files FOR EACH ROW
    WHEN (NEW.state = 'STAGED' AND OLD.staged_nth IS NULL) EXECUTE FUNCTION number_staged_file();
CREATE TRIGGER report_files_keeps_number BEFORE UPDATE OF staged_nth ON report_files FOR EACH ROW
    WHEN (OLD.staged_nth IS NOT NULL AND NEW.staged_nth IS DISTINCT FROM OLD.staged_nth)
    EXECUTE FUNCTION refuse_change();
"""
# As in 0030 and 0031, by the order of staging.
PARTS = """
CREATE OR REPLACE VIEW statement_parts AS
SELECT DISTINCT ON (f.source, h.account_number, h.currency, h.number, h.part, h.opening_on) f.source, f.received_at, h.*
  FROM statement_heads AS h JOIN report_files AS f USING (file_id)
  LEFT JOIN LATERAL (SELECT p.nth, a.staged_nth AS place FROM preferred_files AS p
                       JOIN report_files AS a ON a.file_id = p.after_file_id
                      WHERE p.file_id = h.file_id ORDER BY p.nth DESC LIMIT 1) AS last ON true
 WHERE h.part IS NOT NULL
 ORDER BY f.source, h.account_number, h.currency, h.number, h.part, h.opening_on,
          coalesce(last.place, f.staged_nth) DESC, last.nth DESC NULLS LAST, h.nth DESC;
"""
ASKED = """
CREATE OR REPLACE FUNCTION check_preference_asked() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(file_order_turn(NEW.source));
    IF NEW.state <> 'WAITING' OR EXISTS (
        SELECT FROM contradicted_files AS c
          JOIN report_files AS later ON later.file_id = c.file_id
          JOIN report_files AS this ON this.file_id = NEW.file_id
          JOIN breaks AS b ON b.subject = 'order:' || c.file_id || ':' || c.former_file_id || ':' || c.currency
         WHERE NEW.file_id IN (c.file_id, c.former_file_id) AND later.staged_nth > this.staged_nth
           AND b.state IN ('PROPOSED', 'APPLYING', 'RESOLVED')) THEN
        RAISE EXCEPTION 'two people decided, or are deciding, which file holds: not % alone', NEW.file_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'preference_undecided';
    END IF;
    RETURN NEW;
END
$$;
"""


def upgrade() -> None:
    """Number what was staged, as it was closed, and order by that from now on."""
    op.execute(KEPT)
    op.execute(PARTS)
    op.execute(ASKED)
