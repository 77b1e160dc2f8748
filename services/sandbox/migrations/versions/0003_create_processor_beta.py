"""Create the processor beta's own tables, in the shape of alpha's, and the index of its delayed list.

A column that is added to alpha's tables is added to beta's in the same migration: both are written by the same
statements (``adapters/tables.py``), and a test compares the two.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from shared.persistence.append_only import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("objects", "book", "events", "webhooks", "keys", "strikes", "timers")
VIEWS = ("book_by_payment", "book_by_reference")

# The views' text is alpha's with the other table: what the auditor compares means the same at both.
COPY_VIEW = """
DO $$
BEGIN
    EXECUTE 'CREATE VIEW beta_{view} AS '
        || replace(pg_get_viewdef('alpha_{view}'::regclass), 'alpha_', 'beta_');
END
$$
"""


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"CREATE TABLE beta_{table} (LIKE alpha_{table} INCLUDING ALL)")
    for view in VIEWS:
        op.execute(COPY_VIEW.format(view=view))
    op.execute("CREATE INDEX beta_events_created_at ON beta_events (created_at)")
    # Storage parameters are not copied.
    op.execute("ALTER TABLE beta_objects SET (fillfactor = 80)")
    op.execute("ALTER TABLE beta_webhooks SET (fillfactor = 70)")
    protect(op, "beta_book")
    protect(op, "beta_events")
