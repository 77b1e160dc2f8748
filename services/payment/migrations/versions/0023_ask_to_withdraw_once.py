"""Remembers of an operation that it was asked to be withdrawn: in doubt for days, each fact would ask once more."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of what was asked for before it is not known: that is asked for once more, which says nothing new."""
    op.execute("ALTER TABLE operations ADD COLUMN withdrawal_asked boolean NOT NULL DEFAULT false")
