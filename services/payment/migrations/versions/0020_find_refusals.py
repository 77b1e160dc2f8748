"""Finds the requests that were refused of a payment: its timeline tells them as well."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of refused requests alone, so that others pay nothing for it."""
    op.execute("CREATE INDEX idempotency_keys_refused ON idempotency_keys (resource_id) WHERE status >= 400")
