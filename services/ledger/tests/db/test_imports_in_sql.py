"""What PostgreSQL refuses of imports, whoever writes by plain SQL as the application."""

from __future__ import annotations

import psycopg
import pytest

from services.ledger.tests.bringing import BEGIN, approve_in_sql, bring
from services.ledger.tests.import_lines import line, write

JOURNAL = (
    "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,"
    " amount_minor, entry_count, effective_at) VALUES (nextval('journal_positions'), 'jrn_x', 'imported', 'evt_x', 'JournalImported.v1', 'f', %s,"
    " 'EUR', 5, 2, now())"
)


def test_sql_refuses_a_journal_of_an_import_that_nobody_began_or_that_is_done(ledger, app_sql, tmp_path):
    done = bring(ledger, write(tmp_path / "old.jsonl", [line(1)]))
    for import_id in ("imp_none", done.import_id):
        with pytest.raises(
            psycopg.errors.IntegrityConstraintViolation, match="nobody began, or that is finished"
        ):
            app_sql.execute(JOURNAL, [import_id])
        app_sql.rollback()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE imports SET begun_by = 'mallory'", psycopg.errors.InsufficientPrivilege),
        ("DELETE FROM imports", psycopg.errors.InsufficientPrivilege),
        ("TRUNCATE imports", psycopg.errors.InsufficientPrivilege),
        ("UPDATE imports SET finished_at = NULL, booked = NULL", psycopg.errors.CheckViolation),
        ("UPDATE imports SET booked = 0", psycopg.errors.CheckViolation),
    ],
)
def test_sql_refuses_to_change_what_an_import_was(ledger, app_sql, tmp_path, statement, error):
    bring(ledger, write(tmp_path / "old.jsonl", [line(1)]))
    with pytest.raises(error):
        app_sql.execute(statement)


def test_sql_refuses_an_import_that_is_finished_with_another_number_of_journals(ledger, app_sql):
    approve_in_sql(app_sql)
    with pytest.raises(psycopg.errors.CheckViolation, match="begun once"), app_sql.transaction():
        app_sql.execute(BEGIN.replace("now())", "now(), now(), 0)"))
    app_sql.execute(BEGIN)
    with pytest.raises(psycopg.errors.CheckViolation, match="counts its journals"):
        app_sql.execute("UPDATE imports SET finished_at = now(), booked = 3")
