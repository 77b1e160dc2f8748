"""Lets a feed say two things of one fact: each content is published once, and `payment` sees the contradiction."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BY_DIGEST = """
ALTER TABLE feed_facts DROP CONSTRAINT feed_facts_pkey;
ALTER TABLE feed_facts ADD CONSTRAINT feed_facts_pkey PRIMARY KEY (fact_key, digest);
"""


def upgrade() -> None:
    """Widen the key; what was claimed stays claimed."""
    op.execute(BY_DIGEST)
