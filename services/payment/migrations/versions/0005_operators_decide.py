"""Lets operators decide: what is in review, what is astray, which case is closed; with evidence and four eyes.

The lists of operation types hold those of every release, also ones that this release does not write yet: a later
migration that states the constraint anew must name them all.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OPERATIONS = """
ALTER TABLE operations ADD COLUMN stray_id text COLLATE "C";
ALTER TABLE operations DROP CONSTRAINT IF EXISTS operations_type_check;
ALTER TABLE operations ADD CONSTRAINT operations_type_check CHECK (
    type IN ('authorize', 'capture', 'cancel', 'refund', 'stray_return', 'stray_void',
             'dispute_evidence', 'dispute_accept'));
ALTER TABLE operations DROP CONSTRAINT IF EXISTS operations_check;
ALTER TABLE operations DROP CONSTRAINT IF EXISTS operations_amount_check;
ALTER TABLE operations ADD CONSTRAINT operations_amount_check CHECK (
    amount_minor > 0
    OR (amount_minor = 0 AND type IN ('cancel', 'stray_void', 'dispute_evidence', 'dispute_accept')));
ALTER TABLE operations ADD CONSTRAINT operations_about_a_stray CHECK (
    (stray_id IS NOT NULL) = (type IN ('stray_return', 'stray_void')));
-- An undecided return or void of a stray refuses every other one of that stray.
CREATE UNIQUE INDEX operations_one_undecided_of_a_stray ON operations (stray_id)
    WHERE stray_id IS NOT NULL AND state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW');
"""

STRAYS = """
ALTER TABLE strays ADD COLUMN accepted boolean NOT NULL DEFAULT false;
ALTER TABLE strays ADD CONSTRAINT strays_accepted_is_released CHECK (NOT accepted OR released);
-- What we ask for is bound; what the world gave back is stored whatever it is, also beside a return of ours.
ALTER TABLE strays DROP CONSTRAINT strays_returned_once;
CREATE FUNCTION check_stray_return() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    IF NEW.kind <> 'money' OR NEW.released
       OR NEW.returned_minor + NEW.reserved_minor + NEW.taken_back_minor > NEW.amount_minor THEN
        RAISE EXCEPTION 'stray % cannot be returned once more', NEW.stray_id USING ERRCODE = 'check_violation',
            CONSTRAINT = 'strays_returned_once';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER strays_return BEFORE UPDATE ON strays FOR EACH ROW
    WHEN (NEW.reserved_minor > OLD.reserved_minor) EXECUTE FUNCTION check_stray_return();
CREATE INDEX strays_open ON strays (found_at) WHERE NOT released;
"""

CASES = """
ALTER TABLE cases ADD COLUMN subject text;
ALTER TABLE cases ADD COLUMN closed_reason text;
"""

DECISIONS = """
CREATE TABLE operator_decisions (
    decision_id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('operation', 'stray')),
    subject_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('succeeded', 'declined', 'return', 'void', 'accept')),
    moves_money boolean NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text COLLATE "C" NOT NULL,
    evidence text NOT NULL,
    object_id text,
    reason text NOT NULL CHECK (reason <> ''),
    state text COLLATE "C" NOT NULL CHECK (state IN ('proposed', 'applied', 'rejected')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decided_reason text,
    CONSTRAINT decisions_outcome_fits CHECK (
        (kind = 'operation') = (outcome IN ('succeeded', 'declined'))),
    CONSTRAINT decisions_money_is_named CHECK (outcome NOT IN ('return', 'accept') OR moves_money),
    CONSTRAINT decisions_need_evidence CHECK (kind <> 'operation' OR evidence <> ''),
    CONSTRAINT decisions_decided CHECK ((state = 'proposed') = (decided_by IS NULL)
                                        AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT decisions_four_eyes CHECK (state <> 'applied' OR NOT moves_money OR decided_by <> proposed_by)
);
CREATE UNIQUE INDEX operator_decisions_one_open ON operator_decisions (subject_id) WHERE state = 'proposed';
CREATE INDEX operator_decisions_payment ON operator_decisions (payment_id);
CREATE FUNCTION refuse_decided_again() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'decision % is decided', OLD.decision_id USING ERRCODE = 'check_violation',
        CONSTRAINT = 'decisions_are_final';
END
$$;
CREATE TRIGGER operator_decisions_final BEFORE UPDATE ON operator_decisions FOR EACH ROW
    WHEN (OLD.state <> 'proposed') EXECUTE FUNCTION refuse_decided_again();
REVOKE DELETE ON operator_decisions FROM payment_app;
"""


def upgrade() -> None:
    """Widen what is there and add the decisions; code of the release before still works."""
    for part in (OPERATIONS, STRAYS, CASES, DECISIONS):
        op.execute(part)
