"""Keeps which objects were told to payments as reported: each once for what became of it, and never otherwise."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TOLD = """
CREATE TABLE told_objects (
    processor text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL CHECK (category IN ('charge', 'refund', 'refund_failure')),
    payment_id text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (processor, account, object_id, category),
    FOREIGN KEY (source, line_id, revision) REFERENCES announced_lines
);
"""


def upgrade() -> None:
    """Add the table; what breaks stand already is told after this."""
    op.execute(TOLD)
    protect(op, "told_objects")
