"""Keeps the settled position behind what is sealed: nobody settles a committed journal that has no seal.

How it holds against plain SQL of the application role:
- a shard begins with nothing settled;
- the settled position moves only over positions that were drawn, and over no committed journal without a seal;
- so raising it by hand hides no journal from the sealer, from verification or from snapshots.
What a transaction has drawn and not committed cannot be seen from here; the sealer waits for it (``Horizon``), and a
journal that comes at a settled position all the same is refused, or named by ``ledger verify``. Posting meets none of
this: the sealer alone writes here, and asks by index about the journals that it has just sealed.
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# Bounded on both sides of the join: the planner knows neither how many journals nor how many seals lie behind it.
SETTLED_SEALED = """
CREATE FUNCTION settled_sealed() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    settled bigint := CASE TG_OP WHEN 'UPDATE' THEN OLD.settled_position ELSE 0 END;
    why text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        why := 'a shard begins with nothing settled';
    ELSIF NEW.settled_position > (SELECT CASE WHEN p.is_called THEN p.last_value ELSE 0 END FROM journal_positions p) THEN
        why := 'nobody has drawn that position';
    ELSIF EXISTS (
        SELECT FROM journals j
         WHERE j.position > settled AND j.position <= NEW.settled_position
           AND NOT EXISTS (SELECT FROM seals s
                            WHERE s.journal_position = j.position
                              AND s.journal_position > settled AND s.journal_position <= NEW.settled_position)
    ) THEN
        why := 'a journal up to there has no seal';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'shard % is not settled up to %: %', NEW.shard, NEW.settled_position, why
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'settled_sealed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER settled_sealed_first BEFORE INSERT ON seal_shards FOR EACH ROW
    WHEN (NEW.settled_position > 0) EXECUTE FUNCTION settled_sealed();
CREATE TRIGGER settled_sealed BEFORE UPDATE ON seal_shards FOR EACH ROW
    WHEN (NEW.settled_position > OLD.settled_position) EXECUTE FUNCTION settled_sealed();
"""


def upgrade() -> None:
    """Create the triggers; the sealer of the release before settles what it has sealed, and meets them nowhere."""
    op.execute(SETTLED_SEALED)
