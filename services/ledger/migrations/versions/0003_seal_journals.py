"""Adds the seals: one per journal, in a chain of hashes without a gap, written off the hot path.

How it holds against plain SQL of the application role:
- a seal continues the chain of its shard: its predecessor is there and its hash is recomputed here from it;
- a journal has one seal; nothing of ``seals`` is updated, deleted or truncated;
- the settled position only grows.
Nothing here touches ``journals`` or ``entries``: posting costs what it did.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEALS = """
CREATE TABLE seals (
    shard smallint NOT NULL CHECK (shard >= 0),
    position bigint NOT NULL CHECK (position > 0),
    journal_position bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (shard, position)
);

-- How far a shard's sealer is: at or below the settled journal position everything is sealed or was rolled back.
CREATE TABLE seal_shards (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    settled_position bigint NOT NULL DEFAULT 0 CHECK (settled_position >= 0)
);
"""

SEALS_CHAINED = """
CREATE FUNCTION seals_chained() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    SELECT n.shard, n.position INTO misfit
    FROM new_seals n
    LEFT JOIN seals p ON p.shard = n.shard AND p.position = n.position - 1
    LEFT JOIN journals j ON j.position = n.journal_position
    WHERE (p.position IS NULL AND n.position <> 1)
       OR j.position IS NULL
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

CREATE TRIGGER seals_chained AFTER INSERT ON seals
    REFERENCING NEW TABLE AS new_seals FOR EACH STATEMENT EXECUTE FUNCTION seals_chained();
"""

SETTLED_GROWS = """
CREATE FUNCTION settled_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the settled position of shard % goes from % back to %',
        OLD.shard, OLD.settled_position, NEW.settled_position
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'settled_grows';
END $$;

CREATE TRIGGER settled_grows BEFORE UPDATE ON seal_shards FOR EACH ROW
    WHEN (NEW.settled_position < OLD.settled_position OR NEW.shard <> OLD.shard) EXECUTE FUNCTION settled_grows();
"""

GRANTS = """
GRANT SELECT, INSERT ON seals TO ledger_app;
GRANT SELECT, INSERT, UPDATE ON seal_shards TO ledger_app;
REVOKE DELETE, TRUNCATE ON seal_shards FROM ledger_app;
GRANT SELECT ON seals, seal_shards TO ledger_reader;
"""


def upgrade() -> None:
    """Create the chain, empty: the sealer begins with the oldest journal."""
    for statement in (SEALS, SEALS_CHAINED, SETTLED_GROWS, GRANTS):
        op.execute(statement)
    protect(op, "seals")
