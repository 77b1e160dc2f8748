"""Creates our side, the journals that we heard of, claims, allocations, breaks and runs.

- an item and a line are claimed once each, whoever runs how many matchings at the same time;
- what was told of a match or of a bank's credit is never changed: a correction is a further row;
- a break takes only the steps of its table, its history is never changed, and whoever proposed a resolution is never
  who approved it.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUR_SIDE = """
CREATE TABLE processor_calendars (
    processor text COLLATE "C" PRIMARY KEY,
    time_zone text NOT NULL CHECK (time_zone <> ''),
    settles_after_days integer NOT NULL CHECK (settles_after_days BETWEEN 0 AND 60),
    lost_after_days integer NOT NULL CHECK (lost_after_days BETWEEN 0 AND 60),
    holidays date[] NOT NULL
);

CREATE TABLE our_items (
    item_key text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN (
        'capture', 'stray', 'refund', 'stray_return', 'refund_stray', 'refund_failure', 'dispute_withdrawn',
        'dispute_reinstated', 'reversal', 'reversal_given_back', 'in_doubt')),
    category text COLLATE "C" NOT NULL CHECK (
        category IN ('charge', 'refund', 'refund_failure', 'dispute', 'reversal')),
    standing text COLLATE "C" NOT NULL CHECK (standing IN ('expected', 'in_doubt', 'waiting', 'ended')),
    rank smallint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C",
    business_id text COLLATE "C",
    processor text COLLATE "C",
    account text COLLATE "C",
    object_id text COLLATE "C",
    parent_object_id text COLLATE "C",
    money_row_id text COLLATE "C",
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    occurred_at timestamptz NOT NULL,
    expected_by timestamptz NOT NULL,
    lost_by timestamptz NOT NULL CHECK (lost_by >= expected_by),
    CONSTRAINT our_items_expected CHECK (
        standing <> 'expected' OR (processor IS NOT NULL AND account IS NOT NULL AND object_id IS NOT NULL))
);
CREATE INDEX our_items_of_object ON our_items (object_id) WHERE object_id IS NOT NULL;
CREATE INDEX our_items_of_row ON our_items (money_row_id) WHERE money_row_id IS NOT NULL;
CREATE INDEX our_items_of_operation ON our_items (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX our_items_of_payment ON our_items (payment_id);
CREATE INDEX our_items_by_amount ON our_items ((amount_minor::text || currency));
CREATE INDEX our_items_waiting ON our_items (business_id) WHERE standing = 'waiting';

-- Which object our own id of a refund stands for: a failure names only that.
CREATE TABLE refund_objects (
    business_id text COLLATE "C" NOT NULL,
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (business_id, processor, account, object_id)
);

-- The events that the ledger has to book, and the journals that it says it booked.
CREATE TABLE told_facts (
    event_id text COLLATE "C" PRIMARY KEY,
    event_type text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    told_at timestamptz NOT NULL
);
CREATE TABLE journal_facts (
    journal_id text COLLATE "C" PRIMARY KEY,
    rule text COLLATE "C" NOT NULL,
    fact_key text COLLATE "C" NOT NULL,
    cause_event_id text COLLATE "C" NOT NULL,
    cause_event_type text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C",
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reverses_journal_id text COLLATE "C",
    effective_at timestamptz NOT NULL,
    told_at timestamptz NOT NULL
);
CREATE INDEX journal_facts_of_cause ON journal_facts (cause_event_id);
"""

TOUCHED = """
CREATE INDEX settlement_lines_of_reference ON settlement_lines (our_reference)
    WHERE stands AND our_reference IS NOT NULL;
CREATE INDEX settlement_lines_nameless ON settlement_lines ((gross_minor::text || currency))
    WHERE stands AND object_id IS NULL AND our_reference IS NULL;

-- What changed since the last run. ``fresh``: no run has seen it.
CREATE TABLE touched_lines (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    fresh boolean NOT NULL,
    PRIMARY KEY (source, line_id)
);
CREATE TABLE touched_items (item_key text COLLATE "C" PRIMARY KEY, fresh boolean NOT NULL);

CREATE FUNCTION touch_lines() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_lines (source, line_id, fresh)
    SELECT source, line_id, max(revision) = 1 FROM changed GROUP BY source, line_id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- That a line was announced changes nothing of what it says.
CREATE FUNCTION touch_changed_lines() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_lines (source, line_id, fresh)
    SELECT DISTINCT n.source, n.line_id, false FROM changed AS n JOIN former AS o USING (source, line_id, revision)
     WHERE (n.stands, n.withdrawn, n.category, n.object_id, n.our_reference, n.currency, n.gross_minor, n.occurred_at)
        IS DISTINCT FROM
           (o.stands, o.withdrawn, o.category, o.object_id, o.our_reference, o.currency, o.gross_minor, o.occurred_at)
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER settlement_lines_inserted AFTER INSERT ON settlement_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_lines();
CREATE TRIGGER settlement_lines_updated AFTER UPDATE ON settlement_lines
    REFERENCING OLD TABLE AS former NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_changed_lines();

CREATE FUNCTION touch_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_items (item_key, fresh) SELECT item_key, TG_OP = 'INSERT' FROM changed ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER our_items_inserted AFTER INSERT ON our_items REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_items();
CREATE TRIGGER our_items_updated AFTER UPDATE ON our_items REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_items();
"""

MATCHES = """
CREATE TABLE runs (
    run_id text COLLATE "C" PRIMARY KEY,
    nth bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('incremental', 'full')),
    as_of timestamptz NOT NULL,
    started_by text NOT NULL CHECK (started_by <> ''),
    started_at timestamptz NOT NULL,
    result jsonb NOT NULL
);

-- Items are never removed, and only runs write claims, from items that they read: a foreign key would look each up
-- again. One row per claim. A match of one with several has a row for each of the several; only the first names the one.
CREATE TABLE claims (
    match_id text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    rule_rank smallint NOT NULL,
    source text COLLATE "C",
    line_id text COLLATE "C",
    item_key text COLLATE "C",
    run_id text COLLATE "C" NOT NULL,
    CONSTRAINT claims_claim CHECK (
        (source IS NULL) = (line_id IS NULL) AND (line_id IS NOT NULL OR item_key IS NOT NULL))
);
CREATE UNIQUE INDEX claims_of_line ON claims (source, line_id) WHERE line_id IS NOT NULL;
CREATE UNIQUE INDEX claims_of_item ON claims (item_key) WHERE item_key IS NOT NULL;
CREATE INDEX claims_of_match ON claims (match_id);

-- Lines whose claim or announcement changed and whose match may have to be told.
CREATE TABLE untold_lines (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, line_id)
);
-- A row that is there already is locked all the same: whoever takes it meanwhile has to see what this brings.
CREATE FUNCTION have_told() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO untold_lines SELECT source, line_id FROM changed WHERE line_id IS NOT NULL ORDER BY source, line_id
        ON CONFLICT (source, line_id) DO UPDATE SET line_id = excluded.line_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER claims_inserted AFTER INSERT ON claims REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION have_told();
CREATE TRIGGER announced_lines_inserted AFTER INSERT ON announced_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION have_told();

CREATE TABLE tolerances (
    source text COLLATE "C" NOT NULL REFERENCES sources,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    field text COLLATE "C" NOT NULL CHECK (field IN ('gross', 'fee', 'bank')),
    tolerance_minor bigint NOT NULL CHECK (tolerance_minor >= 0),
    PRIMARY KEY (source, currency, field)
);

CREATE TABLE told_matches (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    match_number integer NOT NULL CHECK (match_number > 0),
    payment_id text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (source, line_id, revision, match_number)
);

-- What a processor takes by contract, where it was declared: a share of the gross, rounded half up, and a fixed part.
CREATE TABLE agreed_fees (
    source text COLLATE "C" NOT NULL REFERENCES sources,
    category text COLLATE "C" NOT NULL CHECK (category IN ('charge', 'refund', 'refund_failure', 'dispute', 'reversal')),
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    per_million integer NOT NULL CHECK (per_million BETWEEN 0 AND 1000000),
    fixed_minor bigint NOT NULL CHECK (fixed_minor >= 0),
    PRIMARY KEY (source, category, currency)
);

-- What the bank's lines are for, as it was told: allocations add up, a correction is a further number.
CREATE TABLE payout_allocations (
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    payout_id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    allocation_number integer NOT NULL CHECK (allocation_number > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    returned boolean NOT NULL,
    rule text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    allocated_at timestamptz NOT NULL,
    PRIMARY KEY (source, line_id, processor, account, payout_id, allocation_number),
    CONSTRAINT payout_allocations_returned_once CHECK (NOT returned OR (allocation_number = 1 AND amount_minor < 0))
);
CREATE INDEX payout_allocations_of_payout ON payout_allocations (processor, account, payout_id, currency);
"""

BREAKS = """
CREATE TABLE breaks (
    break_id text COLLATE "C" PRIMARY KEY,
    subject text COLLATE "C" NOT NULL UNIQUE,
    type text COLLATE "C" NOT NULL CHECK (type IN (
        'currency_mismatch', 'amount_mismatch', 'duplicate_charge', 'stray_capture', 'status_conflict',
        'processor_success_internal_missing', 'missing_refund', 'settlement_delay',
        'internal_success_processor_failure', 'fee_mismatch', 'missing_in_bank', 'unexpected_in_bank', 'unposted',
        'unexplained_journal')),
    state text COLLATE "C" NOT NULL CHECK (state IN ('OPEN', 'DEFERRED', 'PROPOSED', 'RESOLVED', 'SELF_CLOSED')),
    currency text COLLATE "C" NOT NULL,
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL,
    at_risk_minor bigint NOT NULL CHECK (at_risk_minor >= 0),
    processor text COLLATE "C",
    account text COLLATE "C",
    payment_id text COLLATE "C",
    since timestamptz NOT NULL,
    expected_by timestamptz,
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    owner text,
    due_on date,
    resolution text COLLATE "C" CHECK (resolution IN ('accepted', 'timing_difference')),
    proposed_by text,
    approved_by text,
    CONSTRAINT breaks_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT breaks_deferred CHECK ((state = 'DEFERRED') <= (due_on IS NOT NULL)),
    CONSTRAINT breaks_proposed CHECK ((state = 'PROPOSED') <= (proposed_by IS NOT NULL AND resolution IS NOT NULL)),
    CONSTRAINT breaks_resolved CHECK ((state = 'RESOLVED') <= (proposed_by IS NOT NULL AND approved_by IS NOT NULL))
);
CREATE INDEX breaks_in_queue ON breaks (at_risk_minor DESC, break_id) WHERE state IN ('OPEN', 'DEFERRED', 'PROPOSED');

CREATE FUNCTION check_break_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'OPEN' THEN
            RAISE EXCEPTION 'a break is not born %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'break_step_legal';
        END IF;
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN
        (('OPEN', 'SELF_CLOSED'), ('OPEN', 'DEFERRED'), ('OPEN', 'PROPOSED'), ('DEFERRED', 'OPEN'),
         ('DEFERRED', 'SELF_CLOSED'), ('DEFERRED', 'PROPOSED'), ('PROPOSED', 'OPEN'), ('PROPOSED', 'SELF_CLOSED'),
         ('PROPOSED', 'RESOLVED'), ('SELF_CLOSED', 'OPEN'), ('RESOLVED', 'OPEN'), ('RESOLVED', 'SELF_CLOSED')) THEN
        RAISE EXCEPTION 'a break may not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_step_legal';
    ELSIF OLD.state = 'PROPOSED' AND NEW.state IN ('PROPOSED', 'RESOLVED')
        AND NEW.proposed_by IS DISTINCT FROM OLD.proposed_by THEN
        RAISE EXCEPTION 'who proposed it does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_proposer_stays';
    ELSIF NEW.state = 'RESOLVED' AND OLD.state <> 'RESOLVED'
        AND (NEW.type, NEW.currency, NEW.ours_minor, NEW.theirs_minor, NEW.at_risk_minor, NEW.resolution)
            IS DISTINCT FROM
            (OLD.type, OLD.currency, OLD.ours_minor, OLD.theirs_minor, OLD.at_risk_minor, OLD.resolution) THEN
        RAISE EXCEPTION 'approved is what was proposed'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'break_as_proposed';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER breaks_step BEFORE INSERT OR UPDATE ON breaks FOR EACH ROW EXECUTE FUNCTION check_break_step();

CREATE TABLE break_history (
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    trigger text COLLATE "C" NOT NULL,
    from_state text COLLATE "C",
    to_state text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL,
    at_risk_minor bigint NOT NULL,
    actor text,
    reason text,
    run_id text COLLATE "C",
    at timestamptz NOT NULL,
    PRIMARY KEY (break_id, nth),
    CONSTRAINT break_history_says_who CHECK ((actor IS NULL) <> (run_id IS NULL))
);
"""

# Scratch of the run that holds the lock: empty outside of it, worth nothing after a crash.
WORK = """
CREATE UNLOGGED TABLE dirty_lines (
    source text COLLATE "C" NOT NULL, line_id text COLLATE "C" NOT NULL, fresh boolean NOT NULL,
    PRIMARY KEY (source, line_id));
CREATE UNLOGGED TABLE dirty_items (item_key text COLLATE "C" PRIMARY KEY, fresh boolean NOT NULL);
CREATE UNLOGGED TABLE group_lines (
    source text COLLATE "C" NOT NULL, line_id text COLLATE "C" NOT NULL, PRIMARY KEY (source, line_id));
CREATE UNLOGGED TABLE group_items (item_key text COLLATE "C" PRIMARY KEY);
CREATE UNLOGGED TABLE wanted_allocations (
    source text COLLATE "C" NOT NULL, line_id text COLLATE "C" NOT NULL, processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL, payout_id text COLLATE "C" NOT NULL, currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL, returned boolean NOT NULL, rule text COLLATE "C" NOT NULL);
CREATE UNLOGGED TABLE wanted_breaks (
    subject text COLLATE "C" PRIMARY KEY, type text COLLATE "C" NOT NULL, currency text COLLATE "C" NOT NULL,
    ours_minor bigint NOT NULL, theirs_minor bigint NOT NULL, processor text COLLATE "C", account text COLLATE "C",
    payment_id text COLLATE "C", since timestamptz NOT NULL, expected_by timestamptz);
"""
WORK_TABLES = "dirty_lines, dirty_items, group_lines, group_items, wanted_allocations, wanted_breaks"

VIEWS = """
CREATE VIEW matchable_lines AS
SELECT l.source, l.line_id, l.revision, s.processor, s.account, l.payout_id, l.category, l.object_id, l.our_reference,
       l.currency, l.gross_minor, l.fee_currency, l.fee_minor, l.available_on, l.occurred_at
  FROM settlement_lines AS l JOIN sources AS s USING (source)
 WHERE l.stands AND NOT l.withdrawn AND l.category IN ('charge', 'refund', 'refund_failure', 'dispute', 'reversal')
   AND l.gross_minor <> 0;
CREATE VIEW matchable_items AS
SELECT * FROM our_items WHERE standing IN ('expected', 'in_doubt');
"""

GRANTS = f"""
REVOKE DELETE ON our_items, breaks FROM reconciliation_app;
GRANT TRUNCATE ON {WORK_TABLES} TO reconciliation_app;
"""


def upgrade() -> None:
    """Create everything of version 2."""
    for part in (OUR_SIDE, TOUCHED, MATCHES, BREAKS, WORK, VIEWS, GRANTS):
        op.execute(part)
    for table in (
        "refund_objects",
        "told_facts",
        "journal_facts",
        "runs",
        "told_matches",
        "payout_allocations",
        "break_history",
    ):
        protect(op, table)
