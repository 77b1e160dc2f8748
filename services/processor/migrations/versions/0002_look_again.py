"""Lets a closed attempt be looked up once more: its hold may have expired since. It is never sent again."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark and the index that finds it beside the open ones."""
    op.execute("ALTER TABLE attempts ADD COLUMN looks_again boolean NOT NULL DEFAULT false")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_again_is_closed CHECK (state = 'closed' OR NOT looks_again)"
    )
    op.execute("DROP INDEX attempts_due")
    op.execute(
        "CREATE INDEX attempts_due ON attempts (processor, next_at) WHERE state = 'open' OR looks_again"
    )
