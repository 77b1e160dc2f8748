"""Keep under which idempotency key a row of the book was asked for, longer than the key itself lives.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for processor in ("alpha", "beta"):
        op.execute(f"ALTER TABLE {processor}_book ADD COLUMN sent_under text")
