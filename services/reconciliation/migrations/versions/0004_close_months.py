"""Adds daily runs, and months that two people close: what they came to, what is open, and what it was computed from.

How it holds against plain SQL of the application role:
- a month is closed once, after the one before it, when it is over, by somebody else than who proposed it, and with the
  figures that were proposed;
- its figures add up: opening + ours - theirs = closing, opening is what the month before closed with, and closing is
  what its named positions come to, band by band. A position without a name cannot be stored;
- once a month is closed nothing is added to it, and nothing of it is changed.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DAYS = """
CREATE TABLE daily_runs (
    day date PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL REFERENCES runs,
    worked_out_at timestamptz NOT NULL,
    CONSTRAINT daily_runs_over CHECK (worked_out_at >= (day + 1)::timestamp AT TIME ZONE 'UTC')
);
-- What a day's money had come to when the day was worked out: later runs say more, but not what was known then.
CREATE TABLE day_figures (
    day date NOT NULL REFERENCES daily_runs,
    currency text COLLATE "C" NOT NULL,
    matched_minor bigint NOT NULL CHECK (matched_minor >= 0),
    timing_minor bigint NOT NULL CHECK (timing_minor >= 0),
    broken_minor bigint NOT NULL CHECK (broken_minor >= 0),
    accepted_minor bigint NOT NULL CHECK (accepted_minor >= 0),
    PRIMARY KEY (day, currency)
);
"""

CLOSES = """
CREATE TABLE period_closes (
    close_id text COLLATE "C" PRIMARY KEY,
    period text COLLATE "C" NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    reason text NOT NULL CHECK (reason <> ''),
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    CONSTRAINT period_closes_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by),
    CONSTRAINT period_closes_decided CHECK (
        (state <> 'PROPOSED') = (decided_by IS NOT NULL AND decided_at IS NOT NULL AND decision_reason IS NOT NULL)),
    CONSTRAINT period_closes_as_proposed UNIQUE (close_id, period, digest)
);
CREATE UNIQUE INDEX period_closes_once ON period_closes (period) WHERE state <> 'REJECTED';

CREATE TABLE closed_periods (
    period text COLLATE "C" PRIMARY KEY,
    close_id text COLLATE "C" NOT NULL UNIQUE,
    digest bytea NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL UNIQUE,
    run_id text COLLATE "C" NOT NULL REFERENCES runs,
    rules jsonb NOT NULL,
    rules_version text COLLATE "C" NOT NULL,
    closed_at timestamptz NOT NULL,
    -- What is closed is what was proposed.
    CONSTRAINT closed_periods_as_proposed FOREIGN KEY (close_id, period, digest)
        REFERENCES period_closes (close_id, period, digest),
    CONSTRAINT closed_periods_month CHECK (
        starts_at = make_date(left(period, 4)::int, right(period, 2)::int, 1)::timestamp AT TIME ZONE 'UTC'
        AND ends_at = (make_date(left(period, 4)::int, right(period, 2)::int, 1) + interval '1 month')
                AT TIME ZONE 'UTC'),
    CONSTRAINT closed_periods_over CHECK (closed_at >= ends_at)
);
"""

_OF_PERIOD = 'period text COLLATE "C" NOT NULL REFERENCES closed_periods DEFERRABLE INITIALLY DEFERRED'
FIGURES = f"""
CREATE TABLE period_files (
    {_OF_PERIOD},
    file_id text COLLATE "C" NOT NULL UNIQUE REFERENCES report_files,
    nth bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    sha256 bytea NOT NULL,
    PRIMARY KEY (period, file_id)
);
-- What was known of our side, each word about an item once: the item itself may be told otherwise later.
CREATE TABLE period_items ({_OF_PERIOD}, LIKE our_items);
ALTER TABLE period_items ADD PRIMARY KEY (item_key, period);
CREATE TABLE period_rolls (
    {_OF_PERIOD},
    leg text COLLATE "C" NOT NULL CHECK (leg IN ('processor', 'payout', 'bank')),
    account text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    opening_minor bigint NOT NULL,
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL,
    closing_minor bigint NOT NULL,
    timing_minor bigint NOT NULL,
    broken_minor bigint NOT NULL,
    accepted_minor bigint NOT NULL,
    PRIMARY KEY (period, leg, account, currency),
    CONSTRAINT period_rolls_forward CHECK (closing_minor = opening_minor + ours_minor - theirs_minor),
    CONSTRAINT period_rolls_explained CHECK (closing_minor = timing_minor + broken_minor + accepted_minor)
);
CREATE TABLE period_positions (
    {_OF_PERIOD},
    leg text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    band text COLLATE "C" NOT NULL CHECK (band IN ('timing', 'broken', 'accepted')),
    named_by text COLLATE "C" NOT NULL CHECK (named_by <> ''),
    break_state text COLLATE "C",
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL CHECK (theirs_minor <> ours_minor),
    since timestamptz NOT NULL,
    PRIMARY KEY (period, leg, subject, account, currency)
);
CREATE TABLE period_breaks (
    {_OF_PERIOD},
    break_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    at_risk_minor bigint NOT NULL,
    PRIMARY KEY (period, break_id)
);
-- What happened before the month and was not known when the month before it was closed.
CREATE TABLE period_late (
    {_OF_PERIOD},
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('item', 'line', 'bank_line')),
    subject text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    revision integer NOT NULL,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (period, kind, subject)
);
"""
PARTS = ("period_files", "period_items", "period_rolls", "period_positions", "period_breaks", "period_late")

STEPS = """
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

-- Whoever closes writes the figures first and the month last; after that there is no way in.
CREATE FUNCTION period_still_open() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    closed text;
BEGIN
    SELECT min(c.period) INTO closed FROM (SELECT DISTINCT period FROM added) AS a JOIN closed_periods AS c USING (period);
    IF closed IS NOT NULL THEN
        RAISE EXCEPTION 'period % is closed and stays as it is', closed
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_still_open';
    END IF;
    RETURN NULL;
END $$;
"""
_STILL_OPEN = """
CREATE TRIGGER {table}_still_open AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION period_still_open();
"""

ADDS_UP = """
CREATE FUNCTION closed_period_fits() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    former text;
    ended timestamptz;
    why text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('reconciliation closing', 0));
    SELECT period, ends_at INTO former, ended FROM closed_periods ORDER BY ends_at DESC LIMIT 1;
    IF clock_timestamp() < NEW.ends_at THEN
        why := 'the month is not over';
    ELSIF ended <> NEW.starts_at THEN
        why := format('the first open month starts at %s', ended);
    ELSIF EXISTS (
        SELECT FROM (SELECT * FROM period_rolls WHERE period = NEW.period) AS n
          FULL JOIN (SELECT * FROM period_rolls WHERE period = former) AS o USING (leg, account, currency)
         WHERE coalesce(n.opening_minor, 0) <> coalesce(o.closing_minor, 0)) THEN
        why := format('it does not open with what %s closed with', former);
    ELSIF EXISTS (
        SELECT FROM (SELECT * FROM period_rolls WHERE period = NEW.period) AS r
          FULL JOIN (
            SELECT leg, account, currency, coalesce(sum(ours_minor - theirs_minor) FILTER (WHERE band = 'timing'), 0) AS timing,
                   coalesce(sum(ours_minor - theirs_minor) FILTER (WHERE band = 'broken'), 0) AS broken,
                   coalesce(sum(ours_minor - theirs_minor) FILTER (WHERE band = 'accepted'), 0) AS accepted
              FROM period_positions WHERE period = NEW.period GROUP BY 1, 2, 3) AS p USING (leg, account, currency)
         WHERE (coalesce(r.timing_minor, 0), coalesce(r.broken_minor, 0), coalesce(r.accepted_minor, 0))
            <> (coalesce(p.timing, 0), coalesce(p.broken, 0), coalesce(p.accepted, 0))) THEN
        why := 'its positions do not come to what it closes with';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'period % is not closed: %', NEW.period, why
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
         WHERE p.close_id = NEW.close_id AND p.state = 'APPROVED') THEN
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
LIFE = ("state", "decided_by", "decided_at", "decision_reason")


def upgrade() -> None:
    """Create the tables, empty: no day was worked out, and no month is closed."""
    for part in (DAYS, CLOSES, FIGURES, STEPS, ADDS_UP):
        op.execute(part)
    for table in PARTS:
        op.execute(_STILL_OPEN.format(table=table))
    protect(op, "period_closes", mutable_columns=LIFE)
    for table in ("daily_runs", "day_figures", "closed_periods", *PARTS):
        protect(op, table)
