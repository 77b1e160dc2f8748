"""Adds what is counted of idempotency keys that came again."""

from __future__ import annotations

from alembic import op

from shared.persistence.mechanism import create_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what came again before is not known and counts as nothing."""
    create_v2(op, service="webhook_ingest")
