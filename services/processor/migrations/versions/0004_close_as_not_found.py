"""Lets an attempt be closed as not found: at a processor without keys, absent after the visibility window, twice.

The table itself refuses the word where the proof is missing: two look-ups that found nothing, and only one send that could have arrived.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the list of reasons by a wider one; no stored row can break it."""
    op.execute("ALTER TABLE attempts DROP CONSTRAINT attempts_closing_check")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_closing_check"
        " CHECK (closing IN ('answered', 'withdrawn', 'not_sent_limit', 'decided', 'not_found')) NOT VALID"
    )
    op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_closing_check")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_not_found_is_proved"
        " CHECK (closing IS DISTINCT FROM 'not_found' OR (not_found_count >= 2 AND attempt_number = not_sent_count + 1)) NOT VALID"
    )
    op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_not_found_is_proved")
