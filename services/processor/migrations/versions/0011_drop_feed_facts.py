"""Drops what processes of the release before 0009 claimed facts in; `feed_words` has all of it since then."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the table; nobody reads or writes it any more."""
    op.execute("DROP TABLE feed_facts")
