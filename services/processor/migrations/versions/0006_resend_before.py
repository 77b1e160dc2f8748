"""Gives an attempt the time until which a send in doubt may be repeated: after it the processor's key may be dead.

The table itself refuses a later send, so that whatever takes the row cannot charge a second time under a key that the
processor has forgotten. Where no keys are kept the time is that of the only send.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; an attempt in doubt from before has none and is only looked up."""
    op.execute("ALTER TABLE attempts ADD COLUMN resend_before timestamptz")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_resent_under_live_key"
        " CHECK (resend_before IS NULL OR last_sent_at <= resend_before) NOT VALID"
    )
    op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_resent_under_live_key")
