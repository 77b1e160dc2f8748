"""Gives what a processor accepted, to decide later, the time from which its patience runs.

The table itself refuses patience without a beginning, and to call absent what was once accepted.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ACCEPTED = """
ALTER TABLE attempts ADD COLUMN accepted_at timestamptz;
UPDATE attempts SET accepted_at = COALESCE(last_sent_at, now()) WHERE state = 'open' AND result = 'accepted';
ALTER TABLE attempts ADD CONSTRAINT attempts_patience_has_begun
    CHECK (state = 'closed' OR result IS DISTINCT FROM 'accepted' OR accepted_at IS NOT NULL) NOT VALID;
ALTER TABLE attempts VALIDATE CONSTRAINT attempts_patience_has_begun;
ALTER TABLE attempts ADD CONSTRAINT attempts_accepted_is_not_absent
    CHECK (closing IS DISTINCT FROM 'not_found' OR accepted_at IS NULL) NOT VALID;
ALTER TABLE attempts VALIDATE CONSTRAINT attempts_accepted_is_not_absent;
"""


def upgrade() -> None:
    """Add the column; what is pending already counts from its last send."""
    op.execute(ACCEPTED)
