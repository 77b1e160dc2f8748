"""Adjustments on a real database: booked by two people, never below a floor, reversed once, and nothing else of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.unit_of_work import unit_of_work_builder
from services.ledger.app import adjust_books
from services.ledger.app.adjust_books import propose_reversal, reject_adjustment
from services.ledger.app.fold_snapshots import Folding, fold_snapshots
from services.ledger.tests import report
from services.ledger.tests.db.adjusting import (
    ADA,
    AVAILABLE,
    MERCHANT,
    approve,
    book,
    pay_out,
    propose,
)
from services.ledger.tests.db.closing import seal
from services.ledger.tests.payloads import Payment
from services.ledger.tests.slow_journals import begin_slowly
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.persistence.unit_of_work import Transactions

pytestmark = pytest.mark.db
DISTANT = datetime(2099, 1, 1, tzinfo=UTC)


class HourAhead(SystemClock):
    def now(self):
        return super().now() + timedelta(hours=1)


class AheadOf:
    """The same books, by a process whose clock is an hour ahead."""

    def __init__(self, ledger):
        self.transactions = Transactions(
            ledger.engine,
            unit_of_work_builder(AccountDirectory()),
            source="/tieout/ledger",
            clock=HourAhead(),
            ids=ledger.ids,
        )


def reverse(ledger, adjustment_id):
    made = ledger.transactions.run(
        lambda uow: propose_reversal(adjustment_id, "wrong", "ticket 2", ADA, uow), name="test"
    )
    return made.adjustment_id


def refused(code, call, *arguments, **named):
    with pytest.raises(Rejected) as told:
        call(*arguments, **named)
    assert told.value.code == code
    return told.value


def test_nothing_is_booked_before_a_second_person_approves(ledger):
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    assert ledger.balances() == {}
    refused("four_eyes", approve, ledger, adjustment_id, ADA)
    assert ledger.balances() == {}
    approved = approve(ledger, adjustment_id)
    assert ledger.balances() == {AVAILABLE: 500, ("adjustments", "platform", "EUR"): 500}
    refused("adjustment_wrong_state", approve, ledger, adjustment_id)
    journal = ledger.reader.journal(approved.journal_id, None)
    acts = ledger.rows(
        "SELECT event_id, convert_from(payload, 'UTF8')::jsonb ->> 'action' FROM outbox"
        " WHERE event_type = 'OperatorActed.v1' ORDER BY position"
    )
    assert [action for _, action in acts] == ["adjustment_proposed", "adjustment_approved"]
    assert journal.cause_event_id == acts[1][0]


def test_a_rejected_proposal_books_nothing_and_is_not_approved_later(ledger):
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    ledger.transactions.run(lambda uow: reject_adjustment(adjustment_id, "no", ADA, uow), name="test")
    refused("adjustment_wrong_state", approve, ledger, adjustment_id)
    assert ledger.balances() == {}


def test_a_reversal_is_exact_approved_by_another_and_happens_once(ledger):
    booked = book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    reversal_id = reverse(ledger, booked.adjustment_id)
    refused("adjustment_reversed_already", reverse, ledger, booked.adjustment_id)
    refused("four_eyes", approve, ledger, reversal_id, ADA)
    reversal = approve(ledger, reversal_id)
    assert ledger.balances() == {}
    assert ledger.reader.journal(reversal.journal_id, None).reverses_journal_id == booked.journal_id
    refused("adjustment_reversed_already", reverse, ledger, booked.adjustment_id)
    refused("adjustment_is_reversal", reverse, ledger, reversal_id)


def test_what_was_not_booked_is_not_reversed(ledger):
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    refused("adjustment_wrong_state", reverse, ledger, adjustment_id)


def test_a_payout_stops_at_what_is_available(ledger):
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    told = refused("floor_reached", approve, ledger, pay_out(ledger, 501))
    assert told.extra == {"available_minor": 500, "currency": "EUR"}
    approve(ledger, pay_out(ledger, 500))
    refused("floor_reached", approve, ledger, pay_out(ledger, 1))


def test_money_that_becomes_available_later_is_not_paid_out_now(ledger, stream):
    payment = Payment(1)
    stream.publish(payment.captured(10_000, 300))
    stream.drain()
    refused(
        "floor_reached",
        approve,
        ledger,
        propose(ledger, "merchant_payout", 1, merchant_id=payment.merchant_id, bank_account="main_eur"),
    )


def test_payouts_approved_at_once_never_go_below_zero(ledger):
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    waiting = [pay_out(ledger, 200) for _ in range(8)]

    def try_one(adjustment_id):
        try:
            approve(ledger, adjustment_id)
        except Rejected as told:
            return told.code
        return "approved"

    with ThreadPoolExecutor(4) as threads:
        said = sorted(threads.map(try_one, waiting))
    assert said == ["approved"] * 2 + ["floor_reached"] * 6
    assert ledger.balances()[AVAILABLE] == 100


def test_facts_still_go_below_zero_and_wait_for_nobody(ledger, ledger_urls):
    """A fact that debits the account is posted while a payout holds its turn."""
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300))
    with psycopg.connect(ledger_urls.app) as holder:
        holder.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('commanded:merchant_available:' || %s || ':EUR', 0))",
            (payment.merchant_id,),
        )
        ledger.tell(payment.refund_requested(4_000))
    assert ledger.balances()["merchant_available", payment.merchant_id, "EUR"] == -4_000


def test_a_refund_astray_gets_its_way_out_of_suspense(ledger):
    payment = Payment(1)
    ledger.tell(msgspec.structs.replace(payment.refund_stray_found(700), currency="USD"))
    ((family, key, balance),) = [
        (item.family, item.clearing_key, item.balance_minor)
        for item in ledger.reader.open_items(family="suspense", limit=10)
    ]
    assert (family, balance) == ("suspense", -700)
    mistyped = propose(ledger, "suspense_shortfall_write_off", 700, clearing_key=key + "0", currency="USD")
    refused("clearing_key_not_open", approve, ledger, mistyped)
    other_currency = propose(ledger, "suspense_shortfall_write_off", 700, clearing_key=key)
    refused("clearing_key_not_open", approve, ledger, other_currency)
    taken = {"clearing_key": key, "currency": "USD"}
    refused("clearing_key_of_stray", propose, ledger, "suspense_surplus_write_off", 700, **taken)
    too_much = propose(ledger, "suspense_shortfall_write_off", 701, clearing_key=key, currency="USD")
    assert refused("clearing_key_not_open", approve, ledger, too_much).extra["open_minor"] == 700
    book(
        ledger, "suspense_from_merchant", 700,
        clearing_key=key, merchant_id=payment.merchant_id, currency="USD",
    )  # fmt: skip
    assert ledger.reader.open_items(family="suspense", limit=10) == []
    assert ledger.balances()["merchant_available", payment.merchant_id, "USD"] == -700


def test_plain_sql_is_refused_what_python_refuses(ledger, app_sql):
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    approved = book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)

    def fails(statement, error, match):
        with pytest.raises(error, match=match), app_sql.transaction():
            app_sql.execute(statement)

    decide = (
        "UPDATE adjustments SET state = 'APPROVED', decided_by = '{by}', decided_at = now(), decision_reason = 'r',"
        f" journal_id = 'jrn_x' WHERE adjustment_id = '{adjustment_id}'"
    )
    fails(decide.format(by="ada"), psycopg.errors.CheckViolation, "adjustments_four_eyes")
    fails(decide.format(by="bob"), psycopg.errors.IntegrityConstraintViolation, "without its journal")
    again = f"UPDATE adjustments SET decided_by = 'eve' WHERE adjustment_id = '{approved.adjustment_id}'"
    fails(again, psycopg.errors.CheckViolation, "decided once")
    fails("UPDATE adjustments SET amount_minor = 1", psycopg.errors.InsufficientPrivilege, "denied")
    fails("DELETE FROM adjustments", psycopg.errors.InsufficientPrivilege, "denied")
    fails("TRUNCATE adjustments", psycopg.errors.InsufficientPrivilege, "denied")
    forged = (
        "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
        " currency, amount_minor, entry_count, effective_at) VALUES (nextval('journal_positions'), 'jrn_f',"
        " 'adjustment:merchant_credit', 'evt_f', 'OperatorActed.v1', 'f', 'f', 'EUR', 5, 2, now())"
    )
    lines = (
        "INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency)"
        " SELECT currval('journal_positions'), row_number() OVER (), account_id, CASE family WHEN 'adjustments' THEN 'debit' ELSE 'credit'"
        " END::entry_side, 5, 'EUR' FROM accounts"
    )
    fails(f"{forged}; {lines}", psycopg.errors.IntegrityConstraintViolation, "nobody approved")
    unknown = (
        "INSERT INTO adjustments (adjustment_id, template, parameters, amount_minor, currency, reason, attachment, state,"
        " proposed_by, proposed_at) VALUES ('adj_x', 'merchant_payout2', '{}', 1, 'EUR', 'r', 'a', 'PROPOSED', 'ada', now())"
    )
    fails(unknown, psycopg.errors.CheckViolation, "adjustments_template")


@pytest.mark.parametrize(
    "forged",
    [
        {"amount": 501},
        {"owner": "mer_" + "8" * 26},
        {"lines": 4},
        {"reverses": True},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_an_adjustment_stands_for_no_other_journal_than_its_own(ledger, app_sql, forged):
    """By plain SQL of the application's role: each differs in one thing from what was proposed, and balances."""
    standing = book(ledger, "merchant_debit", 500, merchant_id=MERCHANT)
    book(ledger, "merchant_debit", 1, merchant_id="mer_" + "8" * 26)
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    accounts = dict(
        ledger.rows(
            "SELECT CASE family WHEN 'adjustments' THEN family ELSE owner END, account_id FROM accounts"
        )
    )
    amount, lines = forged.get("amount", 500), forged.get("lines", 2)
    owner = accounts[forged.get("owner", MERCHANT)]
    reversed_at = ledger.rows(f"SELECT position FROM journals WHERE journal_id = '{standing.journal_id}'")[0][
        0
    ]
    journal = (
        "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
        " currency, amount_minor, entry_count, effective_at, reverses_position)"
        f" VALUES (nextval('journal_positions'), 'jrn_f', 'adjustment:merchant_credit', 'evt_f', 'OperatorActed.v1', '{adjustment_id}', 'f',"
        f" 'EUR', 500, {lines}, now(), {reversed_at if forged.get('reverses') else 'NULL'})"
    )
    pairs = [amount] * (lines // 2)
    entries = ", ".join(
        f"(currval('journal_positions'), {2 * nth + line}, {account}, '{side}', {each}, 'EUR')"
        for nth, each in enumerate(pairs)
        for line, account, side in ((1, accounts["adjustments"], "debit"), (2, owner, "credit"))
    )
    decide = (
        "UPDATE adjustments SET state = 'APPROVED', decided_by = 'bob', decided_at = now(), decision_reason = 'r',"
        f" journal_id = 'jrn_f' WHERE adjustment_id = '{adjustment_id}'"
    )
    lines_of = (
        "INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency) VALUES "
    )
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation) as told, app_sql.transaction():
        app_sql.execute(f"{journal}; {lines_of}{entries}; {decide}")
    assert "without its journal" in str(told.value) or forged.get("reverses")


def test_a_payout_beside_a_refund_is_refused_by_its_code(ledger, monkeypatch):
    """The fact is booked after the balance was read and before COMMIT: it takes no turn and waits for nobody."""
    payment = Payment(1)
    ledger.tell(payment.captured(1_000, 0))
    book(ledger, "merchant_credit", 500, merchant_id=payment.merchant_id)
    adjustment_id = propose(
        ledger, "merchant_payout", 500, merchant_id=payment.merchant_id, bank_account="main_eur"
    )
    read, told = adjust_books._check_floor, []

    def read_and_be_overtaken(adjustment, work):
        read(adjustment, work)
        if not told:
            told.append(adjustment.adjustment_id)
            ledger.tell(payment.refund_requested(500))

    monkeypatch.setattr(adjust_books, "_check_floor", read_and_be_overtaken)
    refused("floor_reached", approve, ledger, adjustment_id)
    assert told
    assert ledger.balances().get(("merchant_available", payment.merchant_id, "EUR"), 0) == 0


def test_the_database_reads_the_floor_behind_a_snapshot(ledger, app_sql, monkeypatch):
    """Folded, folded behind a gap of positions, sealed behind that, and not sealed: each cent counts once."""
    monkeypatch.setattr(adjust_books, "_check_floor", lambda *_: None)
    book(ledger, "merchant_credit", 100, merchant_id=MERCHANT)
    begin_slowly(app_sql, "late")
    book(ledger, "merchant_credit", 100, merchant_id=MERCHANT)
    seal(ledger)
    while ledger.transactions.run(
        lambda uow: fold_snapshots(Folding(every_seals=1, entries_min=1), uow), name="fold"
    ):
        pass
    assert ledger.rows("SELECT bool_or(settled_position < reached_position) FROM account_snapshots") == [
        (True,)
    ]
    app_sql.commit()
    book(ledger, "merchant_credit", 100, merchant_id=MERCHANT)
    seal(ledger)
    book(ledger, "merchant_credit", 100, merchant_id=MERCHANT)
    with pytest.raises(Exception, match="at -1"):
        approve(ledger, pay_out(ledger, 401))
    approve(ledger, pay_out(ledger, 400))
    assert ledger.balances().get(AVAILABLE, 0) == 0


def test_the_database_keeps_the_floor_by_itself(ledger, monkeypatch):
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    monkeypatch.setattr("services.ledger.app.adjust_books._check_floor", lambda *_: None)
    with pytest.raises(Exception, match="leaves EUR of"):
        approve(ledger, pay_out(ledger, 501))
    assert ledger.balances()[AVAILABLE] == 500


def test_a_payout_of_a_clock_ahead_of_ours_is_not_hidden_by_money_of_a_far_day(ledger, stream):
    payment = Payment(1)
    distant = msgspec.structs.replace(report.settled(payment, 10_000, 300), available_on=DISTANT)
    for event in (payment.captured(10_000, 300), distant):
        stream.publish(event)
    stream.drain()
    of_payment = {"merchant_id": payment.merchant_id}
    book(ledger, "merchant_credit", 500, **of_payment)
    ahead, ours = (
        propose(ledger, "merchant_payout", 500, bank_account="main_eur", **of_payment) for _ in range(2)
    )
    approve(AheadOf(ledger), ahead)
    refused("floor_reached", approve, ledger, ours)
