"""Adds snapshots of accounts: what stood on both sides when the chain was at a position, for reads to begin at.

Derived from the entries and nothing else, so they may be deleted and folded anew; none is ever changed. Posting neither
reads nor writes them. Seals get times that never run backwards: one time is one place in the chain.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Up to position: nothing at or below settled_position is sealed behind it, nothing above reached_position before it.
SNAPSHOTS = """
CREATE TABLE account_snapshots (
    account_id bigint NOT NULL,
    shard smallint NOT NULL,
    position bigint NOT NULL,
    settled_position bigint NOT NULL CHECK (settled_position >= 0),
    reached_position bigint NOT NULL CHECK (reached_position > 0),
    effective_at_max timestamptz NOT NULL,
    entries bigint NOT NULL CHECK (entries > 0),
    debit_minor numeric NOT NULL CHECK (debit_minor >= 0 AND debit_minor = trunc(debit_minor)),
    credit_minor numeric NOT NULL CHECK (credit_minor >= 0 AND credit_minor = trunc(credit_minor)),
    PRIMARY KEY (account_id, shard, position)
);

-- Of what a snapshot counts and none before it: what takes effect later than it was sealed, summed.
CREATE TABLE snapshots_ahead (
    account_id bigint NOT NULL,
    shard smallint NOT NULL,
    effective_at timestamptz NOT NULL,
    position bigint NOT NULL,
    rule text COLLATE "C" NOT NULL,
    entries bigint NOT NULL CHECK (entries > 0),
    debit_minor numeric NOT NULL CHECK (debit_minor >= 0 AND debit_minor = trunc(debit_minor)),
    credit_minor numeric NOT NULL CHECK (credit_minor >= 0 AND credit_minor = trunc(credit_minor)),
    PRIMARY KEY (account_id, shard, effective_at, position, rule)
);

-- How far a shard is folded; its row is the lease of whoever folds, for one transaction.
CREATE TABLE snapshot_shards (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    position bigint NOT NULL DEFAULT 0,
    settled_position bigint NOT NULL DEFAULT 0,
    reached_position bigint NOT NULL DEFAULT 0
);
INSERT INTO snapshot_shards (shard) VALUES (0);
"""

SEALS_CHAINED = """
CREATE OR REPLACE FUNCTION seals_chained() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    SELECT n.shard, n.position INTO misfit
    FROM new_seals n
    LEFT JOIN seals p ON p.shard = n.shard AND p.position = n.position - 1
    LEFT JOIN journals j ON j.position = n.journal_position
    WHERE (p.position IS NULL AND n.position <> 1)
       OR j.position IS NULL
       OR n.sealed_at < p.sealed_at
       OR n.hash <> sha256('tieout-seal-1'::bytea || int2send(n.shard) || int8send(n.position)
            || int8send(n.journal_position) || int8send((extract(epoch FROM n.sealed_at) * 1000000)::bigint)
            || coalesce(p.hash, decode(repeat('00', 32), 'hex')) || n.digest)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'seal % of shard % does not continue the chain', misfit.position, misfit.shard
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'seals_chained';
    END IF;
    RETURN NULL;
END $$;
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON account_snapshots, snapshots_ahead TO ledger_app;
REVOKE UPDATE, TRUNCATE ON account_snapshots, snapshots_ahead FROM ledger_app;
GRANT SELECT, UPDATE ON snapshot_shards TO ledger_app;
REVOKE INSERT, DELETE, TRUNCATE ON snapshot_shards FROM ledger_app;
GRANT SELECT ON account_snapshots, snapshots_ahead, snapshot_shards TO ledger_reader;
"""


def upgrade() -> None:
    """Create the tables, empty: folding begins at the first seal."""
    for statement in (SNAPSHOTS, SEALS_CHAINED, GRANTS):
        op.execute(statement)
