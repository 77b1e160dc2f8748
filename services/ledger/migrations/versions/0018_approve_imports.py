"""Lets two people bring a file of journals over: one proposes it with its digest and totals, another approves the digest.

How it holds against plain SQL of the application role:
- a proposal is born proposed, is decided once, and nothing else of it ever changes;
- whoever proposed it is never who approved it, and of the same bytes one proposal stands;
- an import is begun only where its proposal, of the same id, bytes and number of journals, is approved.
Imports of the release before keep that one person brought them (``two_people``); one that it left unfinished goes on. Its
own command begins no more of them, and changes nothing else.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

PROPOSALS = """
CREATE TABLE import_proposals (
    import_id text COLLATE "C" PRIMARY KEY,
    file_sha256 bytea NOT NULL CHECK (octet_length(file_sha256) = 32),
    file_name text NOT NULL CHECK (file_name <> ''),
    lines bigint NOT NULL CHECK (lines >= journals),
    journals bigint NOT NULL CHECK (journals > 0),
    totals jsonb NOT NULL CHECK (jsonb_typeof(totals) = 'object' AND totals <> '{}'),
    reason text NOT NULL CHECK (reason <> ''),
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    CONSTRAINT import_proposals_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by),
    CONSTRAINT import_proposals_decided CHECK (
        (state <> 'PROPOSED') = (decided_by IS NOT NULL AND decided_at IS NOT NULL AND decision_reason IS NOT NULL)),
    CONSTRAINT import_proposals_undecided CHECK (
        state <> 'PROPOSED' OR (decided_by IS NULL AND decided_at IS NULL AND decision_reason IS NULL))
);
CREATE UNIQUE INDEX import_proposals_once ON import_proposals (file_sha256) WHERE state <> 'REJECTED';
COMMENT ON COLUMN import_proposals.totals IS 'what the file debits, in minor units by currency';
"""

STEP = """
CREATE FUNCTION import_proposal_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.state <> 'PROPOSED') OR (TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED') THEN
        RAISE EXCEPTION 'the proposal of import % is decided once, and not born %', NEW.import_id, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'import_proposal_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER import_proposal_step BEFORE INSERT OR UPDATE ON import_proposals
    FOR EACH ROW EXECUTE FUNCTION import_proposal_step();
"""

APPROVED = """
ALTER TABLE imports ADD COLUMN two_people boolean NOT NULL DEFAULT false;
ALTER TABLE imports ALTER COLUMN two_people SET DEFAULT true;
COMMENT ON COLUMN imports.two_people IS 'false: begun by one person, before this had to be approved';
CREATE TRIGGER imports_two_people_stays BEFORE UPDATE OF two_people ON imports
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE imports ENABLE ALWAYS TRIGGER imports_two_people_stays;
CREATE FUNCTION import_approved() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT NEW.two_people OR NOT EXISTS (
        SELECT FROM import_proposals p
         WHERE p.import_id = NEW.import_id AND p.state = 'APPROVED' AND p.file_sha256 = NEW.file_sha256
           AND p.journals = NEW.journals) THEN
        RAISE EXCEPTION 'import % is of a file that nobody approved', NEW.import_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'import_approved';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER import_approved BEFORE INSERT ON imports FOR EACH ROW EXECUTE FUNCTION import_approved();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON import_proposals TO ledger_app;
GRANT SELECT ON import_proposals TO ledger_reader;
"""
LIFE = ("state", "decided_by", "decided_at", "decision_reason")


def upgrade() -> None:
    """Create the table, empty, and mark the imports that there are as brought by one person."""
    for statement in (PROPOSALS, STEP, APPROVED, GRANTS):
        op.execute(statement)
    protect(op, "import_proposals", mutable_columns=LIFE)
