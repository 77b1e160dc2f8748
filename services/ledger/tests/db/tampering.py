"""What the mutation suites share: which columns they change, and which tables hold nothing that they must protect."""

from __future__ import annotations

import re

import psycopg

#: Tables that say nothing of the books by themselves, each with the reason why nobody looks for a change there.
NOT_BOOKS = {
    "account_families": "the chart: accounts repeat what it says of them, sealed, and a test holds it against the code",
    "adjustment_legs": "what templates book: journals of adjustments are sealed, and a test holds it against the code",
    "seal_shards": "how far the sealer is: kept heads say it as well, and what hides behind another value is found",
    "notes_unsealed": "what waits for the sealer: a note taken out is found, and one put in is sealed",
    "clearing_keys": "counted from the entries, and made anew from them",
    "clearing_progress": "how far they are counted",
    "snapshot_shards": "how far snapshots are folded; they are held against the entries by themselves",
    "alembic_version": "the migrations",
    "outbox": "what was told: the topics and their archive have it",
    "outbox_streams": "the same",
    "outbox_archives": "the same",
    "relay_leases": "who publishes",
    "inbox": "what was heard",
    "inbox_versions": "the same",
    "inbox_horizons": "the same",
    "parked_keys": "what was not booked",
    "parked_records": "the same",
    "quarantined_records": "the same",
    "skipped_versions": "the same",
    "idempotency_keys": "how requests were answered",
    "idempotency_key_repeats": "the same",
}
_UPDATES = re.compile(r"UPDATE (\w+) SET (\w+) =")
_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'copy_of_%'
"""


def changed_columns(statements):
    """(table, column) of every value that these change; of a statement that changes several, the first."""
    return {found for statement in statements for found in _UPDATES.findall(statement)}


def columns_of(ledger, *tables):
    """(table, column) of everything that these tables hold, as the database says."""
    return {
        (table, column)
        for table in tables
        for (column,) in ledger.rows(
            f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        )
    }


def tables_of(ledger):
    """Every table of the database, a partitioned one once."""
    return {name for (name,) in ledger.rows(_TABLES)}


def superuser_of(ledger_urls, postgres_admin_url):
    """A session of somebody who owns the server."""
    url = postgres_admin_url.rpartition("/")[0] + "/" + ledger_urls.app.rpartition("/")[2]
    return psycopg.connect(url, autocommit=True)


def drop_constraints(connection, table, kinds):
    """Take this table's constraints of these kinds away (``c`` check, ``f`` foreign, ``p`` primary, ``u`` unique)."""
    for (name,) in connection.execute(
        "SELECT conname FROM pg_constraint WHERE contype::text = ANY (%s) AND conrelid = %s::regclass",
        [list(kinds), table],
    ).fetchall():
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
    if "u" in kinds:
        for (name,) in connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indrelid = %s::regclass",
            [table],
        ).fetchall():
            connection.execute(f"DROP INDEX {name}")
