"""Lets an idempotency key name the request that first used it."""

from __future__ import annotations

from alembic import op

from shared.persistence.mechanism import create_v3

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of keys that were used before, the request is not known."""
    create_v3(op)
