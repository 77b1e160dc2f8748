"""Keeps, off the hot path, what has not returned to zero: one row per open clearing key, and how far that was folded.

Booking does not write here. The rows follow from the entries and can be made anew from them at any time.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS = """
CREATE TABLE clearing_keys (
    account_id bigint NOT NULL,
    clearing_key text COLLATE "C" NOT NULL CHECK (clearing_key <> ''),
    net_minor bigint NOT NULL CHECK (net_minor <> 0),
    since timestamptz NOT NULL,
    PRIMARY KEY (account_id, clearing_key)
) WITH (fillfactor = 80);

-- Up to which journal position the entries are in these rows; the row is the folder's lease for one transaction.
CREATE TABLE clearing_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    folded_position bigint NOT NULL CHECK (folded_position >= 0)
);
"""

# Twice, as everything: folded back, entries would count again; folded past what is settled, late ones never.
FOLDED_ONCE = """
CREATE FUNCTION folded_once() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.folded_position <= OLD.folded_position
       OR NEW.folded_position > (SELECT coalesce(min(settled_position), 0) FROM seal_shards) THEN
        RAISE EXCEPTION 'clearing cannot be folded from % to %', OLD.folded_position, NEW.folded_position
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'folded_once';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER folded_once BEFORE UPDATE ON clearing_progress FOR EACH ROW EXECUTE FUNCTION folded_once();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON clearing_keys TO ledger_app;
GRANT SELECT, INSERT, UPDATE ON clearing_progress TO ledger_app;
REVOKE DELETE, TRUNCATE ON clearing_progress FROM ledger_app;
GRANT SELECT ON clearing_keys, clearing_progress TO ledger_reader;
"""


def upgrade() -> None:
    """Create both, empty: reads sum all entries until the folder has come so far."""
    for statement in (KEYS, FOLDED_ONCE, GRANTS):
        op.execute(statement)
