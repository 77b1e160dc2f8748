"""Keeps who asked for which file to hold, and what became of it: the worker does it in its turn, not the request.

While one waits nobody proposes or approves which file of its source holds, and none is asked for over what two people
decided or are deciding: whoever does either takes the source's turn until its transaction ends.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

KEPT = """
CREATE TABLE asked_preferences (
    nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL REFERENCES sources,
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    -- The last file of the source that was staged by then: whoever asked may have seen no later one.
    after_file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    asked_by text NOT NULL CHECK (asked_by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    asked_at timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('WAITING', 'DONE', 'REFUSED')),
    ended_at timestamptz,
    refused_code text COLLATE "C",
    refused text,
    CONSTRAINT asked_preferences_ended CHECK ((state = 'WAITING') = (ended_at IS NULL)),
    CONSTRAINT asked_preferences_refused CHECK (
        CASE state WHEN 'REFUSED' THEN num_nulls(refused_code, refused) = 0
                   ELSE num_nonnulls(refused_code, refused) = 0 END)
);
CREATE UNIQUE INDEX asked_preferences_one_waits ON asked_preferences (source) WHERE state = 'WAITING';
CREATE INDEX asked_preferences_of_file ON asked_preferences (file_id);
"""
CHECKS = """
CREATE FUNCTION file_order_turn(source text) RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = pg_catalog
    RETURN hashtextextended('reconciliation file order ' || source, 0);

CREATE FUNCTION check_preference_asked() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(file_order_turn(NEW.source));
    IF NEW.state <> 'WAITING' OR EXISTS (
        SELECT FROM contradicted_files AS c
          JOIN report_files AS later ON later.file_id = c.file_id
          JOIN report_files AS this ON this.file_id = NEW.file_id
          JOIN breaks AS b ON b.subject = 'order:' || c.file_id || ':' || c.former_file_id || ':' || c.currency
         WHERE NEW.file_id IN (c.file_id, c.former_file_id) AND later.nth > this.nth
           AND b.state IN ('PROPOSED', 'APPLYING', 'RESOLVED')) THEN
        RAISE EXCEPTION 'two people decided, or are deciding, which file holds: not % alone', NEW.file_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'preference_undecided';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER asked_preferences_undecided BEFORE INSERT ON asked_preferences FOR EACH ROW
    EXECUTE FUNCTION check_preference_asked();

CREATE FUNCTION check_preference_ended() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what became of it is said once' USING ERRCODE = 'check_violation', CONSTRAINT = 'preference_ended';
END
$$;
CREATE TRIGGER asked_preferences_ended BEFORE UPDATE ON asked_preferences FOR EACH ROW WHEN (OLD.state <> 'WAITING')
    EXECUTE FUNCTION check_preference_ended();

CREATE FUNCTION check_no_preference_waits() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
DECLARE
    of_source text;
BEGIN
    SELECT source INTO of_source FROM report_files WHERE file_id = split_part(NEW.subject, ':', 2);
    PERFORM pg_advisory_xact_lock_shared(file_order_turn(of_source));
    IF EXISTS (SELECT FROM asked_preferences WHERE source = of_source AND state = 'WAITING') THEN
        RAISE EXCEPTION 'a person has another file of % hold, which is not done yet', of_source
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_no_preference_waits';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER breaks_no_preference_waits BEFORE UPDATE ON breaks FOR EACH ROW
    WHEN (NEW.type = 'file_order_unknown' AND (NEW.state = 'PROPOSED' AND OLD.state <> 'PROPOSED'
          OR NEW.state = 'RESOLVED' AND OLD.state = 'PROPOSED'))
    EXECUTE FUNCTION check_no_preference_waits();
"""


def upgrade() -> None:
    """Add the table, empty, and what keeps both ways to decide apart."""
    op.execute(KEPT)
    op.execute(CHECKS)
    protect(op, "asked_preferences", mutable_columns=("state", "ended_at", "refused_code", "refused"))
