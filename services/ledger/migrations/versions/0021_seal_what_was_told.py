"""Seals what else stands beside the journals: withdrawn proposals, and what was told before these books were rebuilt.

Notes as of migration 0015: whatever writes such a row queues its note in the same transaction, and nobody else does.
What is there is queued here, and sealed as of now.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# By the owner's right: the application only takes from the queue.
QUEUE_NOTES = """
CREATE FUNCTION queue_{kind}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', n.{key} FROM new_rows n;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION queue_{kind}() FROM PUBLIC;
CREATE TRIGGER {kind}_queued AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();
INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', {key} FROM {table};
"""
QUEUED = (
    ("withdrawn_proposal", "withdrawn_proposals", "asked_event_id"),
    ("told_journal", "told_journals", "journal_id"),
    ("told_close", "told_closes", "close_id"),
    ("former_seal_key", "former_seal_keys", "key_id"),
)


def upgrade() -> None:
    """Queue what is there and whatever comes."""
    for kind, table, key in QUEUED:
        op.execute(QUEUE_NOTES.format(kind=kind, table=table, key=key))
