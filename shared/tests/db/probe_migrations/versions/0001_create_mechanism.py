"""Create the mechanism and a table to work on."""

from alembic import op

from shared.persistence.append_only import protect
from shared.persistence.mechanism import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_v1(op, service="probe")
    op.execute("CREATE TABLE things (id text PRIMARY KEY, amount bigint NOT NULL DEFAULT 0)")
    op.execute("CREATE TABLE facts (id text PRIMARY KEY, note text, erased_at timestamptz)")
    protect(op, "facts", mutable_columns=("erased_at",))
