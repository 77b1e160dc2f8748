"""Keeps which file of a source contradicts which earlier one where neither says when it was made, and which one people prefer.

What came before this version is not looked through: its files took their places as they came.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0029"
down_revision = "0028"
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
        'statement_total_mismatch', 'unreadable_lines', 'statement_missing', 'file_order_unknown'));
"""
KEPT = """
CREATE TABLE contradicted_files (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    former_file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    currency text COLLATE "C" NOT NULL,
    line_count bigint NOT NULL CHECK (line_count > 0),
    at_risk_minor bigint NOT NULL CHECK (at_risk_minor >= 0),
    PRIMARY KEY (file_id, former_file_id, currency),
    CONSTRAINT contradicted_by_another CHECK (file_id <> former_file_id)
);
CREATE TABLE preferred_files (
    nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    -- The last file of the source that was staged by then.
    after_file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    preferred_by text NOT NULL CHECK (preferred_by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL
);
CREATE INDEX preferred_files_of_file ON preferred_files (file_id);
CREATE TRIGGER preferred_files_inserted AFTER INSERT ON preferred_files REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION touch_bank();
"""
TABLES = ("contradicted_files", "preferred_files")


def upgrade() -> None:
    """Add the type and the tables, empty."""
    op.execute(TYPES)
    op.execute(KEPT)
    for table in TABLES:
        protect(op, table)
