"""Adds accounting periods: months that two people close, in which nothing takes effect any more.

How it holds against plain SQL of the application role:
- no journal is added with a time of effect before the end of the last closed month;
- months are closed without a gap and for good, and not before they are over by the database's clock as well;
  whoever proposed a close is never who approved it;
- a close names the end of the chain that it rests on, and everything of its month is sealed up to there;
- what a late journal was told to be is kept with it, in the transaction that books it, and never changes.

Posting and closing take turns: whoever adds journals holds the advisory lock 'ledger:periods' shared until COMMIT,
whoever closes holds it alone. So a close sees every journal that was added under the boundary before it, and every
later one is added under the new boundary. No row is locked or written for it on the way of posting.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CLOSES = """
CREATE TABLE period_closes (
    close_id text COLLATE "C" PRIMARY KEY,
    period text COLLATE "C" NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    reason text NOT NULL CHECK (reason <> ''),
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    CONSTRAINT period_closes_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by),
    CONSTRAINT period_closes_decided CHECK (
        (state <> 'PROPOSED') = (decided_by IS NOT NULL AND decided_at IS NOT NULL AND decision_reason IS NOT NULL))
);
CREATE UNIQUE INDEX period_closes_once ON period_closes (period) WHERE state <> 'REJECTED';

-- Where the chain ended when the month was closed: everything that takes effect before ends_at is sealed up to there.
CREATE TABLE closed_periods (
    period text COLLATE "C" PRIMARY KEY,
    close_id text COLLATE "C" NOT NULL UNIQUE REFERENCES period_closes,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL UNIQUE,
    shard smallint NOT NULL CHECK (shard >= 0),
    position bigint NOT NULL CHECK (position >= 0),
    hash text COLLATE "C" NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    closed_at timestamptz NOT NULL,
    CONSTRAINT closed_periods_month CHECK (
        starts_at = make_date(left(period, 4)::int, right(period, 2)::int, 1)::timestamp AT TIME ZONE 'UTC'
        AND ends_at = (make_date(left(period, 4)::int, right(period, 2)::int, 1) + interval '1 month')
                AT TIME ZONE 'UTC'),
    CONSTRAINT closed_periods_over CHECK (closed_at >= ends_at)
);

CREATE TABLE close_signatures (
    period text COLLATE "C" PRIMARY KEY REFERENCES closed_periods,
    signed_at timestamptz NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    signature text COLLATE "C" NOT NULL CHECK (signature ~ '^[0-9a-f]{128}$')
);

-- Beside the journal, whose sealed bytes stay what they are: when its fact took effect by what was told.
CREATE TABLE late_journals (
    journal_position bigint PRIMARY KEY,
    told_effective_at timestamptz NOT NULL
);
"""

# The turn is taken in a statement of its own: the next one's snapshot is as of when it has come.
FIRST_OPEN_AT = """
CREATE FUNCTION first_open_at() RETURNS timestamptz LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
    found timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger:periods', 0));
    SELECT max(ends_at) INTO found FROM closed_periods;
    RETURN found;
END $$;
"""

JOURNALS_IN_OPEN_PERIOD = """
CREATE FUNCTION journals_in_open_period() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    opens_at timestamptz := first_open_at();
    misfit record;
BEGIN
    IF opens_at IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT n.journal_id, n.effective_at INTO misfit FROM new_journals n WHERE n.effective_at < opens_at LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % takes effect at %, and everything before % is closed',
            misfit.journal_id, misfit.effective_at, opens_at
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journals_in_open_period';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER journals_in_open_period AFTER INSERT ON journals
    REFERENCING NEW TABLE AS new_journals FOR EACH STATEMENT EXECUTE FUNCTION journals_in_open_period();
"""

LATE_JOURNALS_FIT = """
CREATE FUNCTION late_journals_fit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    opens_at timestamptz := first_open_at();
    misfit record;
BEGIN
    -- booked_at is when its transaction began: nothing is called late afterwards.
    SELECT n.journal_position INTO misfit FROM new_late n LEFT JOIN journals j ON j.position = n.journal_position
     WHERE j.position IS NULL OR j.booked_at <> now() OR j.effective_at IS DISTINCT FROM opens_at
        OR n.told_effective_at >= j.effective_at
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the journal at % is not late', misfit.journal_position
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'late_journals_fit';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER late_journals_fit AFTER INSERT ON late_journals
    REFERENCING NEW TABLE AS new_late FOR EACH STATEMENT EXECUTE FUNCTION late_journals_fit();
"""

CLOSE_STEP = """
CREATE FUNCTION period_close_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.state <> 'PROPOSED') OR (TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED') THEN
        RAISE EXCEPTION 'close % is decided once, and not born %', NEW.close_id, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'period_close_step';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER period_close_step BEFORE INSERT OR UPDATE ON period_closes
    FOR EACH ROW EXECUTE FUNCTION period_close_step();
"""

# Behind settled_position stands what is not sealed, behind the position what was sealed since: all else is sealed before.
# All posting waits meanwhile: the position is a value to the planner, and no table is read through.
CLOSE_FITS = """
CREATE FUNCTION closed_period_fits() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    opens_at timestamptz;
    settled bigint;
    why text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger:periods', 0));
    SELECT max(ends_at) INTO opens_at FROM closed_periods;
    SELECT coalesce(min(settled_position), 0) INTO settled FROM seal_shards;
    IF clock_timestamp() < NEW.ends_at THEN
        why := 'the month is not over';
    ELSIF opens_at <> NEW.starts_at THEN
        why := format('the first open month starts at %s', opens_at);
    ELSIF NEW.hash <> coalesce(
            (SELECT encode(s.hash, 'hex') FROM seals s WHERE s.shard = NEW.shard AND s.position = NEW.position),
            CASE NEW.position WHEN 0 THEN repeat('0', 64) ELSE '' END) THEN
        why := 'the chain says something else there';
    ELSIF EXISTS (
        SELECT FROM journals j
         WHERE j.position > settled AND j.effective_at < NEW.ends_at
           AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position AND s.journal_position > settled)
    ) OR EXISTS (
        SELECT FROM seals s JOIN journals j ON j.position = s.journal_position
         WHERE s.shard = NEW.shard AND s.position > NEW.position AND j.effective_at < NEW.ends_at
    ) THEN
        why := 'not everything in it is sealed up to there';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'period % is not closed at seal %: %', NEW.period, NEW.position, why
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'closed_period_fits';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closed_period_fits BEFORE INSERT ON closed_periods
    FOR EACH ROW EXECUTE FUNCTION closed_period_fits();

CREATE FUNCTION closed_period_approved() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM period_closes p JOIN closed_periods c ON c.close_id = p.close_id AND c.period = p.period
         WHERE p.close_id = NEW.close_id AND p.state = 'APPROVED'
    ) THEN
        RAISE EXCEPTION 'period % is closed by % and not both approved and closed', NEW.period, NEW.close_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'closed_period_approved';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER closed_period_approved AFTER INSERT ON closed_periods DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION closed_period_approved();
CREATE CONSTRAINT TRIGGER period_close_closed AFTER UPDATE ON period_closes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state = 'APPROVED') EXECUTE FUNCTION closed_period_approved();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON period_closes TO ledger_app;
GRANT SELECT, INSERT ON closed_periods, close_signatures, late_journals TO ledger_app;
GRANT SELECT ON period_closes, closed_periods, close_signatures, late_journals TO ledger_reader;
"""
LIFE = ("state", "decided_by", "decided_at", "decision_reason")


def upgrade() -> None:
    """Create the tables, empty: no month is closed, and nothing is late."""
    for statement in (
        CLOSES, FIRST_OPEN_AT, JOURNALS_IN_OPEN_PERIOD, LATE_JOURNALS_FIT, CLOSE_STEP, CLOSE_FITS, GRANTS,
    ):  # fmt: skip
        op.execute(statement)
    protect(op, "period_closes", mutable_columns=LIFE)
    for table in ("closed_periods", "close_signatures", "late_journals"):
        protect(op, table)
