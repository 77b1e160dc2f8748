"""Let the processor's objects be disputes, reversals and money rows, and book what they take.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from shared.persistence.append_only import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OBJECTS = """
ALTER TABLE alpha_objects ADD COLUMN claim jsonb;
ALTER TABLE alpha_objects ALTER COLUMN reference DROP NOT NULL;
ALTER TABLE alpha_objects DROP CONSTRAINT alpha_objects_kind_check;
ALTER TABLE alpha_objects ADD CONSTRAINT alpha_objects_kind_check CHECK (
    kind IN ('authorization', 'capture', 'refund', 'dispute', 'reversal', 'money_row'));
-- Unnamed in the first migration: which status each kind may have.
ALTER TABLE alpha_objects DROP CONSTRAINT alpha_objects_check1;
ALTER TABLE alpha_objects ADD CONSTRAINT alpha_objects_status_check CHECK (CASE kind
    WHEN 'authorization' THEN status IN ('authorized', 'declined', 'voided', 'expired')
    WHEN 'dispute' THEN status IN ('inquiry', 'opened', 'under_review', 'accepted', 'won', 'lost')
    WHEN 'reversal' THEN status IN ('succeeded', 'given_back')
    WHEN 'money_row' THEN status IN ('withdrawn', 'reinstated', 'taken', 'given_back')
    ELSE status IN ('pending', 'succeeded', 'failed') END);
ALTER TABLE alpha_objects ADD CONSTRAINT alpha_objects_claim_check CHECK (
    (claim IS NOT NULL) = (kind IN ('dispute', 'reversal', 'money_row')));
ALTER TABLE alpha_objects ADD CONSTRAINT alpha_objects_reference_check2 CHECK (
    reference IS NOT NULL OR claim IS NOT NULL);
-- No more comes back than was taken.
ALTER TABLE alpha_objects ADD CONSTRAINT alpha_objects_given_back_check CHECK (CASE kind
    WHEN 'dispute' THEN (claim->>'reinstated_minor')::bigint BETWEEN 0 AND (claim->>'withdrawn_minor')::bigint
    WHEN 'reversal' THEN (claim->>'given_back_minor')::bigint BETWEEN 0 AND amount_minor
    ELSE true END);
CREATE INDEX alpha_objects_answers ON alpha_objects USING gin ((claim->'answers')) WHERE kind = 'dispute';
"""

BOOK = """
ALTER TABLE alpha_book ADD COLUMN withdrawn_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE alpha_book ADD COLUMN reversed_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE alpha_book ADD COLUMN fee_minor bigint NOT NULL DEFAULT 0;
CREATE OR REPLACE VIEW alpha_book_by_payment AS
SELECT account, payment_id, currency,
       sum(held_minor)::bigint AS held_minor,
       sum(captured_minor)::bigint AS captured_minor,
       sum(refunded_minor)::bigint AS refunded_minor,
       count(*) FILTER (WHERE captured_minor > 0) AS charges,
       count(*) FILTER (WHERE refunded_minor > 0) - count(*) FILTER (WHERE refunded_minor < 0) AS refunds,
       sum(withdrawn_minor)::bigint AS withdrawn_minor,
       sum(reversed_minor)::bigint AS reversed_minor,
       sum(fee_minor)::bigint AS fee_minor
FROM alpha_book GROUP BY account, payment_id, currency;
"""


def upgrade() -> None:
    op.execute(OBJECTS)
    op.execute(BOOK)
    # The book's guard names the columns that it froze: it must know the new ones.
    for trigger in ("alpha_book_keeps_rows", "alpha_book_keeps_all"):
        op.execute(f"DROP TRIGGER {trigger} ON alpha_book")
    protect(op, "alpha_book")
