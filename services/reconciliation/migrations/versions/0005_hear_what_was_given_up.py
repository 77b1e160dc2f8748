"""Remembers what we have given up: a processor that moves money under such a name contradicts us."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GIVEN_UP = """
CREATE TABLE given_up (
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    category text COLLATE "C" NOT NULL CHECK (category IN ('charge', 'refund')),
    payment_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (name, category)
);
"""


def upgrade() -> None:
    """Create everything of version 5."""
    op.execute(GIVEN_UP)
    protect(op, "given_up")
