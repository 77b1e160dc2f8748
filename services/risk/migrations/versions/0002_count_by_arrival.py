"""Numbers attempts in the order of their arrival: what came later is not seen by what was judged before."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the number; rows that are there get one in the order in which they lie."""
    op.execute("ALTER TABLE attempts ADD COLUMN nth bigint GENERATED ALWAYS AS IDENTITY")
