"""Keeps which statement of a bank each file says, so that a corrected one corrects the one that it is.

- what a file says of a statement is never changed;
- files that were staged before have no heads: they are corrected by nothing, as until now.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HEADS = """
CREATE TABLE statement_heads (
    file_id text COLLATE "C" NOT NULL REFERENCES report_files,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    account_number text NOT NULL CHECK (account_number <> ''),
    statement_id text COLLATE "C" NOT NULL,
    sequence text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opening_on date,
    opening_minor bigint,
    closing_minor bigint,
    final boolean NOT NULL,
    created_at timestamptz,
    first_line bigint NOT NULL,
    last_line bigint NOT NULL,
    PRIMARY KEY (file_id, nth)
);
CREATE INDEX statement_heads_of_statement ON statement_heads (statement_id, account_number);

-- A file may have two statements of one id: pages of a longer one. Code of version 2 writes one row per id.
ALTER TABLE stated_statements
    ADD COLUMN head bigint NOT NULL DEFAULT 0,
    ADD COLUMN overtaken boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT stated_statements_pkey,
    ADD PRIMARY KEY (file_id, statement_id, head);
"""


def upgrade() -> None:
    """Create everything of version 3."""
    op.execute(HEADS)
    protect(op, "statement_heads")
