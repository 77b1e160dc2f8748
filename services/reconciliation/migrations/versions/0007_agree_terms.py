"""Keeps what is agreed as terms that two people agreed, each in force from a moment on; nothing is agreed in SQL any more.

- a term is proposed by one person and decided by another, once; what was proposed is what is decided;
- it is in force from its moment on, and never from before it was approved; the newest one of a key counts;
- ``tolerances``, ``agreed_fees`` and ``processor_calendars`` show what is in force, as code of version 6 reads them.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TERMS = """
CREATE TABLE terms (
    term_id text COLLATE "C" PRIMARY KEY CHECK (term_id ~ '^trm_[0-9a-z]{26}$'),
    nth bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('tolerance', 'agreed_fee', 'calendar')),
    valid_from timestamptz NOT NULL,
    ended boolean NOT NULL,
    source text COLLATE "C" REFERENCES sources,
    processor text COLLATE "C",
    currency text COLLATE "C" CHECK (currency ~ '^[A-Z]{3}$'),
    field text COLLATE "C" CHECK (field IN ('gross', 'fee', 'bank')),
    category text COLLATE "C" CHECK (category IN ('charge', 'refund', 'refund_failure', 'dispute', 'reversal')),
    tolerance_minor bigint CHECK (tolerance_minor >= 0),
    per_million integer CHECK (per_million BETWEEN 0 AND 1000000),
    fixed_minor bigint CHECK (fixed_minor >= 0),
    time_zone text CHECK (time_zone <> ''),
    settles_after_days integer CHECK (settles_after_days BETWEEN 0 AND 60),
    lost_after_days integer CHECK (lost_after_days BETWEEN 0 AND 60),
    holidays date[],
    state text COLLATE "C" NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED')),
    reason text NOT NULL CHECK (reason <> ''),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text CHECK (decided_by <> ''),
    decided_at timestamptz,
    decision_reason text CHECK (decision_reason <> ''),
    CONSTRAINT terms_keyed CHECK (CASE kind
        WHEN 'tolerance' THEN num_nulls(source, currency, field) = 0 AND num_nonnulls(processor, category) = 0
        WHEN 'agreed_fee' THEN num_nulls(source, category, currency) = 0 AND num_nonnulls(processor, field) = 0
        ELSE processor IS NOT NULL AND num_nonnulls(source, currency, field, category) = 0 END),
    CONSTRAINT terms_valued CHECK (
        num_nonnulls(tolerance_minor) = CASE WHEN kind = 'tolerance' AND NOT ended THEN 1 ELSE 0 END
        AND num_nonnulls(per_million, fixed_minor) = CASE WHEN kind = 'agreed_fee' AND NOT ended THEN 2 ELSE 0 END
        AND num_nonnulls(time_zone, settles_after_days, lost_after_days, holidays)
            = CASE WHEN kind = 'calendar' AND NOT ended THEN 4 ELSE 0 END),
    CONSTRAINT terms_decided CHECK (num_nonnulls(decided_by, decided_at, decision_reason)
        = CASE WHEN state = 'PROPOSED' THEN 0 ELSE 3 END),
    CONSTRAINT terms_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)
);
CREATE INDEX terms_approved ON terms (kind) WHERE state = 'APPROVED';
"""

# What was set in SQL until now counts on, as having been agreed before anybody was asked.
_BEFORE = "'APPROVED', 'set in SQL before version 7', 'sql', 'epoch', 'migration', 'epoch', 'set in SQL before version 7'"
CARRIED = f"""
INSERT INTO terms (term_id, kind, valid_from, ended, source, currency, field, tolerance_minor, state, reason, proposed_by,
                   proposed_at, decided_by, decided_at, decision_reason)
SELECT 'trm_' || left(md5('tolerance' || source || currency || field), 26), 'tolerance', 'epoch', false, source, currency,
       field, tolerance_minor, {_BEFORE} FROM tolerances;
INSERT INTO terms (term_id, kind, valid_from, ended, source, category, currency, per_million, fixed_minor, state, reason,
                   proposed_by, proposed_at, decided_by, decided_at, decision_reason)
SELECT 'trm_' || left(md5('fee' || source || category || currency), 26), 'agreed_fee', 'epoch', false, source, category,
       currency, per_million, fixed_minor, {_BEFORE} FROM agreed_fees;
INSERT INTO terms (term_id, kind, valid_from, ended, processor, time_zone, settles_after_days, lost_after_days, holidays,
                   state, reason, proposed_by, proposed_at, decided_by, decided_at, decision_reason)
SELECT 'trm_' || left(md5('calendar' || processor), 26), 'calendar', 'epoch', false, processor, time_zone,
       settles_after_days, lost_after_days, holidays, {_BEFORE} FROM processor_calendars;
DROP TABLE tolerances, agreed_fees, processor_calendars;
"""

STEPS = """
CREATE FUNCTION check_term_step() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'PROPOSED' OR TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED' THEN
        RAISE EXCEPTION 'a term is proposed first, and decided once'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'term_step_legal';
    END IF;
    RETURN NEW;
END
$$;
-- The next run looks at everything that they are about.
CREATE TRIGGER terms_changed AFTER UPDATE ON terms FOR EACH STATEMENT EXECUTE FUNCTION touch_rules();
CREATE TRIGGER terms_step BEFORE INSERT OR UPDATE ON terms FOR EACH ROW EXECUTE FUNCTION check_term_step();
"""

IN_FORCE = """
-- A run asks as of its own moment, everything else as of now.
CREATE FUNCTION terms_as_of() RETURNS timestamptz LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(nullif(current_setting('reconciliation.as_of', true), '')::timestamptz, now())
$$;
CREATE VIEW terms_in_force AS
SELECT * FROM (
    SELECT DISTINCT ON (kind, source, processor, currency, field, category) * FROM terms
     WHERE state = 'APPROVED' AND greatest(valid_from, decided_at) <= terms_as_of()
     ORDER BY kind, source, processor, currency, field, category, greatest(valid_from, decided_at) DESC, nth DESC
) AS newest WHERE NOT ended;
CREATE VIEW tolerances AS
SELECT source, currency, field, tolerance_minor FROM terms_in_force WHERE kind = 'tolerance';
CREATE VIEW agreed_fees AS
SELECT source, category, currency, per_million, fixed_minor FROM terms_in_force WHERE kind = 'agreed_fee';
CREATE VIEW processor_calendars AS
SELECT processor, time_zone, settles_after_days, lost_after_days, holidays FROM terms_in_force WHERE kind = 'calendar';
"""


def upgrade() -> None:
    """Create everything of version 7."""
    for part in (TERMS, CARRIED, STEPS, IN_FORCE):
        op.execute(part)
    protect(op, "terms", mutable_columns=("state", "decided_by", "decided_at", "decision_reason"))
