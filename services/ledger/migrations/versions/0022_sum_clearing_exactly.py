"""Keeps what stands under a clearing key as a number without a largest one, as every other sum of the books.

One amount is at most 2^53, one key sums as many of them as anybody states: the rows of open keys are few, and are
rewritten at once. Code of before adds to them and reads them as it did.
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

EXACT = """
ALTER TABLE clearing_keys ALTER COLUMN net_minor TYPE numeric,
    ADD CONSTRAINT clearing_net_whole CHECK (net_minor = trunc(net_minor));
"""


def upgrade() -> None:
    """Widen the one column that still had a largest number."""
    op.execute(EXACT)
