"""Adds disputes and reversals, the answers to disputes, and what strays and refunds must know of them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DISPUTES = """
CREATE TABLE disputes (
    dispute_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_id text NOT NULL,
    capture_id text,
    status text COLLATE "C" NOT NULL
        CHECK (status IN ('inquiry', 'opened', 'under_review', 'accepted', 'won', 'lost')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    stray_id text COLLATE "C",
    reason text,
    evidence_due_by timestamptz,
    withdrawn_minor bigint NOT NULL CHECK (withdrawn_minor >= 0),
    reinstated_minor bigint NOT NULL CHECK (reinstated_minor >= 0),
    written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    announced text COLLATE "C",
    implied boolean NOT NULL,
    UNIQUE (processor, account, object_id),
    -- Money is written off where a dispute is lost, all of it that is outstanding, and never the merchant's for a stray.
    CONSTRAINT disputes_written_off CHECK (written_off_minor = CASE
        WHEN stray_id IS NULL AND status IN ('lost', 'accepted')
        THEN greatest(withdrawn_minor - reinstated_minor, 0) ELSE 0 END),
    CONSTRAINT disputes_stray_without_fee CHECK (stray_id IS NULL OR fee_minor = 0)
) WITH (fillfactor = 80);
CREATE INDEX disputes_payment ON disputes (payment_id);

CREATE TABLE reversals (
    reversal_id text COLLATE "C" PRIMARY KEY,
    payment_id text COLLATE "C" NOT NULL REFERENCES payments,
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_id text NOT NULL,
    capture_id text,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cause text COLLATE "C" NOT NULL CHECK (cause IN ('processor', 'capture_failed')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    stray_id text COLLATE "C",
    taken_minor bigint NOT NULL CHECK (taken_minor >= 0),
    given_back_minor bigint NOT NULL CHECK (given_back_minor >= 0),
    UNIQUE (processor, account, object_id)
) WITH (fillfactor = 80);
CREATE INDEX reversals_payment ON reversals (payment_id);
"""

OPERATIONS = """
ALTER TABLE operations ADD COLUMN dispute_id text COLLATE "C";
ALTER TABLE operations DROP CONSTRAINT operations_type_check;
ALTER TABLE operations ADD CONSTRAINT operations_type_check CHECK (
    type IN ('authorize', 'capture', 'cancel', 'refund', 'dispute_evidence', 'dispute_accept'));
ALTER TABLE operations DROP CONSTRAINT operations_check;
ALTER TABLE operations ADD CONSTRAINT operations_amount_check CHECK (
    amount_minor > 0 OR (amount_minor = 0 AND type IN ('cancel', 'dispute_evidence', 'dispute_accept')));
ALTER TABLE operations ADD CONSTRAINT operations_answer_has_dispute CHECK (
    (dispute_id IS NOT NULL) = (type IN ('dispute_evidence', 'dispute_accept')));
-- An undecided authorize, capture or cancel refuses every other one; an answer refuses another to the same dispute.
DROP INDEX operations_one_undecided;
CREATE UNIQUE INDEX operations_one_undecided ON operations (payment_id)
    WHERE type IN ('authorize', 'capture', 'cancel')
      AND state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW');
CREATE UNIQUE INDEX operations_one_undecided_answer ON operations (dispute_id)
    WHERE dispute_id IS NOT NULL AND state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW');
"""

OTHERS = """
ALTER TABLE refunds ADD COLUMN double_return_risk boolean NOT NULL DEFAULT false;
ALTER TABLE strays ADD COLUMN taken_back_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE prices ADD COLUMN dispute_fee_minor bigint NOT NULL DEFAULT 0 CHECK (dispute_fee_minor >= 0);
ALTER TABLE payments ADD COLUMN dispute_fee_minor bigint NOT NULL DEFAULT 0 CHECK (dispute_fee_minor >= 0);
"""


def upgrade() -> None:
    """Create the tables, and widen what is there; code that does not know disputes still works."""
    op.execute(DISPUTES)
    op.execute(OPERATIONS)
    op.execute(OTHERS)
    op.execute("REVOKE DELETE ON disputes, reversals FROM payment_app")
