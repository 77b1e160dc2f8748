"""Adds imports: files of journals from another ledger, each brought by an operator and told by its digest.

How it holds against plain SQL of the application role:
- a file's bytes are imported once; who brought them, when and why never changes;
- a journal of the import's rule names an import that is begun and not finished, whoever writes it;
- an import is finished once, and then says how many journals it brought.
Nothing else of booking is touched: the trigger on ``journals`` runs for the import's rule only.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

IMPORTS = """
CREATE TABLE imports (
    import_id text COLLATE "C" PRIMARY KEY,
    file_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(file_sha256) = 32),
    file_name text NOT NULL CHECK (file_name <> ''),
    journals bigint NOT NULL CHECK (journals > 0),
    begun_by text NOT NULL CHECK (begun_by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    begun_at timestamptz NOT NULL,
    finished_at timestamptz,
    booked bigint CHECK (booked >= 0 AND booked <= journals),
    CONSTRAINT imports_finished CHECK ((finished_at IS NULL) = (booked IS NULL))
);
CREATE INDEX journals_of_import ON journals (subject) WHERE rule = 'imported';
"""

STEP = """
CREATE FUNCTION import_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.finished_at IS NOT NULL) OR (TG_OP = 'UPDATE' AND OLD.finished_at IS NOT NULL)
       OR (TG_OP = 'UPDATE' AND NEW.booked IS DISTINCT FROM
           (SELECT count(*) FROM journals j WHERE j.rule = 'imported' AND j.subject = NEW.import_id)) THEN
        RAISE EXCEPTION 'import % is begun once, finished once, and counts its journals', NEW.import_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'import_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER import_step BEFORE INSERT OR UPDATE ON imports FOR EACH ROW EXECUTE FUNCTION import_step();
"""

BEGUN = """
CREATE FUNCTION journal_imported() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM imports i WHERE i.import_id = NEW.subject AND i.finished_at IS NULL) THEN
        RAISE EXCEPTION 'journal % is of an import that nobody began, or that is finished', NEW.journal_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journal_imported';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_imported AFTER INSERT ON journals
    FOR EACH ROW WHEN (NEW.rule = 'imported') EXECUTE FUNCTION journal_imported();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON imports TO ledger_app;
GRANT SELECT ON imports TO ledger_reader;
"""


def upgrade() -> None:
    """Create the table, empty; the release before books nothing by that rule."""
    for statement in (IMPORTS, STEP, BEGUN, GRANTS):
        op.execute(statement)
    protect(op, "imports", mutable_columns=("finished_at", "booked"))
