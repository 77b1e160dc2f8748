"""Seals what two people said of a file that is brought over, as notes beside the journals (0015): proposed and decided.

Whatever writes such a row queues its note in the same transaction, and nobody else does. What is there is queued here.
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# By the owner's right: the application only takes from the queue.
QUEUE_NOTES = """
CREATE FUNCTION queue_{kind}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', n.import_id FROM {rows};
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION queue_{kind}() FROM PUBLIC;
CREATE TRIGGER {kind}_queued AFTER {event} ON import_proposals
    REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();
INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', import_id FROM import_proposals WHERE {there};
"""
QUEUED = (
    {
        "kind": "import_proposed",
        "event": "INSERT",
        "tables": "NEW TABLE AS new_rows",
        "rows": "new_rows n",
        "there": "true",
    },
    {
        "kind": "import_decided",
        "event": "UPDATE",
        "tables": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "rows": "new_rows n JOIN old_rows o USING (import_id) WHERE o.state = 'PROPOSED' AND n.state <> 'PROPOSED'",
        "there": "state <> 'PROPOSED'",
    },
)


def upgrade() -> None:
    """Queue what is there and whatever comes."""
    for queued in QUEUED:
        op.execute(QUEUE_NOTES.format(**queued))
