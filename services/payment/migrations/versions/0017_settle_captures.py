"""Keeps what settlement reports say of our captures: of each line the newest reading, of each capture whether it settled."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CAPTURES = """
ALTER TABLE processor_objects ADD COLUMN settled boolean NOT NULL DEFAULT false;
ALTER TABLE processor_objects ADD COLUMN times_settled int NOT NULL DEFAULT 0 CHECK (times_settled >= 0);
ALTER TABLE processor_objects ADD COLUMN settled_available_on timestamptz;
ALTER TABLE processor_objects ADD CONSTRAINT objects_settled_captures CHECK (NOT settled OR (
    times_settled > 0 AND settled_available_on IS NOT NULL AND object_type = 'capture' AND role IN ('counted', 'adopted')));
"""

# A reading is replaced by a newer one only; what each said is in the events that told it.
LINES = """
CREATE TABLE settlement_lines (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    revision int NOT NULL CHECK (revision > 0),
    match_number int NOT NULL CHECK (match_number >= 0),
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C",
    object_id text COLLATE "C",
    gross_minor bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    available_on timestamptz NOT NULL,
    PRIMARY KEY (source, line_id)
) WITH (fillfactor = 90);
CREATE INDEX settlement_lines_payment ON settlement_lines (payment_id) WHERE payment_id IS NOT NULL;
CREATE FUNCTION refuse_older_line() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'line % of % is known in a newer reading', OLD.line_id, OLD.source
        USING ERRCODE = 'check_violation', CONSTRAINT = 'settlement_lines_newest';
END
$$;
CREATE TRIGGER settlement_lines_newest BEFORE UPDATE ON settlement_lines FOR EACH ROW
    WHEN ((NEW.revision, NEW.match_number) <= (OLD.revision, OLD.match_number)
          OR (NEW.source, NEW.line_id) <> (OLD.source, OLD.line_id))
    EXECUTE FUNCTION refuse_older_line();
REVOKE DELETE ON settlement_lines FROM payment_app;
"""


def upgrade() -> None:
    """Add what code of the release before does not name; no capture is settled yet."""
    for part in (CAPTURES, LINES):
        op.execute(part)
