"""Adds the notes of a payment's timeline: attempts, look-ups and a merchant's reasons, which change no state."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOTES = """
CREATE TABLE payment_notes (
    -- The event or request that told it: once each.
    cause_id text COLLATE "C" PRIMARY KEY,
    -- No foreign key: written in the transaction that holds the payment's row.
    payment_id text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C",
    kind text COLLATE "C" NOT NULL,
    attempt_id text COLLATE "C",
    attempt_number int,
    result text,
    detail text,
    at timestamptz NOT NULL
);
CREATE INDEX payment_notes_payment ON payment_notes (payment_id);
"""


def upgrade() -> None:
    """Create the table; what is in it stays."""
    op.execute(NOTES)
    protect(op, "payment_notes")
    # What is in doubt is read at every scrape, and is next to nothing among millions.
    op.execute(
        "CREATE INDEX operations_in_doubt ON operations (since) WHERE state IN ('UNCERTAIN', 'IN_REVIEW')"
    )
    op.execute("CREATE INDEX cases_open ON cases (case_id) WHERE closed_at IS NULL")
