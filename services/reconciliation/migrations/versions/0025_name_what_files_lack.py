"""Lets what a file lacks be a break: totals that do not come out, lines that nobody could read, a statement that is missing.

Every file that is staged has these looked at, and whatever is wrong with files that are there already the next run finds.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TYPES = """
ALTER TABLE breaks
    DROP CONSTRAINT breaks_type_check,
    ADD CONSTRAINT breaks_type_check CHECK (type IN (
        'currency_mismatch', 'amount_mismatch', 'duplicate_charge', 'stray_capture', 'status_conflict',
        'processor_success_internal_missing', 'missing_refund', 'settlement_delay',
        'internal_success_processor_failure', 'fee_mismatch', 'missing_in_bank', 'unexpected_in_bank', 'unposted',
        'unexplained_journal', 'unfounded_adjustment', 'unfounded_return', 'payout_total_mismatch',
        'statement_total_mismatch', 'unreadable_lines', 'statement_missing'));
"""

LOOKED_AT = """
CREATE INDEX control_totals_unequal ON control_totals (file_id) WHERE stated_minor <> counted_minor;
CREATE INDEX report_files_quarantined ON report_files (file_id) WHERE quarantined_count > 0;
CREATE INDEX stated_payouts_of_payout ON stated_payouts (payout_id);
CREATE TRIGGER report_files_staged AFTER UPDATE ON report_files REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();
INSERT INTO touched_bank SELECT 'version 25' WHERE EXISTS (SELECT FROM runs);
"""

# Over currencies money at risk is ordered by major units: no index on minor units has that order.
QUEUE = """
DROP INDEX breaks_in_queue, breaks_by_state, breaks_of_owner;
CREATE INDEX breaks_by_state ON breaks (state);
CREATE INDEX breaks_of_owner ON breaks (owner) WHERE state IN ('OPEN', 'DEFERRED', 'PROPOSED', 'APPLYING');
"""


def upgrade() -> None:
    """Add the types and what the runs look them up by."""
    for part in (TYPES, LOOKED_AT, QUEUE):
        op.execute(part)
