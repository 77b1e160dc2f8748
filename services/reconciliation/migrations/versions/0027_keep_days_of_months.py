"""Keeps what each day of a month came to when the month was closed: money by band, and payouts explained to zero.

A month that was closed before, or by the process that still runs, has none and says so: its days are read as they are.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_OF_DAY = """
    period text COLLATE "C" NOT NULL REFERENCES closed_periods DEFERRABLE INITIALLY DEFERRED,
    day date NOT NULL,
    currency text COLLATE "C" NOT NULL,"""
KEPT = f"""
ALTER TABLE closed_periods ADD COLUMN keeps_days boolean NOT NULL DEFAULT false;

CREATE TABLE period_days ({_OF_DAY}
    matched_minor bigint NOT NULL CHECK (matched_minor >= 0),
    timing_minor bigint NOT NULL CHECK (timing_minor >= 0),
    broken_minor bigint NOT NULL CHECK (broken_minor >= 0),
    accepted_minor bigint NOT NULL CHECK (accepted_minor >= 0),
    -- Of all of it what lines say that match nothing.
    lines_minor bigint NOT NULL CHECK (lines_minor >= 0),
    PRIMARY KEY (period, day, currency),
    CONSTRAINT period_days_lines CHECK (lines_minor <= matched_minor + timing_minor + broken_minor + accepted_minor)
);
CREATE TABLE period_explained ({_OF_DAY}
    payouts bigint NOT NULL CHECK (payouts >= 0),
    charges_minor bigint NOT NULL,
    refunds_minor bigint NOT NULL,
    disputes_minor bigint NOT NULL,
    reversals_minor bigint NOT NULL,
    reserves_minor bigint NOT NULL,
    adjustments_minor bigint NOT NULL,
    fees_minor bigint NOT NULL,
    exchanged_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    unread_minor bigint NOT NULL,
    bank_credit_minor bigint NOT NULL,
    unexplained_minor bigint NOT NULL CHECK (unexplained_minor >= 0),
    residue_minor bigint NOT NULL CHECK (residue_minor >= 0),
    unallocated_minor bigint NOT NULL CHECK (unallocated_minor >= 0),
    named_by jsonb NOT NULL CHECK (jsonb_typeof(named_by) = 'array'),
    unnamed_minor bigint NOT NULL CHECK (unnamed_minor >= 0),
    PRIMARY KEY (period, day, currency)
);
-- The report asks by days.
CREATE INDEX period_days_by_day ON period_days (day);
CREATE INDEX period_explained_by_day ON period_explained (day);
"""
PARTS = ("period_days", "period_explained")
_STILL_OPEN = """
CREATE TRIGGER {table}_still_open AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION period_still_open();
"""


def upgrade() -> None:
    """Add the column and the tables, empty; what is closed takes no more of them."""
    op.execute(KEPT)
    for table in PARTS:
        op.execute(_STILL_OPEN.format(table=table))
        protect(op, table)
    # A new column of a protected table is protected as the others are.
    op.execute(
        "CREATE TRIGGER closed_periods_keeps_kept BEFORE UPDATE OF keeps_days ON closed_periods"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("ALTER TABLE closed_periods ENABLE ALWAYS TRIGGER closed_periods_keeps_kept")
