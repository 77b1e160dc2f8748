"""A second set of this service's tables for the length of a savepoint: empty, and written instead of the real ones.

They are made from the definitions of the real ones, so whatever migrations add is there. No trigger fires in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

SCHEMA: Final = "recompute"
#: Read as they are and written by nobody in the shadow: files' bytes, and what closed months rest on.
LIVE: Final = ("report_file_chunks", "closed_periods", "period_closes", "period_items")
#: What the live tables come to by the clock is written down in the shadow.
WRITTEN: Final = ("tolerances", "agreed_fees", "processor_calendars")
_VIEWS: Final = """
SELECT quote_ident(c.relname), pg_get_viewdef(c.oid) FROM pg_class AS c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND c.relname <> ALL (%(written)s) ORDER BY c.oid
"""
_TABLES: Final = """
SELECT quote_ident(c.relname) FROM pg_class AS c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND has_table_privilege(c.oid, 'SELECT') AND c.relname <> ALL (%(live)s) ORDER BY c.oid
"""
#: One at a time: two would make tables of the same names.
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('reconciliation recompute', 0))"


@contextmanager
def shadow_tables(connection: sa.Connection) -> Iterator[None]:
    """Within it every unqualified name is a shadow; behind it nothing is left of them."""
    connection.exec_driver_sql(_TURN)
    savepoint = connection.begin_nested()
    try:
        # Their text names what is first in the path: it has to be read before the shadows stand there.
        views = list(connection.exec_driver_sql(_VIEWS, {"written": list(WRITTEN)}))
        names = connection.exec_driver_sql(_TABLES, {"live": list(LIVE)}).scalars().all()
        for name in (*names, *WRITTEN):
            connection.exec_driver_sql(
                f"CREATE UNLOGGED TABLE {SCHEMA}.{name} (LIKE public.{name} INCLUDING ALL)"
            )
        connection.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}, public")
        for name, text in views:
            connection.exec_driver_sql(f"CREATE VIEW {SCHEMA}.{name} AS {text.replace('%', '%%')}")
        yield
    finally:
        savepoint.rollback()
