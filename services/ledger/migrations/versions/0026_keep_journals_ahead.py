"""Keeps journals ahead: none is added where everything is settled already, nor at a position that nobody has drawn.

How it holds against plain SQL of the application role:
- a journal's position lies behind the settled position of its shard, where everything is sealed or was rolled back, and
  is no further than the last one that the sequence handed out;
- so nothing appears in a past that verification and snapshots rest on, and nothing waits where the sealer does not look.
Whoever books draws positions in the same transaction, and the settled position never passes a writer that is at work: of
those nobody is refused, however slow. The sealer counts whoever has written a journal as such a writer, drawn or not.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# One statement for a whole batch: it goes once through the new rows, beside two rows that are always in memory.
JOURNALS_AHEAD = """
CREATE FUNCTION journals_ahead() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    SELECT n.position, n.journal_id, known.settled, known.drawn INTO misfit
      FROM (SELECT coalesce((SELECT s.settled_position FROM seal_shards s WHERE s.shard = 0), 0) AS settled,
                   (SELECT CASE WHEN p.is_called THEN p.last_value ELSE 0 END FROM journal_positions p) AS drawn) known,
           new_journals n
     WHERE n.position <= known.settled OR n.position > known.drawn
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not stand ahead: it is at %, up to % is settled, up to % is drawn',
            misfit.journal_id, misfit.position, misfit.settled, misfit.drawn
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journals_ahead';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER journals_ahead AFTER INSERT ON journals
    REFERENCING NEW TABLE AS new_journals FOR EACH STATEMENT EXECUTE FUNCTION journals_ahead();
"""


def upgrade() -> None:
    """Create the trigger; the release before books at positions that it has just drawn, and meets it nowhere."""
    op.execute(JOURNALS_AHEAD)
