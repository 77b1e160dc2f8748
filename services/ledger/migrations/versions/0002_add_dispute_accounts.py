"""Adds the accounts of disputes: what is disputed, what is withheld for it, and what merchants pay for it."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FAMILIES = """
INSERT INTO account_families (family, normal_side, transitional) VALUES
    ('disputed', 'debit', true),
    ('merchant_held', 'credit', true),
    ('dispute_fees', 'credit', false);
"""


def upgrade() -> None:
    """Add the families; accounts are opened by the first entry that needs them."""
    op.execute(FAMILIES)
