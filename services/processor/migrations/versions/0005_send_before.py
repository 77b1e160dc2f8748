"""Gives an attempt a time by which it must have been sent: what waited longer is given up, not sent late."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; attempts from before wait without a limit, as they did."""
    op.execute("ALTER TABLE attempts ADD COLUMN send_before timestamptz")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_sent_in_time"
        " CHECK (first_sent_at IS NULL OR send_before IS NULL OR first_sent_at <= send_before) NOT VALID"
    )
    op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_sent_in_time")
