"""Lets runs look at what changed, and nowhere else, and lets nobody wait for a run.

- touches are added and taken, never merged: what a run did not see is there for the next one; a change says in which
  groups its line or item was before, so that those are looked at again;
- a match to be told, and a payout with lines to tell, are rows of their own: who adds one waits for nobody;
- an event that the ledger has to book is looked at once its journal is late, and when a journal of it comes; payouts and
  bank lines, tolerances and agreed fees mark that they changed; what becomes late or lost is found by its day.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TOUCHED = """
ALTER TABLE touched_lines DROP CONSTRAINT touched_lines_pkey,
    ADD COLUMN former_object_id text COLLATE "C",
    ADD COLUMN former_reference text COLLATE "C",
    ADD COLUMN former_amount text COLLATE "C";
ALTER TABLE touched_items DROP CONSTRAINT touched_items_pkey,
    ADD COLUMN former_object_id text COLLATE "C",
    ADD COLUMN former_money_row_id text COLLATE "C",
    ADD COLUMN former_operation_id text COLLATE "C",
    ADD COLUMN former_payment_id text COLLATE "C",
    ADD COLUMN former_amount text COLLATE "C";

CREATE OR REPLACE FUNCTION touch_lines() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_lines (source, line_id, fresh)
    SELECT source, line_id, max(revision) = 1 FROM changed GROUP BY source, line_id;
    RETURN NULL;
END
$$;
-- That a line was announced changes nothing of what it says.
CREATE OR REPLACE FUNCTION touch_changed_lines() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_lines (source, line_id, fresh, former_object_id, former_reference, former_amount)
    SELECT n.source, n.line_id, false, o.object_id, o.our_reference,
           CASE WHEN o.object_id IS NULL AND o.our_reference IS NULL THEN o.gross_minor::text || o.currency END
      FROM changed AS n JOIN former AS o USING (source, line_id, revision)
     WHERE (n.stands, n.withdrawn, n.category, n.object_id, n.our_reference, n.currency, n.gross_minor,
            n.fee_currency, n.fee_minor, n.net_currency, n.net_minor, n.occurred_at)
        IS DISTINCT FROM
           (o.stands, o.withdrawn, o.category, o.object_id, o.our_reference, o.currency, o.gross_minor,
            o.fee_currency, o.fee_minor, o.net_currency, o.net_minor, o.occurred_at);
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION touch_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_items (item_key, fresh) SELECT item_key, true FROM changed;
    RETURN NULL;
END
$$;
CREATE FUNCTION touch_changed_items() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_items (item_key, fresh, former_object_id, former_money_row_id, former_operation_id,
                               former_payment_id, former_amount)
    SELECT item_key, false, object_id, money_row_id, operation_id, payment_id, amount_minor::text || currency
      FROM former;
    RETURN NULL;
END
$$;
DROP TRIGGER our_items_updated ON our_items;
CREATE TRIGGER our_items_updated AFTER UPDATE ON our_items REFERENCING OLD TABLE AS former
    FOR EACH STATEMENT EXECUTE FUNCTION touch_changed_items();

-- Where nothing is named, candidates are what is near in time.
CREATE INDEX our_items_by_amount_and_time ON our_items ((amount_minor::text || currency), occurred_at);
DROP INDEX our_items_by_amount;
"""

UNTOLD = """
ALTER TABLE untold_lines DROP CONSTRAINT untold_lines_pkey,
    ADD COLUMN nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
-- A row of its own for each change: whoever takes one meanwhile finds the next one later.
CREATE OR REPLACE FUNCTION have_told() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO untold_lines (source, line_id)
    SELECT source, line_id FROM changed WHERE line_id IS NOT NULL ORDER BY source, line_id;
    RETURN NULL;
END
$$;

CREATE TABLE payouts_to_tell (
    nth bigint GENERATED ALWAYS AS IDENTITY,
    source text COLLATE "C" NOT NULL,
    payout_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, nth)
);
CREATE FUNCTION payout_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO payouts_to_tell (source, payout_id)
    SELECT DISTINCT c.source, c.payout_id FROM changed AS c
      JOIN payouts AS p ON p.source = c.source AND p.payout_id = c.payout_id
     WHERE p.closed_at IS NOT NULL ORDER BY 1, 2;
    RETURN NULL;
END
$$;
CREATE TRIGGER payouts_inserted AFTER INSERT ON payouts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION payout_changed();
CREATE TRIGGER payouts_updated AFTER UPDATE ON payouts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION payout_changed();
CREATE FUNCTION line_of_payout_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO payouts_to_tell (source, payout_id)
    SELECT DISTINCT c.source, c.payout_id
      FROM (SELECT DISTINCT source, payout_id FROM changed
             WHERE stands AND NOT announced AND category <> 'payout' AND payout_id IS NOT NULL) AS c
      JOIN payouts AS p ON p.source = c.source AND p.payout_id = c.payout_id
     WHERE p.closed_at IS NOT NULL ORDER BY 1, 2;
    RETURN NULL;
END
$$;
CREATE TRIGGER settlement_lines_to_tell AFTER INSERT ON settlement_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION line_of_payout_changed();
CREATE TRIGGER settlement_lines_changed_to_tell AFTER UPDATE ON settlement_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION line_of_payout_changed();
INSERT INTO payouts_to_tell (source, payout_id)
SELECT DISTINCT n.source, n.payout_id FROM settlement_lines AS n
  JOIN payouts AS p ON p.source = n.source AND p.payout_id = n.payout_id AND p.closed_at IS NOT NULL
 WHERE n.stands AND NOT n.announced AND n.category <> 'payout' AND n.payout_id IS NOT NULL ORDER BY 1, 2;
"""

EVENTS = """
-- An event whose booking is looked at by the first run as of then: five minutes after it was told, as runs have it, or
-- at once where its journal is what came.
CREATE TABLE touched_events (event_id text COLLATE "C" NOT NULL, look_at timestamptz NOT NULL);
CREATE INDEX touched_events_due ON touched_events (look_at);

CREATE FUNCTION touch_told() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    -- Whose journal came before it: the journal is explained now.
    IF TG_TABLE_NAME = 'told_facts' THEN
        INSERT INTO touched_events
        SELECT event_id, CASE WHEN EXISTS (SELECT FROM journal_facts AS j WHERE j.cause_event_id = c.event_id)
                              THEN '-infinity' ELSE told_at + interval '5 minutes' END FROM changed AS c;
    ELSIF TG_TABLE_NAME = 'announced_lines' THEN
        INSERT INTO touched_events SELECT event_id, announced_at + interval '5 minutes' FROM changed;
    ELSE
        INSERT INTO touched_events SELECT event_id, allocated_at + interval '5 minutes' FROM changed;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER told_facts_inserted AFTER INSERT ON told_facts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();
CREATE TRIGGER announced_lines_touched AFTER INSERT ON announced_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();
CREATE TRIGGER payout_allocations_inserted AFTER INSERT ON payout_allocations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_told();

CREATE FUNCTION touch_booked() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_events SELECT DISTINCT cause_event_id, '-infinity'::timestamptz FROM changed;
    INSERT INTO touched_events
    SELECT DISTINCT cause_event_id, told_at + interval '5 minutes' FROM changed AS c
     WHERE NOT EXISTS (SELECT FROM told_facts AS f WHERE f.event_id = c.cause_event_id)
       AND NOT EXISTS (SELECT FROM announced_lines AS a WHERE a.event_id = c.cause_event_id)
       AND NOT EXISTS (SELECT FROM payout_allocations AS p WHERE p.event_id = c.cause_event_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER journal_facts_inserted AFTER INSERT ON journal_facts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_booked();
"""

MARKS = """
CREATE TABLE touched_bank (what text NOT NULL);
CREATE FUNCTION touch_bank() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_bank SELECT TG_TABLE_NAME WHERE EXISTS (SELECT FROM changed);
    RETURN NULL;
END
$$;
CREATE TRIGGER bank_lines_inserted AFTER INSERT ON bank_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();
CREATE TRIGGER bank_lines_updated AFTER UPDATE ON bank_lines REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();
CREATE TRIGGER payouts_in AFTER INSERT ON payouts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();
CREATE TRIGGER payouts_moved AFTER UPDATE ON payouts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();

CREATE TABLE touched_rules (what text NOT NULL);
CREATE FUNCTION touch_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_rules VALUES (TG_TABLE_NAME);
    RETURN NULL;
END
$$;
CREATE TRIGGER tolerances_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tolerances
    FOR EACH STATEMENT EXECUTE FUNCTION touch_rules();
CREATE TRIGGER agreed_fees_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agreed_fees
    FOR EACH STATEMENT EXECUTE FUNCTION touch_rules();
-- Names that lines of nobody may have: what they are depends on whether we gave that up.
CREATE TABLE touched_names (name text COLLATE "C" NOT NULL);
CREATE FUNCTION touch_names() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    INSERT INTO touched_names SELECT name FROM changed;
    RETURN NULL;
END
$$;
CREATE TRIGGER given_up_inserted AFTER INSERT ON given_up REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_names();
-- What changed before these were there is found by the next run, which looks at everything.
INSERT INTO touched_rules SELECT 'version 6' WHERE EXISTS (SELECT FROM runs);
"""

DAYS = """
CREATE INDEX our_items_late ON our_items (expected_by);
CREATE INDEX our_items_lost ON our_items (lost_by);
CREATE INDEX payouts_due ON payouts ((coalesce(expected_on, (closed_at AT TIME ZONE 'UTC')::date)))
    WHERE closed_at IS NOT NULL;
CREATE INDEX breaks_put_off ON breaks (due_on) WHERE state = 'DEFERRED';
CREATE INDEX runs_as_of ON runs (least(as_of, started_at));
"""

# Scratch of the run that holds the lock, as in version 2.
WORK = """
CREATE UNLOGGED TABLE dirty_keys (
    kind text COLLATE "C" NOT NULL, k text COLLATE "C" NOT NULL, PRIMARY KEY (kind, k));
CREATE UNLOGGED TABLE dirty_bank (what text NOT NULL);
CREATE UNLOGGED TABLE suspect_lines (
    source text COLLATE "C" NOT NULL, line_id text COLLATE "C" NOT NULL, PRIMARY KEY (source, line_id));
CREATE UNLOGGED TABLE suspect_items (item_key text COLLATE "C" PRIMARY KEY);
CREATE UNLOGGED TABLE suspect_events (event_id text COLLATE "C" PRIMARY KEY);
GRANT TRUNCATE ON dirty_keys, dirty_bank, suspect_lines, suspect_items, suspect_events TO reconciliation_app;

-- Only its owner may take statistics of a table. Without them a run over a large file is planned for a few lines.
CREATE FUNCTION take_statistics(among text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public AS $$
DECLARE
    one text;
BEGIN
    FOR one IN SELECT named FROM unnest(among) AS named
                WHERE named IN ('dirty_lines', 'dirty_items', 'dirty_keys', 'group_lines', 'group_items', 'claims',
                                'settlement_lines', 'our_items', 'suspect_lines', 'suspect_items',
                                'suspect_events', 'wanted_breaks') LOOP
        EXECUTE format('ANALYZE public.%I', one);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION take_statistics(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_statistics(text[]) TO reconciliation_app;
"""


def upgrade() -> None:
    """Create everything of version 6."""
    for part in (TOUCHED, UNTOLD, EVENTS, MARKS, DAYS, WORK):
        op.execute(part)
