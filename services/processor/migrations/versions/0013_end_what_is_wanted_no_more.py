"""Lets what is wanted no more end as not found however often it was sent, and gives look-ups and sends an index each.

At a processor that keeps keys an attempt may have been sent several times before it was withdrawn. All sends share one
key, and none is sent again: what shows none of them twice shows that none arrived.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the check by a wider one; no stored row can break it."""
    op.execute("ALTER TABLE attempts DROP CONSTRAINT attempts_not_found_is_proved")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_not_found_is_proved CHECK (closing IS DISTINCT FROM 'not_found'"
        " OR (not_found_count >= 2 AND (attempt_number = not_sent_count + 1 OR withdrawal_requested))) NOT VALID"
    )
    op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_not_found_is_proved")
    op.execute(
        "CREATE INDEX attempts_to_look_up ON attempts (processor, next_at)"
        " WHERE looks_again OR (state = 'open' AND phase <> 'due')"
    )
    op.execute(
        "CREATE INDEX attempts_to_send ON attempts (processor, next_at)"
        " WHERE state = 'open' AND phase = 'due'"
    )
    op.execute("DROP INDEX attempts_due")
