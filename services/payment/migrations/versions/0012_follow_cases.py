"""Lets an open case follow its cause, and keeps every step of it; what contradicts a closed one is a case of its own.

Rows of the release before have no steps: what is known of their opening and closing is written down once here.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CASES = """
-- Of several open ones that would bear one name the oldest bears it; the others stay open under their own.
UPDATE cases AS c SET subject = coalesce(c.operation_id, c.payment_id)
 WHERE c.subject IS NULL AND (c.closed_at IS NOT NULL OR NOT EXISTS (
       SELECT FROM cases AS o
        WHERE o.payment_id = c.payment_id AND o.reason = c.reason AND o.closed_at IS NULL
          AND coalesce(o.subject, o.operation_id, o.payment_id) = coalesce(c.operation_id, c.payment_id)
          AND (o.subject IS NOT NULL OR (o.opened_at, o.case_id) < (c.opened_at, c.case_id))));
UPDATE cases SET subject = case_id WHERE subject IS NULL;
ALTER TABLE cases ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE cases ADD COLUMN told text[] NOT NULL DEFAULT '{}';
ALTER TABLE cases ADD COLUMN follows_case_id text COLLATE "C" REFERENCES cases;
ALTER TABLE cases ADD COLUMN closed_evidence_id text COLLATE "C";
ALTER TABLE cases ADD COLUMN resolution text GENERATED ALWAYS AS (
    CASE WHEN closed_at IS NULL THEN NULL WHEN closed_by = 'evidence' THEN 'evidence' ELSE 'operator' END) STORED;
UPDATE cases SET changed_at = coalesce(closed_at, opened_at), told = ARRAY[exposure_minor || ' ' || currency];
ALTER TABLE cases ADD CONSTRAINT cases_closed_by_somebody CHECK ((closed_at IS NULL) = (closed_by IS NULL));
ALTER TABLE cases ADD CONSTRAINT cases_evidence_closes CHECK (
    closed_evidence_id IS NULL OR (closed_at IS NOT NULL AND closed_by = 'evidence'));
CREATE UNIQUE INDEX cases_one_open ON cases (payment_id, reason, subject) WHERE closed_at IS NULL;
"""

# The past is never edited: a closed case stays closed, and no case becomes one about something else.
KEPT = """
CREATE FUNCTION refuse_edited_case() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'case % is not to be edited', OLD.case_id USING ERRCODE = 'check_violation',
        CONSTRAINT = 'cases_keep_their_past';
END
$$;
CREATE TRIGGER cases_past BEFORE UPDATE ON cases FOR EACH ROW
    WHEN (OLD.closed_at IS NOT NULL OR NOT NEW.told @> OLD.told
          OR (OLD.case_id, OLD.payment_id, OLD.reason, OLD.subject, OLD.operation_id, OLD.opened_at, OLD.follows_case_id)
             IS DISTINCT FROM
             (NEW.case_id, NEW.payment_id, NEW.reason, NEW.subject, NEW.operation_id, NEW.opened_at, NEW.follows_case_id))
    EXECUTE FUNCTION refuse_edited_case();
"""

HISTORY = """
CREATE TABLE case_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id text COLLATE "C" NOT NULL REFERENCES cases,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    step text COLLATE "C" NOT NULL CHECK (step IN ('opened', 'changed', 'closed')),
    exposure_minor bigint NOT NULL CHECK (exposure_minor >= 0),
    currency text COLLATE "C" NOT NULL,
    words text,
    done_by text NOT NULL,
    evidence_id text COLLATE "C",
    cause_id text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX case_history_payment ON case_history (payment_id);
INSERT INTO case_history (case_id, payment_id, step, exposure_minor, currency, words, done_by, cause_id, at)
SELECT case_id, payment_id, 'opened', exposure_minor, currency, NULL, 'unknown', case_id, opened_at FROM cases
UNION ALL
SELECT case_id, payment_id, 'closed', exposure_minor, currency, closed_reason, closed_by, case_id, closed_at
  FROM cases WHERE closed_at IS NOT NULL;
"""


def upgrade() -> None:
    """Widen the cases and add their history; code of the release before still works."""
    for part in (CASES, KEPT, HISTORY):
        op.execute(part)
    protect(op, "case_history")
