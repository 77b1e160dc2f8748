"""Let look-ups show an object as it was before a void or an answer, for as long as a script says.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BEFORE = """
ALTER TABLE {name}_objects ADD COLUMN before jsonb;
ALTER TABLE {name}_objects ADD COLUMN before_until timestamptz;
ALTER TABLE {name}_objects ADD CONSTRAINT {name}_objects_before_check CHECK (
    (before IS NULL) = (before_until IS NULL) AND (before IS NULL OR before->>'id' = id));
CREATE INDEX {name}_objects_before ON {name}_objects (before_until) WHERE before_until IS NOT NULL;
"""


def upgrade() -> None:
    for name in ("alpha", "beta"):
        op.execute(BEFORE.format(name=name))
