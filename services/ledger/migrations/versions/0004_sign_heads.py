"""Adds our own copy of the signed heads; outsiders have theirs from the topic, and that is what counts."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HEADS = """
CREATE TABLE seal_heads (
    shard smallint NOT NULL,
    position bigint NOT NULL,
    journal_id text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    settled_position bigint NOT NULL,
    signed_at timestamptz NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    signature text COLLATE "C" NOT NULL CHECK (signature ~ '^[0-9a-f]{128}$'),
    PRIMARY KEY (shard, position)
);
"""

# Twice, as everything: a head that says something else than the chain must not be announced.
HEAD_FITS = """
CREATE FUNCTION head_fits() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM seals s JOIN journals j ON j.position = s.journal_position
        WHERE s.shard = NEW.shard AND s.position = NEW.position AND encode(s.hash, 'hex') = NEW.hash
          AND j.journal_id = NEW.journal_id
    ) THEN
        RAISE EXCEPTION 'head % of shard % is not the seal there', NEW.position, NEW.shard
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'head_fits';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER head_fits AFTER INSERT ON seal_heads FOR EACH ROW EXECUTE FUNCTION head_fits();
"""

GRANTS = """
GRANT SELECT, INSERT ON seal_heads TO ledger_app;
GRANT SELECT ON seal_heads TO ledger_reader;
"""


def upgrade() -> None:
    """Create the table, empty: the first head covers everything that is sealed by then."""
    for statement in (HEADS, HEAD_FITS, GRANTS):
        op.execute(statement)
    protect(op, "seal_heads")
