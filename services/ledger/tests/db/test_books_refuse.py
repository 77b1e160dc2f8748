"""What PostgreSQL itself refuses, whoever writes the SQL: the books hold without our Python."""

from __future__ import annotations

import psycopg
import pytest

from services.ledger.adapters.account_scales import refuse_other_scales
from services.ledger.tests.db.tampering import NOT_BOOKS
from shared.kernel import money
from shared.kernel.money import all_currencies, currency_scale
from shared.runtime.startup import StartupRefused

JOURNAL = (
    "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,"
    " amount_minor, entry_count, effective_at, reverses_position)"
    " VALUES (%(position)s, %(journal_id)s, %(rule)s, %(cause)s, 'Test.v1', %(fact)s, 's', 'EUR', 5, %(count)s, now(),"
    " %(reverses)s)"
)
ENTRY = "INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key) VALUES "
MP, FEE = 1, 2


@pytest.fixture
def books(app_sql):
    """Two accounts, and journal 1 with two entries, committed."""
    app_sql.execute(
        "INSERT INTO accounts (family, owner, currency, normal_side, transitional) VALUES"
        " ('merchant_pending', 'mer_1', 'EUR', 'credit', false), ('fee_revenue', 'platform', 'EUR', 'credit', false),"
        " ('fee_revenue', 'platform', 'USD', 'credit', false), ('suspense', 'platform', 'EUR', 'credit', true)"
    )
    write_journal(app_sql, 1)
    app_sql.execute(ENTRY + "(1, 1, 1, 'debit', 5, 'EUR', NULL), (1, 2, 2, 'credit', 5, 'EUR', NULL)")
    app_sql.commit()
    return app_sql


def write_journal(connection, position, *, count=2, reverses=None, rule="r", fact=None, cause=None):
    # Drawn, so that nothing but what is asked is refused: the first one is 1.
    connection.execute("SELECT nextval('journal_positions')")
    connection.execute(
        JOURNAL,
        {
            "position": position,
            "journal_id": f"jrn_{position}",
            "rule": rule,
            "cause": cause or f"evt_{position}",
            "fact": fact or f"fact_{position}",
            "count": count,
            "reverses": reverses,
        },
    )


def entry_count(connection):
    return connection.execute("SELECT count(*) FROM entries").fetchone()[0]


@pytest.mark.parametrize(
    "entries",
    [
        "(2, 1, 1, 'debit', 5, 'EUR', NULL), (2, 2, 2, 'credit', 4, 'EUR', NULL)",
        "(2, 1, 1, 'debit', 5, 'EUR', NULL), (2, 2, 2, 'debit', 5, 'EUR', NULL)",
        "(2, 1, 1, 'debit', 5, 'EUR', NULL), (2, 2, 3, 'credit', 5, 'USD', NULL)",
        "(2, 1, 1, 'debit', 5, 'EUR', NULL)",
    ],
    ids=["unequal", "one-sided", "two currencies", "an entry missing"],
)
def test_a_journal_that_does_not_balance_is_refused_at_commit(books, entries):
    write_journal(books, 2)
    books.execute(ENTRY + entries)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not balance"):
        books.commit()
    assert books.execute("SELECT count(*) FROM journals").fetchone()[0] == 1


def test_a_journal_without_entries_is_refused_at_commit(books):
    write_journal(books, 2)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="has 0 of 2 entries"):
        books.commit()


def test_a_journal_cannot_be_checked_early_and_then_unbalanced(books):
    write_journal(books, 2)
    books.execute(ENTRY + "(2, 1, 1, 'debit', 5, 'EUR', NULL), (2, 2, 2, 'credit', 5, 'EUR', NULL)")
    books.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not fit"):
        books.execute(ENTRY + "(2, 3, 1, 'debit', 1, 'EUR', NULL)")


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ("(1, 3, 1, 'debit', 5, 'EUR', NULL), (1, 4, 2, 'credit', 5, 'EUR', NULL)", "does not fit"),
        ("(1, 1, 1, 'debit', 5, 'EUR', NULL), (1, 2, 2, 'credit', 5, 'EUR', NULL)", "entries_p000000_pkey"),
    ],
    ids=["balanced additions", "the same lines again"],
)
def test_entries_cannot_join_the_journal_of_another_transaction(books, entries, error):
    with pytest.raises(psycopg.errors.IntegrityError, match=error):
        books.execute(ENTRY + entries)
    books.rollback()
    assert entry_count(books) == 2


@pytest.mark.parametrize(
    "entry",
    [
        "(99, 1, 1, 'debit', 5, 'EUR', NULL)",
        "(2, 1, 99, 'debit', 5, 'EUR', NULL)",
        "(2, 1, 1, 'debit', 5, 'USD', NULL)",
        "(2, 1, 1, 'debit', 5, 'EUR', 'key')",
        "(2, 1, 4, 'debit', 5, 'EUR', NULL)",
    ],
    ids=[
        "no journal",
        "no account",
        "other currency",
        "key on a balance",
        "no key on a transitional account",
    ],
)
def test_entries_that_do_not_fit_are_refused_at_once(books, entry):
    write_journal(books, 2)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not fit"):
        books.execute(ENTRY + entry)


@pytest.mark.parametrize("amount", [0, -5])
def test_an_amount_that_is_not_positive_is_refused(books, amount):
    write_journal(books, 2)
    with pytest.raises(psycopg.errors.CheckViolation):
        books.execute(ENTRY + f"(2, 1, 1, 'debit', {amount}, 'EUR', NULL)")


REVERSAL = "(2, 1, 1, 'credit', 5, 'EUR', NULL), (2, 2, 2, 'debit', 5, 'EUR', NULL)"


def test_a_reversal_is_accepted_once_only(books):
    write_journal(books, 2, reverses=1, rule="r_reversed", fact="fact_1")
    books.execute(ENTRY + REVERSAL)
    books.commit()
    with pytest.raises(psycopg.errors.UniqueViolation, match="journals_reversed_once"):
        write_journal(books, 3, reverses=1, rule="again", fact="fact_1")


@pytest.mark.parametrize(
    "entries",
    [
        "(2, 1, 1, 'debit', 5, 'EUR', NULL), (2, 2, 2, 'credit', 5, 'EUR', NULL)",
        "(2, 1, 1, 'credit', 4, 'EUR', NULL), (2, 2, 2, 'debit', 4, 'EUR', NULL)",
        "(2, 1, 2, 'credit', 5, 'EUR', NULL), (2, 2, 1, 'debit', 5, 'EUR', NULL)",
    ],
    ids=["same sides", "other amount", "other accounts"],
)
def test_a_reversal_that_is_not_exact_is_refused(books, entries):
    write_journal(books, 2, reverses=1, rule="r_reversed", fact="fact_1")
    books.execute(ENTRY + entries)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="exact reversal"):
        books.commit()


def test_a_reversal_of_nothing_is_refused(books):
    write_journal(books, 2, reverses=77, rule="r_reversed", fact="fact_1")
    books.execute(ENTRY + REVERSAL)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="exact reversal"):
        books.commit()


@pytest.mark.parametrize(
    ("same", "constraint"),
    [({"cause": "evt_1"}, "journals_once_per_cause"), ({"fact": "fact_1"}, "journals_once_per_fact")],
)
def test_a_rule_books_one_event_once_and_one_fact_once(books, same, constraint):
    with pytest.raises(psycopg.errors.UniqueViolation, match=constraint):
        write_journal(books, 2, **same)


CHANGES = [
    statement
    for table, column in (
        ("accounts", "owner"),
        ("journals", "fact_key"),
        ("entries", "currency"),
        ("account_families", "family"),
    )
    for statement in (
        f"UPDATE {table} SET {column} = 'x'",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    )
]


@pytest.mark.parametrize("statement", CHANGES)
def test_the_application_may_not_change_the_books(books, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        books.execute(statement)


@pytest.mark.parametrize("statement", CHANGES)
def test_not_even_their_owner_may_change_the_books(books, ledger_urls, statement):
    with (
        psycopg.connect(ledger_urls.owner) as owner,
        pytest.raises(psycopg.errors.RestrictViolation, match="never changed"),
    ):
        owner.execute(statement)


#: What is decided once, and what can be made anew. How, triggers say: a decision that stands is not changed either.
MAY_CHANGE = {
    "adjustments": {"UPDATE"},
    "import_proposals": {"UPDATE"},
    "imports": {"UPDATE"},
    "period_closes": {"UPDATE"},
    "account_snapshots": {"DELETE"},
    "snapshots_ahead": {"DELETE"},
}
RIGHTS = """
SELECT coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid), c.relname), p.name
  FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS p(name)
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
   AND CASE WHEN p.name IN ('UPDATE', 'REFERENCES') THEN has_any_column_privilege(c.oid, p.name)
            ELSE has_table_privilege(c.oid, p.name) END
"""


def test_the_application_may_change_no_other_table_than_these(app_sql):
    rights = {}
    for table, right in app_sql.execute(RIGHTS).fetchall():
        if table not in NOT_BOOKS:
            rights.setdefault(table, set()).add(right)
    assert rights == MAY_CHANGE


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE entries",
        "INSERT INTO account_families VALUES ('pocket', 'debit', false)",
    ],
)
def test_the_application_cannot_take_the_guards_away(books, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        books.execute(statement)


def test_an_account_outside_of_the_chart_is_refused(books):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        books.execute(
            "INSERT INTO accounts (family, owner, currency, normal_side, transitional)"
            " VALUES ('suspense', 'platform', 'CHF', 'debit', true)"
        )


def test_the_chart_in_sql_is_the_chart_in_python(app_sql):
    from services.ledger.domain.chart import CHART

    stored = app_sql.execute(
        "SELECT family, normal_side::text, transitional FROM account_families"
    ).fetchall()
    assert set(stored) == {(f.name, f.normal_side.value, f.transitional) for f in CHART}


def test_every_account_has_the_scale_of_its_currency_whoever_opens_it(app_sql):
    app_sql.execute(
        "INSERT INTO accounts (family, owner, currency, normal_side, transitional, scale)"
        " SELECT 'merchant_pending', 'mer_1', code, 'credit', false, 9 FROM unnest(%s::text[]) AS code",
        (all_currencies(),),
    )
    stored = app_sql.execute("SELECT currency, scale FROM accounts").fetchall()
    assert dict(stored) == {code: currency_scale(code) for code in all_currencies()}


def test_nobody_starts_who_would_read_amounts_in_another_unit(books, ledger, monkeypatch):
    refuse_other_scales(ledger.engine)
    monkeypatch.setitem(money._SCALES, "EUR", 3)
    with pytest.raises(StartupRefused, match="EUR has 3 digits after the point here"):
        refuse_other_scales(ledger.engine)
