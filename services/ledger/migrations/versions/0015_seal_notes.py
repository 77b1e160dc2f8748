"""Seals what stands beside the journals: rows that say something about them, in a chain of their own.

A note is a row, or the part of a row, that never changes once it is there: a match, a late journal, what was proposed,
how it was decided, an import that was begun or finished. How it holds against plain SQL of the application role:
- whatever writes such a row queues its note, in the same transaction; nobody else queues one;
- a note leaves the queue only once it is sealed;
- a note's seal continues the chain and says how far the chain of journals was when it was made, as that chain is;
- no journal is sealed before what was noted of it in its own transaction.
Notes that are there are queued here, and sealed as of now. Journals are sealed as they were.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE notes_unsealed (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, key)
);

-- behind: the last seal of the journals' chain when the note was sealed; a note is sealed no later than its journal.
CREATE TABLE note_seals (
    shard smallint NOT NULL CHECK (shard >= 0),
    position bigint NOT NULL CHECK (position > 0),
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    behind bigint NOT NULL CHECK (behind >= 0),
    sealed_at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (shard, position),
    UNIQUE (kind, key)
);
"""

# By the owner's right: the application only takes from the queue. Once per statement: matches come in batches.
QUEUE_NOTES = """
CREATE FUNCTION queue_{kind}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', n.{key}::text FROM {rows};
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION queue_{kind}() FROM PUBLIC;
CREATE TRIGGER {kind}_queued AFTER {event} ON {table}
    REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();
"""
# Of a row that was there before its note: what the note is of has come to it by this statement.
_DECIDED = "o.state = 'PROPOSED' AND n.state <> 'PROPOSED'"
_FINISHED = "o.finished_at IS NULL AND n.finished_at IS NOT NULL"
# (kind, table, key, when); no when: with the row. Tables in the order in which booking locks them.
QUEUED = (
    ("line_match", "line_matches", "cause_event_id", None),
    ("adjustment_proposed", "adjustments", "adjustment_id", None),
    ("adjustment_decided", "adjustments", "adjustment_id", _DECIDED),
    ("close_proposed", "period_closes", "close_id", None),
    ("close_decided", "period_closes", "close_id", _DECIDED),
    ("import_begun", "imports", "import_id", None),
    ("import_finished", "imports", "import_id", _FINISHED),
    ("late_journal", "late_journals", "journal_position", None),
)
THERE = {_DECIDED: "state <> 'PROPOSED'", _FINISHED: "finished_at IS NOT NULL", None: "true"}

# The sealer writes the seals and then takes the notes from the queue.
SEALED_FIRST = """
CREATE FUNCTION notes_sealed_first() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    SELECT g.kind, g.key INTO misfit FROM gone g
     WHERE NOT EXISTS (SELECT FROM note_seals s WHERE s.kind = g.kind AND s.key = g.key) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'note % of % leaves the queue and is not sealed', misfit.kind, misfit.key
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'notes_sealed_first';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notes_sealed_first AFTER DELETE ON notes_unsealed
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION notes_sealed_first();
"""

NOTES_CHAINED = """
CREATE FUNCTION notes_chained() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    SELECT n.shard, n.position INTO misfit
    FROM new_seals n
    LEFT JOIN note_seals p ON p.shard = n.shard AND p.position = n.position - 1
    WHERE (p.position IS NULL AND n.position <> 1)
       OR n.sealed_at < p.sealed_at
       OR n.behind <> coalesce(
            (SELECT s.position FROM seals s WHERE s.shard = n.shard ORDER BY s.position DESC LIMIT 1), 0)
       OR NOT EXISTS (SELECT FROM notes_unsealed q WHERE q.kind = n.kind AND q.key = n.key)
       OR n.hash <> sha256('tieout-note-seal-1'::bytea || int2send(n.shard) || int8send(n.position)
            || int8send(n.behind) || int8send((extract(epoch FROM n.sealed_at) * 1000000)::bigint)
            || coalesce(p.hash, decode(repeat('00', 32), 'hex')) || n.digest)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'note seal % of shard % does not continue the chain', misfit.position, misfit.shard
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'notes_chained';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notes_chained AFTER INSERT ON note_seals
    REFERENCING NEW TABLE AS new_seals FOR EACH STATEMENT EXECUTE FUNCTION notes_chained();
"""

# A sealer of the release before knows of no notes: it waits here for one that does, and nothing is lost.
NOTES_BEFORE_JOURNALS = """
CREATE FUNCTION notes_before_journals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    misfit record;
BEGIN
    -- Nearly always: the joins are not even planned.
    IF NOT EXISTS (SELECT FROM notes_unsealed) THEN
        RETURN NULL;
    END IF;
    SELECT q.kind, q.key INTO misfit FROM notes_unsealed q JOIN new_seals n ON n.journal_position::text = q.key
     WHERE q.kind = 'late_journal'
     UNION ALL
    SELECT q.kind, q.key FROM notes_unsealed q
      JOIN adjustments a ON a.adjustment_id = q.key
      JOIN journals j ON j.journal_id = a.journal_id
      JOIN new_seals n ON n.journal_position = j.position
     WHERE q.kind = 'adjustment_decided'
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'note % of % is of a journal that is sealed before it', misfit.kind, misfit.key
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'notes_before_journals';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notes_before_journals AFTER INSERT ON seals
    REFERENCING NEW TABLE AS new_seals FOR EACH STATEMENT EXECUTE FUNCTION notes_before_journals();
"""

# The release before signs heads without notes: 0 of them.
HEADS = """
ALTER TABLE seal_heads
    ADD COLUMN notes bigint NOT NULL DEFAULT 0,
    ADD COLUMN notes_hash text COLLATE "C",
    ADD CONSTRAINT seal_heads_notes CHECK ((notes > 0) = (notes_hash IS NOT NULL)),
    DROP CONSTRAINT seal_heads_pkey,
    ADD PRIMARY KEY (shard, position, notes);
CREATE TRIGGER seal_heads_keeps_notes BEFORE UPDATE OF notes, notes_hash ON seal_heads
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE seal_heads ENABLE ALWAYS TRIGGER seal_heads_keeps_notes;

CREATE FUNCTION head_fits_notes() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.notes > 0 AND NOT EXISTS (
        SELECT FROM note_seals n
         WHERE n.shard = NEW.shard AND n.position = NEW.notes AND encode(n.hash, 'hex') = NEW.notes_hash
    ) THEN
        RAISE EXCEPTION 'head % of shard % is not the note seal %', NEW.position, NEW.shard, NEW.notes
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'head_fits_notes';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER head_fits_notes AFTER INSERT ON seal_heads FOR EACH ROW EXECUTE FUNCTION head_fits_notes();
"""

GRANTS = """
GRANT SELECT, DELETE ON notes_unsealed TO ledger_app;
REVOKE INSERT, UPDATE, TRUNCATE ON notes_unsealed FROM ledger_app;
GRANT SELECT, INSERT ON note_seals TO ledger_app;
GRANT SELECT ON notes_unsealed, note_seals TO ledger_reader;
"""


def upgrade() -> None:
    """Create the chain, empty, and queue what is there; a note of its own makes it begin now wherever nothing is."""
    op.execute(TABLES)
    for kind, table, key, when in QUEUED:
        said = {"kind": kind, "table": table, "key": key, "event": "INSERT", "rows": "new_rows n"}
        tables = "NEW TABLE AS new_rows"
        if when is not None:
            said |= {"event": "UPDATE", "rows": f"new_rows n JOIN old_rows o USING ({key}) WHERE {when}"}
            tables = f"OLD TABLE AS old_rows {tables}"
        op.execute(QUEUE_NOTES.format(**said, tables=tables))
        op.execute(
            f"INSERT INTO notes_unsealed (kind, key) SELECT '{kind}', {key}::text FROM {table} WHERE {THERE[when]}"
        )
    op.execute("INSERT INTO notes_unsealed (kind, key) VALUES ('notes_begin', '0')")
    for statement in (SEALED_FIRST, NOTES_CHAINED, NOTES_BEFORE_JOURNALS, HEADS, GRANTS):
        op.execute(statement)
    protect(op, "note_seals")
