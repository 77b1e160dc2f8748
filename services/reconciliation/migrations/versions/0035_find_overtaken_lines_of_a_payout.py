"""Finds revisions that stand no more by their payout: a file that states one in whole asks for them.

Without it each such file read the whole table of lines. Only what was told and amended since is in the index.
"""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute(
        "CREATE INDEX settlement_lines_overtaken ON settlement_lines (source, payout_id) WHERE NOT stands"
    )
