"""Let a report find a payout's lines page by page without sorting them all for each.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX payout_lines_payout")
    op.execute(
        'CREATE INDEX payout_lines_payout ON payout_lines (processor, payout_id, transaction_id COLLATE "C")'
    )
