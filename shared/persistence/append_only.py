"""Append-only tables: no grant to change them, and triggers that refuse whoever has the grant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol


class Executes(Protocol):
    """The part of alembic's ``op`` (or of a connection) that a migration step needs."""

    def execute(self, sqltext: str) -> object: ...


_REFUSE: Final = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '% on %: rows of this table are never changed or removed', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$
"""

# Takes the grants from everybody but the owner, whoever was granted them; then gives the named columns back.
_REVOKE: Final = """
DO $$
DECLARE
  grantee text;
  could_update boolean;
BEGIN
  FOR grantee, could_update IN
    SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
           bool_or(a.privilege_type = 'UPDATE')
      FROM pg_class AS c, aclexplode(c.relacl) AS a
     WHERE c.oid = '{table}'::regclass AND a.grantee <> c.relowner
     GROUP BY 1
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %s', grantee);
    IF could_update AND '{mutable}' <> '' THEN
      EXECUTE format('GRANT UPDATE ({mutable}) ON {table} TO %s', grantee);
    END IF;
  END LOOP;
END
$$
"""

_TRIGGERS: Final = """
DO $$
DECLARE
  frozen text;
BEGIN
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO frozen
    FROM pg_attribute
   WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
     AND attname <> ALL (string_to_array('{mutable}', ', '));
  EXECUTE format('CREATE TRIGGER {name}_keeps_rows BEFORE DELETE OR UPDATE OF %s ON {table} '
                 'FOR EACH ROW EXECUTE FUNCTION refuse_change()', frozen);
END
$$
"""

_TRUNCATE: Final = """
CREATE TRIGGER {name}_keeps_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def protect(op: Executes, table: str, *, mutable_columns: Sequence[str] = ()) -> None:
    """Make ``table`` append-only for every role, its owner included; ``mutable_columns`` stay updatable.

    Called from a migration, after the table's grants. The triggers fire for replication roles as well.
    """
    names = {"table": table, "name": table.rpartition(".")[2], "mutable": ", ".join(mutable_columns)}
    op.execute(_REFUSE)
    op.execute(_REVOKE.format(**names))
    op.execute(_TRIGGERS.format(**names))
    op.execute(_TRUNCATE.format(**names))
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {names['name']}_keeps_rows")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {names['name']}_keeps_all")
