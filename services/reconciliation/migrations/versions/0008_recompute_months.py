"""Adds an empty schema in which a closed month can be computed once more; its tables live as long as that transaction."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE SCHEMA recompute;
GRANT USAGE, CREATE ON SCHEMA recompute TO reconciliation_app;
"""


def upgrade() -> None:
    """Create the schema."""
    op.execute(SCHEMA)
