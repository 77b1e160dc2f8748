"""A closed month is computed once more from bytes and kept words: the same, whatever came later; or it says what differs."""

from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.app.match_by_hand import approve_taking_back, propose_taking_back
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.tests.agreed import agree_before
from services.reconciliation.tests.answering import JOURNAL, ask_for_adjustment, hear_adjustment, the_break
from services.reconciliation.tests.deciding import approve
from services.reconciliation.tests.months import ADA, BOB, FEBRUARY, JANUARY, Shop
from services.reconciliation.tests.pairing import agree, decide, item


@pytest.fixture
def shop(desk):
    made = Shop(desk)
    made.january()
    made.close(JANUARY)
    return made


def again(shop, month=JANUARY):
    return shop.desk.run(lambda uow: recompute(READERS, month, uow.connection, uow.now, uow.ids))


def test_a_closed_month_comes_to_the_same_whatever_came_since(shop):
    assert again(shop).differences == []
    shop.february()
    with shop.desk.engine.begin() as connection:
        # A stronger word about an item of January.
        connection.exec_driver_sql(
            "UPDATE our_items SET amount_minor = 6900, event_id = 'evt_0' WHERE amount_minor = 7000"
        )
    shop.sold(77, 123, 1, 15)
    shop.match()
    shop.close(FEBRUARY)
    for month, files in ((JANUARY, 2), (FEBRUARY, 4)):
        done = again(shop, month)
        assert (done.differences, done.files) == ([], files)


def test_what_was_decided_of_a_break_is_part_of_what_was_closed(desk):
    made = Shop(desk)
    made.january()
    made.match()
    with desk.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE breaks SET state = 'DEFERRED', due_on = '2999-01-01' WHERE type = 'amount_mismatch'"
        )
    made.close(JANUARY)
    assert ("timing", "amount_mismatch") in made.positions(JANUARY).values()
    assert again(made).differences == []


def test_a_break_that_waits_for_an_answer_is_broken_money_of_the_month(desk):
    made = Shop(desk)
    made.january()
    made.match()
    ((subject,),) = made.rows("SELECT subject FROM breaks WHERE type = 'amount_mismatch'")
    break_id = ask_for_adjustment(made, subject)
    made.close(JANUARY)
    assert ("broken", "amount_mismatch") in made.positions(JANUARY).values()
    assert made.rows("SELECT break_id FROM period_breaks WHERE state = 'APPLYING'") == [(break_id,)]
    hear_adjustment(made, break_id, "applied", journal_id=JOURNAL)
    made.match()
    assert again(made).differences == []


def test_what_was_resolved_where_no_leg_differs_is_accepted_money_of_its_day(desk):
    """A fee that nobody agreed is in no position: only the history has that two people gave it up."""
    made = Shop(desk)
    with desk.engine.begin() as connection:
        agree_before(
            connection, "agreed_fee", source="alpha", category="charge", currency="EUR", per_million=0, fixed_minor=9
        )  # fmt: skip
    made.january()
    made.match()
    ((subject,),) = made.rows("SELECT subject FROM breaks WHERE type = 'fee_mismatch'")
    break_id = the_break(made, subject)
    desk.run(lambda uow: propose_acceptance(break_id, "nine cents", ADA, uow))
    approve(made, break_id)
    made.close(JANUARY)
    assert made.rows("SELECT day::text, accepted_minor FROM period_days WHERE accepted_minor > 0") == [
        ("2026-01-10", 10_000)
    ]
    assert subject not in made.positions(JANUARY)
    assert again(made).differences == []


def named_otherwise(shop):
    """A sale of January that the report has under another name; its line is as it was amended once."""
    shop.sold(8, 400, 1, 12)
    shop.reported("po_named", (1, 20), (9, 300, (1, 12)))
    shop.corrected("po_named", (1, 20), (9, 400, (1, 12)))
    shop.match()
    ((line_id,),) = shop.rows("SELECT line_id FROM settlement_lines WHERE object_id = 'cap_9' AND stands")
    return line_id, item(8, account="acct_1")


def test_a_match_by_hand_is_part_of_what_was_closed_whatever_became_of_it(desk):
    made = Shop(desk)
    made.january()
    line_id, item_key = named_otherwise(made)
    hand_match = agree(desk, [line_id], [item_key], source="alpha")
    made.close(JANUARY)
    assert not {f"item:{item_key}", f"line:alpha:{line_id}"} & set(made.positions(JANUARY))
    decide(desk, propose_taking_back, hand_match.hand_match_id, actor=ADA)
    decide(desk, approve_taking_back, hand_match.hand_match_id, actor=BOB)
    made.february()
    made.match()
    made.close(FEBRUARY)
    assert {f"item:{item_key}", f"line:alpha:{line_id}"} <= set(made.positions(FEBRUARY))
    for month in (JANUARY, FEBRUARY):
        assert again(made, month).differences == []


def test_a_match_by_hand_after_the_close_leaves_the_month_as_it_was_closed(desk):
    made = Shop(desk)
    made.january()
    line_id, item_key = named_otherwise(made)
    made.close(JANUARY)
    before = made.positions(JANUARY), made.rolls(JANUARY)
    agree(desk, [line_id], [item_key], source="alpha")
    made.february()
    made.match()
    assert (made.positions(JANUARY), made.rolls(JANUARY)) == before
    made.close(FEBRUARY)
    both = {f"item:{item_key}", f"line:alpha:{line_id}"}
    assert both <= set(before[0])
    assert not both & set(made.positions(FEBRUARY))
    for month in (JANUARY, FEBRUARY):
        assert again(made, month).differences == []


def test_it_leaves_nothing_and_tells_nothing(shop):
    def all_of_it():
        tables = shop.rows("SELECT relname FROM pg_class WHERE relnamespace = 'recompute'::regnamespace")
        counts = [
            shop.rows(f"SELECT count(*) FROM {table}")
            for table in (
                "outbox",
                "claims",
                "breaks",
                "break_history",
                "report_lines",
                "runs",
                "payout_allocations",
            )
        ]
        return tables, counts

    before = all_of_it()
    again(shop)
    assert all_of_it() == before
    assert before[0] == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("days", "UPDATE period_days SET matched_minor = matched_minor - 1, broken_minor = broken_minor + 1"),
        ("explained", "UPDATE period_explained SET fees_minor = fees_minor + 1"),
        ("breaks", "UPDATE period_breaks SET at_risk_minor = at_risk_minor - 1 WHERE type <> 'unposted'"),
    ],
)
def test_days_and_breaks_that_were_kept_otherwise_are_told_row_by_row(
    shop, reconciliation_urls, table, change
):
    of_legs = " WHERE type <> 'unposted'" if table == "breaks" else ""
    kept = shop.rows(f"SELECT count(*) FROM period_{table}{of_legs}")[0][0]
    assert kept > 0
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute(f"ALTER TABLE period_{table} DISABLE TRIGGER USER")
        if table == "days":
            owner.execute("DELETE FROM period_days WHERE matched_minor = 0")
        changed = owner.execute(change).rowcount
    differences = again(shop).differences
    assert {row["table"] for row in differences} == {table}
    assert [row["only"] for row in differences].count("recorded") == changed
    assert [row["only"] for row in differences].count("computed") == kept


def test_days_that_were_not_kept_are_not_compared(shop, reconciliation_urls):
    with psycopg.connect(reconciliation_urls.owner) as owner:
        for table in ("closed_periods", "period_days", "period_explained"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("UPDATE closed_periods SET keeps_days = false")
        owner.execute("DELETE FROM period_days")
        owner.execute("DELETE FROM period_explained")
    assert again(shop).differences == []


def test_other_bytes_or_other_words_are_told_and_end_with_one(shop, reconciliation_urls):
    """A superuser can change what is append-only; whoever computes the month again sees it."""
    assert shop.rows("SELECT count(*) FROM period_items") == [(3,)]
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute("ALTER TABLE period_items DISABLE TRIGGER USER")
        owner.execute("UPDATE period_items SET amount_minor = 9000 WHERE amount_minor = 10000")
        owner.execute("ALTER TABLE report_file_chunks DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE report_file_chunks SET content = convert_to(replace(convert_from(content, 'UTF8'),"
            " '69.00', '68.00'), 'UTF8') WHERE position('69.00' IN convert_from(content, 'UTF8')) > 0"
        )
    environment = {"RECONCILIATION_DATABASE_URL": reconciliation_urls.app}
    done = CliRunner().invoke(cli, ["periods", "recompute", "2026-01", "--json"], env=environment)
    assert done.exit_code == 1, done.output
    said = json.loads(done.output.splitlines()[-1])
    assert not said["same"]
    assert "other bytes" in [row.get("computed") for row in said["differences"]]
    assert {row.get("only") for row in said["differences"] if row["table"] == "rolls"} == {
        "recorded",
        "computed",
    }
    assert CliRunner().invoke(cli, ["periods", "recompute", "2026-02"], env=environment).exit_code == 1
