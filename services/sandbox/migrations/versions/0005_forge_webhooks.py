"""Let a webhook be preceded by one that nobody of ours signed.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("alpha", "beta"):
        op.execute(f"ALTER TABLE {name}_webhooks ADD COLUMN forged boolean NOT NULL DEFAULT false")
