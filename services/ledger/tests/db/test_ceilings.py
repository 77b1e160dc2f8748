"""The database has the last word on adjustments: a template's own legs, and never more than stands there to be taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from services.ledger.adapters.clearing import ClearingFolder
from services.ledger.app import adjust_books
from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.chart import Side
from services.ledger.tests.db.adjusting import ADA, AVAILABLE, MERCHANT, approve, book, propose
from services.ledger.tests.db.closing import seal, waits_for_turn
from services.ledger.tests.payloads import AT_ALPHA, Payment
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
LEGS = "SELECT template, side::text, family, bounded FROM adjustment_legs"
STRAY = Payment(1)
KEY = STRAY.id("str", 50)
#: What stood there, what takes of it, and what it may name: 500 each.
TAKING = {
    "a merchant's debt": ("merchant_debt_write_off", {"merchant_id": MERCHANT}),
    "a shortfall in suspense": ("suspense_shortfall_write_off", {"clearing_key": KEY}),
    "a processor's debt": (
        "receivable_write_off", {"clearing_key": "alpha:acct_alpha:cap_1_0", **{n: AT_ALPHA[n] for n in ("processor", "account")}},
    ),
}  # fmt: skip
JOURNAL = """
INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,
                      amount_minor, entry_count, effective_at)
SELECT %(position)s, 'jrn_' || adjustment_id, 'adjustment:' || template, 'evt_' || adjustment_id, 'OperatorActed.v1',
       adjustment_id, adjustment_id, currency, amount_minor, 2, now() FROM adjustments WHERE adjustment_id = %(id)s
"""
ENTRIES = """
INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key)
SELECT %(position)s, row_number() OVER (), a.account_id,
       (%(sides)s::entry_side[])[array_position(%(families)s::text[], a.family)],
       d.amount_minor, d.currency, CASE WHEN a.transitional THEN d.parameters ->> 'clearing_key' END
  FROM adjustments d, accounts a
 WHERE d.adjustment_id = %(id)s AND a.family = ANY(%(families)s::text[]) AND a.currency = d.currency
"""
DECIDE = """
UPDATE adjustments SET state = 'APPROVED', decided_by = 'bob', decided_at = now(), decision_reason = 'seen',
       journal_id = 'jrn_' || adjustment_id WHERE adjustment_id = %(id)s
"""


def book_in_sql(connection, adjustment_id, template, families=None):
    """The journal of an adjustment and its approval, as the application's role may write them; COMMIT is the caller's."""
    legs = {leg.side: leg.family.name for leg in TEMPLATES[template].legs}
    values = {
        "id": adjustment_id,
        "position": connection.execute("SELECT nextval('journal_positions')").fetchone()[0],
        "sides": [side.value for side in legs],
        "families": families or list(legs.values()),
    }
    for statement in (JOURNAL, ENTRIES, DECIDE):
        connection.execute(statement, values)


def with_something_there(ledger):
    """500 of each kind to be taken; and an account for whatever takes it."""
    ledger.tell(STRAY.captured(500), STRAY.refund_stray_found(500))
    book(ledger, "merchant_debit", 500, merchant_id=MERCHANT)
    opened = book(ledger, "receivable_write_off", 1, **TAKING["a processor's debt"][1])
    back = ledger.transactions.run(
        lambda uow: adjust_books.propose_reversal(opened.adjustment_id, "wrong", "ticket 2", ADA, uow),
        name="test",
    )
    approve(ledger, back.adjustment_id)


@pytest.mark.parametrize("what", TAKING)
def test_plain_sql_takes_no_more_than_stands_there(ledger, app_sql, what):
    with_something_there(ledger)
    template, named = TAKING[what]
    too_much, all_of_it, once_more = (propose(ledger, template, amount, **named) for amount in (501, 500, 1))
    before = ledger.balances()
    for wrong in (too_much, once_more):
        if wrong is once_more:
            with app_sql.transaction():
                book_in_sql(app_sql, all_of_it, template)
            before = ledger.balances()
        with pytest.raises(psycopg.errors.SerializationFailure) as told, app_sql.transaction():
            book_in_sql(app_sql, wrong, template)
        assert told.value.diag.constraint_name == "adjustment_ceiling"
        assert ledger.balances() == before


@pytest.mark.parametrize("what", TAKING)
def test_of_two_that_take_all_of_it_at_once_one_does(ledger, ledger_urls, what):
    with_something_there(ledger)
    template, named = TAKING[what]
    first, second = (propose(ledger, template, 500, **named) for _ in range(2))

    def take(adjustment_id):
        with closing(psycopg.connect(ledger_urls.app)) as connection:
            book_in_sql(connection, adjustment_id, template)
            connection.commit()

    with ThreadPoolExecutor(1) as other, psycopg.connect(ledger_urls.app) as holder:
        book_in_sql(holder, first, template)
        holder.execute("SET CONSTRAINTS ALL IMMEDIATE")
        waiting = other.submit(take, second)
        eventually(lambda: waits_for_turn(ledger))
        holder.commit()
        with pytest.raises(psycopg.errors.SerializationFailure, match="beyond zero"):
            waiting.result()


def test_python_that_looks_at_nothing_is_stopped_by_the_database(ledger, monkeypatch):
    with_something_there(ledger)
    for check in ("_check_owed", "_check_clearing"):
        monkeypatch.setattr(adjust_books, check, lambda *_: None)
    for template, named in TAKING.values():
        with pytest.raises(Exception, match="beyond zero"):
            book(ledger, template, 501, **named)
    with pytest.raises(Exception, match="beyond zero"):
        book(ledger, "rounding_gain_cleared", 1)
    with pytest.raises(Exception, match="beyond zero"):
        book(ledger, "rounding_loss_cleared", 1)


def test_what_is_folded_and_what_is_not_counts_once(ledger, app_sql):
    with_something_there(ledger)
    seal(ledger)
    folder = ClearingFolder(ledger.transactions)
    while folder.turn():
        pass
    ledger.tell(STRAY.captured(200, nth=1))
    template, named = TAKING["a processor's debt"]
    too_much = propose(ledger, template, 501, **named)
    with (
        pytest.raises(psycopg.errors.SerializationFailure, match="beyond zero, to -1"),
        app_sql.transaction(),
    ):
        book_in_sql(app_sql, too_much, template)
    half = propose(ledger, template, 200, **named)
    with app_sql.transaction():
        book_in_sql(app_sql, half, template)
    rest = propose(ledger, template, 301, **named)
    with (
        pytest.raises(psycopg.errors.SerializationFailure, match="beyond zero, to -1"),
        app_sql.transaction(),
    ):
        book_in_sql(app_sql, rest, template)


def test_a_journal_with_other_legs_than_its_templates_is_refused(ledger, app_sql):
    """A debt that is written off against another family, so that its ceiling would never be looked at."""
    with_something_there(ledger)
    adjustment_id = propose(ledger, "merchant_debt_write_off", 500, merchant_id=MERCHANT)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation) as told, app_sql.transaction():
        book_in_sql(app_sql, adjustment_id, "merchant_debt_write_off", families=["write_off", "adjustments"])
    assert told.value.diag.constraint_name == "adjustment_legs_fit"
    assert ledger.balances()[AVAILABLE] == -500


def test_the_database_knows_the_legs_of_every_template(ledger, app_sql):
    expected = {
        (
            template.name,
            leg.side.value,
            leg.family.name,
            leg == template.clears or leg.family is template.takes_back,
        )
        for template in TEMPLATES.values()
        for leg in template.legs
    }
    assert set(ledger.rows(LEGS)) == expected
    assert {side for _, side, _, _ in expected} == {side.value for side in Side}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("INSERT INTO adjustment_legs VALUES ('merchant_payout', 'debit', 'fx', false)")
