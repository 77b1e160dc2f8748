"""Lets rebuilt books close the months that the old ones had closed, and keeps the old books' keys from sealing them.

How it holds against plain SQL of the application role, in books that were rebuilt from an archive:
- what the old books closed is closed from the first journal on: what nobody told of takes effect in the first month
  that they had open; only a journal that was told takes effect in a closed one, where and exactly as it was told;
- that too only until its month is closed here;
- nothing is signed with a key that signed heads or closes of the old chain.
``told_closes`` and ``former_seal_keys`` are empty otherwise. The tables' owner fills them, from what the archive says.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Of what was taken over before this migration nobody kept it.
TOLD = """
ALTER TABLE told_journals ADD COLUMN effective_at timestamptz,
    ADD CONSTRAINT told_journals_late CHECK (effective_at >= told_effective_at);

CREATE TABLE told_closes (
    close_id text COLLATE "C" PRIMARY KEY,
    period text COLLATE "C" NOT NULL UNIQUE,
    ends_at timestamptz NOT NULL UNIQUE,
    CONSTRAINT told_closes_month CHECK (
        ends_at = (make_date(left(period, 4)::int, right(period, 2)::int, 1) + interval '1 month') AT TIME ZONE 'UTC')
);
CREATE TABLE former_seal_keys (key_id text COLLATE "C" PRIMARY KEY);
REVOKE ALL ON told_closes, former_seal_keys FROM ledger_app;
GRANT SELECT ON told_closes, former_seal_keys TO ledger_app, ledger_reader;
"""

FIRST_OPEN_AT = """
CREATE OR REPLACE FUNCTION first_open_at() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
    found timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger:periods', 0));
    SELECT greatest((SELECT max(ends_at) FROM closed_periods), (SELECT max(ends_at) FROM told_closes)) INTO found;
    RETURN found;
END $$;
"""

JOURNALS_IN_OPEN_PERIOD = """
CREATE OR REPLACE FUNCTION journals_in_open_period() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    opens_at timestamptz := first_open_at();
    misfit record;
BEGIN
    IF opens_at IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT n.journal_id, n.effective_at INTO misfit FROM new_journals n
     WHERE n.effective_at < opens_at
       AND (EXISTS (SELECT FROM closed_periods c WHERE c.ends_at > n.effective_at)
            OR NOT EXISTS (SELECT FROM told_journals t
                            WHERE t.journal_id = n.journal_id AND t.rule = n.rule AND t.fact_key = n.fact_key
                              AND t.effective_at = n.effective_at))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % takes effect at %, and everything before % is closed',
            misfit.journal_id, misfit.effective_at, opens_at
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journals_in_open_period';
    END IF;
    RETURN NULL;
END $$;
"""

LATE_JOURNALS_FIT = """
CREATE OR REPLACE FUNCTION late_journals_fit() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    opens_at timestamptz := first_open_at();
    misfit record;
BEGIN
    -- booked_at is when its transaction began: nothing is called late afterwards.
    SELECT n.journal_position INTO misfit FROM new_late n LEFT JOIN journals j ON j.position = n.journal_position
     WHERE j.position IS NULL OR j.booked_at <> now() OR n.told_effective_at >= j.effective_at
        OR (j.effective_at IS DISTINCT FROM opens_at
            AND NOT EXISTS (SELECT FROM told_journals t
                             WHERE t.journal_id = j.journal_id AND t.effective_at = j.effective_at
                               AND t.told_effective_at = n.told_effective_at))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the journal at % is not late', misfit.journal_position
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'late_journals_fit';
    END IF;
    RETURN NULL;
END $$;
"""

SEAL_KEY_IS_NEW = """
CREATE FUNCTION refuse_former_key() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM former_seal_keys WHERE key_id = NEW.key_id) THEN
        RAISE EXCEPTION 'key % signed the books that these were rebuilt from', NEW.key_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'seal_key_is_new';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER head_key_is_new BEFORE INSERT ON seal_heads FOR EACH ROW EXECUTE FUNCTION refuse_former_key();
CREATE TRIGGER close_key_is_new BEFORE INSERT ON close_signatures FOR EACH ROW EXECUTE FUNCTION refuse_former_key();
"""


def upgrade() -> None:
    """Add the tables, empty, and let closing and signing look at them."""
    for statement in (TOLD, FIRST_OPEN_AT, JOURNALS_IN_OPEN_PERIOD, LATE_JOURNALS_FIT, SEAL_KEY_IS_NEW):
        op.execute(statement)
    for table in ("told_closes", "former_seal_keys"):
        protect(op, table)
