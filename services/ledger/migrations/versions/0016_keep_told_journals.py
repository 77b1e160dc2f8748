"""Remembers which journals were told before this database was filled, so that none of them is told anew.

Empty but for books that were rebuilt from an archive. The tables' owner fills it, from what the archive says; the
application reads it, and could not keep a journal from being told by writing into it.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TOLD = """
CREATE TABLE told_journals (
    rule text COLLATE "C" NOT NULL,
    fact_key text COLLATE "C" NOT NULL,
    journal_id text COLLATE "C" NOT NULL UNIQUE,
    payment_id text COLLATE "C",
    currency text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    told_effective_at timestamptz NOT NULL,
    PRIMARY KEY (rule, fact_key)
);
REVOKE ALL ON told_journals FROM ledger_app;
GRANT SELECT ON told_journals TO ledger_app, ledger_reader;
"""


def upgrade() -> None:
    """Create the table, empty: these books were not rebuilt."""
    op.execute(TOLD)
    protect(op, "told_journals")
