"""Lets a feed say two things of one fact: each content is published once, and `payment` sees the contradiction.

A table of its own beside `feed_facts`, which processes of the release before still claim in; it is dropped a release
later.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BY_DIGEST = """
CREATE TABLE feed_words (
    fact_key text COLLATE "C" NOT NULL,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (fact_key, digest)
);
INSERT INTO feed_words (fact_key, digest, observed_at) SELECT fact_key, digest, observed_at FROM feed_facts;
"""


def upgrade() -> None:
    """What was claimed stays claimed."""
    op.execute(BY_DIGEST)
    protect(op, "feed_words")
