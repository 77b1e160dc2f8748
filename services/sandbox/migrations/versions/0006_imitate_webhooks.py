"""Tell what a stranger made of a webhook: forged with a secret of its own, or repeated long after it was signed.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IMITATION = """
ALTER TABLE {name}_webhooks ADD COLUMN imitation text CHECK (imitation IN ('forged', 'stale'));
UPDATE {name}_webhooks SET imitation = 'forged' WHERE forged;
ALTER TABLE {name}_webhooks DROP COLUMN forged;
"""


def upgrade() -> None:
    for name in ("alpha", "beta"):
        op.execute(IMITATION.format(name=name))
