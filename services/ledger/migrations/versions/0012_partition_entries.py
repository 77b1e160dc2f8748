"""Makes ``entries`` a table of partitions, each of a fixed number of journal positions; what is there becomes the first.

How it holds against plain SQL of the application role:
- it writes and reads through ``entries`` alone: on a partition it has no right at all;
- who does have one meets the same triggers there: a change, TRUNCATE, or an entry that does not fit is refused;
- partitions are made by a function of the owner that takes no argument: always the next ones, never any other;
- there is no default partition: a row without a partition is refused, and not left where it would block the next one.
"""

from __future__ import annotations

from alembic import op

from shared.persistence.append_only import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

POSITIONS = 5_000_000
AHEAD = 2
END_OF = f"SELECT coalesce(max(right(c.relname, 6)::bigint) + 1, 0) * {POSITIONS}"

GUARD = """
CREATE FUNCTION entries_guard_partition(name text) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  -- The database's default privileges gave the application everything on a new table.
  EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, ledger_app', name);
  -- Triggers for rows come with the parent; those for statements fire only where the statement names their table.
  EXECUTE format('CREATE TRIGGER entries_fit AFTER INSERT ON %I REFERENCING NEW TABLE AS new_entries '
                 'FOR EACH STATEMENT EXECUTE FUNCTION entries_fit()', name);
  EXECUTE format('CREATE TRIGGER entries_keeps_all BEFORE TRUNCATE ON %I '
                 'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER entries_keeps_all', name);
END $$;
"""

# A row of the old table is in the first partition wherever the sequence is: positions only grow.
CONVERT = f"""
DO $$
DECLARE
  number bigint;
  name text;
BEGIN
  LOCK TABLE entries IN ACCESS EXCLUSIVE MODE;
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END / {POSITIONS} INTO number FROM journal_positions;
  name := 'entries_p' || lpad(number::text, 6, '0');
  EXECUTE format('ALTER TABLE entries RENAME TO %I', name);
  EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT entries_pkey TO %I', name, name || '_pkey');
  EXECUTE format('ALTER INDEX entries_of_account RENAME TO %I', name || '_of_account');
  EXECUTE format('DROP TRIGGER entries_fit ON %I', name);
  EXECUTE format('DROP TRIGGER entries_keeps_rows ON %I', name);
  EXECUTE format('DROP TRIGGER entries_keeps_all ON %I', name);
  EXECUTE format('CREATE TABLE entries (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) '
                 'PARTITION BY RANGE (journal_position)', name);
  ALTER TABLE entries ADD CONSTRAINT entries_pkey PRIMARY KEY (journal_position, line);
  CREATE INDEX entries_of_account ON entries (account_id, journal_position) INCLUDE (side, amount_minor);
  CREATE TRIGGER entries_fit AFTER INSERT ON entries
      REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION entries_fit();
  EXECUTE format('ALTER TABLE entries ATTACH PARTITION %I FOR VALUES FROM (0) TO (%s)',
                 name, (number + 1) * {POSITIONS});
  PERFORM entries_guard_partition(name);
END $$;
"""

# Partitions are named by their number, so that the end of the last one needs no reading of bounds.
END = f"""
CREATE FUNCTION entries_end() RETURNS bigint LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  {END_OF}
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'entries'::regclass AND c.relname ~ '^entries_p[0-9]{{6}}$'
$$;
"""

CREATE_AHEAD = f"""
CREATE FUNCTION entries_create_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  drawn bigint;
  number bigint;
  name text;
  made integer := 0;
BEGIN
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO drawn FROM journal_positions;
  IF entries_end() / {POSITIONS} > drawn / {POSITIONS} + {AHEAD} THEN
    RETURN 0;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('entries partitions', 0));
  FOR number IN SELECT generate_series(entries_end() / {POSITIONS}, drawn / {POSITIONS} + {AHEAD}) LOOP
    name := 'entries_p' || lpad(number::text, 6, '0');
    -- Built aside and attached: CREATE ... PARTITION OF would lock every writer out of the whole table.
    EXECUTE format('CREATE TABLE %I (LIKE entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    PERFORM entries_guard_partition(name);
    EXECUTE format('ALTER TABLE entries ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                   name, number * {POSITIONS}, (number + 1) * {POSITIONS});
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
"""

# A plan for one journal alone looks cheaper than one for any, and is made anew at each: half of a booking's cost at forty
# partitions. One for any is made once, and leaves all partitions but one out when it is run.
KEEP_PLAN = "ALTER FUNCTION journal_balanced() SET plan_cache_mode = force_generic_plan"

GRANTS = """
GRANT SELECT, INSERT ON entries TO ledger_app;
GRANT SELECT ON entries TO ledger_reader;
GRANT EXECUTE ON FUNCTION entries_create_partitions(), entries_end() TO ledger_app;
REVOKE EXECUTE ON FUNCTION entries_guard_partition(text) FROM PUBLIC, ledger_app;
"""


def upgrade() -> None:
    """Attach what is there as the first partition, which reads it once, and make the next ones."""
    for statement in (GUARD, CONVERT, END, CREATE_AHEAD, KEEP_PLAN, GRANTS):
        op.execute(statement)
    protect(op, "entries")
    op.execute("SELECT entries_create_partitions()")
