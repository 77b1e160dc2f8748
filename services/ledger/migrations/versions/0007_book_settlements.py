"""Adds the accounts that settlement needs, and what lines were matched to after they were booked.

A line that was booked before its object was known stands under a key of its own. The match says under which key it
counts from then on, until a newer revision says where it belongs itself (as number 0); nothing of what was booked is
touched.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FAMILIES = """
INSERT INTO account_families (family, normal_side, transitional) VALUES
    ('processor_fees', 'debit', false),
    ('bank_clearing', 'debit', true),
    ('bank_cash', 'debit', false),
    ('processor_reserve', 'debit', false),
    ('fx', 'debit', false),
    ('rounding', 'credit', false);
"""

MATCHES = """
CREATE TABLE line_matches (
    line_key text COLLATE "C" NOT NULL CHECK (line_key <> ''),
    revision int NOT NULL CHECK (revision > 0),
    number int NOT NULL CHECK (number >= 0),
    clearing_key text COLLATE "C" NOT NULL CHECK (clearing_key <> ''),
    payment_id text COLLATE "C",
    cause_event_id text COLLATE "C" NOT NULL UNIQUE,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (line_key, revision, number)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON line_matches TO ledger_app;
GRANT SELECT ON line_matches TO ledger_reader;
"""


def upgrade() -> None:
    """Add the families and the table; the release before neither opens such accounts nor reads matches."""
    for statement in (FAMILIES, MATCHES, GRANTS):
        op.execute(statement)
    protect(op, "line_matches")
