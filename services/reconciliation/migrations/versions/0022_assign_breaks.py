"""Keeps whose each break was, and lets the queue be read by state, owner and type without reading what is settled."""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_UNSETTLED = "state IN ('OPEN', 'DEFERRED', 'PROPOSED', 'APPLYING')"

ASSIGNMENTS = """
CREATE TABLE break_assignments (
    break_id text COLLATE "C" NOT NULL REFERENCES breaks,
    nth bigint GENERATED ALWAYS AS IDENTITY,
    owner text CHECK (owner <> ''),
    assigned_by text NOT NULL CHECK (assigned_by <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    PRIMARY KEY (break_id, nth)
);
"""

INDEXES = f"""
CREATE INDEX breaks_by_state ON breaks (state, at_risk_minor DESC, break_id);
CREATE INDEX breaks_of_owner ON breaks (owner, at_risk_minor DESC, break_id) WHERE {_UNSETTLED};
CREATE INDEX breaks_counted ON breaks (type, currency) INCLUDE (at_risk_minor, since) WHERE {_UNSETTLED};
"""


def upgrade() -> None:
    """Add the table and the indexes."""
    for part in (ASSIGNMENTS, INDEXES):
        op.execute(part)
    protect(op, "break_assignments")
