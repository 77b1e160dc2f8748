"""Lets a refund be found astray: money that a processor gave back otherwise than it was asked to."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen what a stray may be; every row there is stays valid."""
    op.execute("ALTER TABLE strays DROP CONSTRAINT strays_kind_check")
    op.execute(
        "ALTER TABLE strays ADD CONSTRAINT strays_kind_check CHECK (kind IN ('money', 'hold', 'refund'))"
    )
