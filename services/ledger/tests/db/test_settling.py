"""Lines, payouts and the bank behind the real consumer: the whole life of the design, corrections, refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from services.ledger.tests import report
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Poison

R = ("processor_receivable", "alpha:acct_alpha", "EUR")
BC = ("bank_clearing", "alpha:acct_alpha", "EUR")
PF = ("processor_fees", "alpha:acct_alpha", "EUR")
DISTANT = datetime(2099, 1, 1, tzinfo=UTC)
CASH = ("bank_cash", "main_eur", "EUR")


def of(family, payment):
    return (family, payment.merchant_id, "EUR")


def open_keys(ledger):
    return {
        (item.family, item.clearing_key): item.balance_minor
        for item in ledger.reader.open_items(family=None, limit=100)
    }


def whole_life(payment):
    """The design's worked example, in the order in which the world tells it."""
    return [
        payment.captured(10_000, 300),
        report.on_stream(report.accepted("1", "charge", 10_000, 200, **report.of(payment, "cap"))),
        report.settled(payment, 10_000, 300),
        payment.refund_requested(4_000),
        payment.refund_succeeded(4_000),
        report.on_stream(report.accepted("2", "refund", -4_000, **report.of(payment, "ref"))),
        payment.dispute_withdrawn(6_000, row=1),
        report.on_stream(report.accepted("3", "dispute", -6_000, 1_500, **report.of(payment, "dsp"))),
        payment.dispute_written_off(6_000, row=2),
        report.on_stream(report.bank_credit(-1_700)),
    ]


@pytest.mark.parametrize("one_by_one", [True, False])
def test_over_a_whole_life_everything_that_must_returns_to_zero(ledger, stream, one_by_one):
    payment = Payment(1)
    for event in whole_life(payment):
        stream.publish(event)
        if one_by_one:
            stream.drain()
    stream.drain()
    assert ledger.balances() == {
        PF: 1_700,
        CASH: -1_700,
        of("merchant_available", payment): -300,
        ("fee_revenue", "platform", "EUR"): 300,
    }
    assert open_keys(ledger) == {}
    assert ledger.reader.trial_balance().balanced
    assert ledger.rows("SELECT count(*) FROM parked_keys") == [(0,)]


def test_the_same_life_delivered_twice_is_booked_once(ledger, stream):
    stream.publish(*whole_life(Payment(1)))
    stream.drain()
    before = (ledger.balances(), ledger.rows("SELECT count(*) FROM journals"))
    for row in stream.sent:
        stream.send(row)
    stream.drain()
    assert (ledger.balances(), ledger.rows("SELECT count(*) FROM journals")) == before


@pytest.mark.parametrize("same_batch", [True, False])
def test_an_amendment_reverses_what_stands_exactly_and_posts_the_new_revision(ledger, same_batch):
    payment = Payment(1)
    story = [
        report.accepted("1", "charge", 10_000, 200, **report.of(payment, "cap")),
        report.amended("1", "charge", 9_000, 150, revision=2, amends=1, **report.of(payment, "cap")),
        report.amended("1", "other", -700, revision=3, amends=2),
    ]
    for batch in [story] if same_batch else [[event] for event in story]:
        ledger.tell(*batch)
    assert ledger.balances() == {BC: -700, ("suspense", "platform", "EUR"): -700}
    assert open_keys(ledger) == {
        ("bank_clearing", report.payout_key()): -700,
        ("suspense", report.line_key("1")): -700,
    }
    assert ledger.rows("SELECT rule, fact_key FROM journals ORDER BY position") == [
        ("settlement_line", "alpha_payouts:1:1"),
        ("settlement_line_reversed", "alpha_payouts:1:1"),
        ("settlement_line", "alpha_payouts:1:2"),
        ("settlement_line_reversed", "alpha_payouts:1:2"),
        ("settlement_line", "alpha_payouts:1:3"),
    ]


def test_a_line_that_is_said_no_more_leaves_nothing_and_may_come_back(ledger):
    ledger.tell(report.accepted("1", "charge", 10_000, 200))
    gone = report.amended("1", "charge", 0, revision=2, amends=1)
    ledger.tell(gone)
    assert ledger.balances() == {}
    ledger.tell(gone)
    ledger.tell(report.amended("1", "charge", 500, revision=3, amends=None))
    assert ledger.balances() == {BC: 500, R: -500}


@pytest.mark.parametrize("amends", [1, None])
def test_a_line_that_rightly_booked_nothing_may_be_amended(ledger, amends):
    ledger.tell(report.accepted("1", "other", 500, 500))
    assert ledger.balances() == {}
    ledger.tell(report.amended("1", "other", 500, 100, revision=2, amends=amends))
    assert ledger.balances() == {BC: 400, ("suspense", "platform", "EUR"): 400}


def test_what_was_amended_long_before_is_still_found(ledger):
    ledger.tell(report.accepted("1", "charge", 500))
    ledger.tell(report.amended("1", "charge", 400, revision=150, amends=1))
    assert ledger.balances() == {BC: 400, R: -400}


@pytest.mark.parametrize("same_batch", [True, False])
def test_an_amendment_told_twice_books_once(ledger, same_batch):
    second = report.amended("1", "charge", 9_000, revision=2, amends=1)
    story = [report.accepted("1", "charge", 10_000), second, second]
    for batch in [story] if same_batch else [[event] for event in story]:
        ledger.tell(*batch)
    assert ledger.balances() == {BC: 9_000, R: -9_000}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(report.amended("1", "charge", 900, revision=3, amends=1), id="amends what was amended"),
        pytest.param(report.amended("1", "charge", 900, revision=3, amends=None), id="amends nothing"),
        pytest.param(report.amended("1", "charge", 900, revision=2, amends=2), id="amends itself"),
        pytest.param(report.accepted("1", "charge", 900, revision=2), id="accepts a second revision"),
        pytest.param(report.amended("1", "charge", 7, revision=2, amends=1), id="says a revision otherwise"),
        pytest.param(report.accepted("1", "charge", 11_000), id="says the first revision otherwise"),
    ],
)
def test_a_line_can_never_stand_twice(ledger, wrong):
    ledger.tell(report.accepted("1", "charge", 10_000))
    ledger.tell(report.amended("1", "charge", 9_000, revision=2, amends=1))
    with pytest.raises(Poison):
        ledger.tell(wrong)
    assert ledger.balances() == {BC: 9_000, R: -9_000}


def test_a_capture_that_is_settled_again_after_an_amendment_is_available_once(ledger):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), report.settled(payment, 10_000, 300))
    ledger.tell(report.unsettled(payment, 10_000, 300))
    assert ledger.balances()[of("merchant_pending", payment)] == 9_700
    ledger.tell(report.unsettled(payment, 10_000, 300), report.settled(payment, 10_000, 300, number=2))
    assert of("merchant_pending", payment) not in ledger.balances()
    assert ledger.balances()[of("merchant_available", payment)] == 9_700


def test_money_is_available_from_the_day_that_the_processor_says(ledger):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), report.settled(payment, 10_000, 300))
    assert ledger.rows("SELECT effective_at FROM journals WHERE rule = 'capture_settled'") == [
        (report.AVAILABLE_ON,)
    ]


def test_a_capture_that_is_all_fee_makes_nothing_available_and_takes_nothing_back(ledger):
    payment = Payment(1)
    ledger.tell(payment.captured(300, 300), report.settled(payment, 300, 300))
    ledger.tell(report.unsettled(payment, 300, 300))
    assert ledger.rows("SELECT rule FROM journals") == [("capture",)]


def test_taking_back_what_was_never_settled_is_poison(ledger):
    with pytest.raises(Poison, match="finds no journal to reverse"):
        ledger.tell(report.unsettled(Payment(1), 10_000, 300))


def test_journals_without_a_payment_are_announced_under_their_own_id(ledger):
    ledger.tell(report.bank_credit(500))
    assert ledger.rows("SELECT o.key = j.journal_id, j.payment_id FROM outbox o, journals j") == [
        (True, None)
    ]


def test_a_bank_line_that_was_allocated_wrongly_is_allocated_anew(ledger):
    ledger.tell(report.bank_credit(1_000), report.bank_credit(-100, number=2))
    ledger.tell(report.bank_credit(100, payout_id="po_2"))
    ledger.tell(report.bank_credit(1_000, number=1), report.bank_credit(-100, number=2))
    assert ledger.rows(
        "SELECT e.clearing_key, sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END)::bigint"
        " FROM entries e WHERE e.clearing_key IS NOT NULL GROUP BY 1 ORDER BY 1"
    ) == [(report.payout_key("po_1"), 900), (report.payout_key("po_2"), 100)]


CHARGE = report.accepted("1", "charge", 10_000, 200)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("told", "otherwise"),
    [
        pytest.param(report.bank_credit(500), report.bank_credit(-500), id="a bank line's sign"),
        pytest.param(CHARGE, report.accepted("1", "charge", -10_000, -200), id="a line's sign"),
        pytest.param(CHARGE, report.accepted("1", "charge", 10_000, 300), id="a line's fee"),
        pytest.param(
            CHARGE, report.accepted("1", "charge", 10_000, 200, payout_id="po_2"), id="a line's payout"
        ),
    ],
)
def test_the_same_reading_never_says_two_things(ledger, told, otherwise, at_once):
    if not at_once:
        ledger.tell(told, told)
        ledger.tell(told)
    with pytest.raises(Poison, match="booked already, with other money"):
        ledger.tell(*([told, otherwise] if at_once else [otherwise]))
    assert ledger.rows("SELECT count(*) FROM journals") == [(0 if at_once else 1,)]


def test_a_match_told_again_is_one_and_told_otherwise_is_poison(ledger):
    one, two = Payment(1), Payment(2)
    told = report.matched("1", one, "cap", 10_000)
    ledger.tell(told, told)
    ledger.tell(told)
    assert ledger.rows("SELECT line_key, revision, number, clearing_key FROM line_matches") == [
        (report.line_key("1"), 1, 1, report.object_key("cap_1_0"))
    ]
    for batch in ([report.matched("1", two, "cap", 10_000)], [told, report.matched("1", two, "cap", 10_000)]):
        with pytest.raises(Poison, match="of another object"):
            ledger.tell(*batch)


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_match_that_is_taken_back_leaves_the_line_under_its_own_key(ledger, same_batch):
    payment = Payment(1)
    story = [
        report.accepted("1", "charge", 10_000),
        report.matched("1", payment, "cap", 10_000),
        report.unmatched("1", payment, "cap", 10_000),
    ]
    for batch in [story] if same_batch else [[event] for event in story]:
        ledger.tell(*batch)
    ledger.tell(*story)
    assert open_keys(ledger) == {
        ("processor_receivable", report.line_key("1")): -10_000,
        ("bank_clearing", report.payout_key()): 10_000,
    }
    assert ledger.rows("SELECT count(*) FROM journals") == [(1,)]
    assert ledger.rows("SELECT payment_id FROM line_matches WHERE number = 2") == [(None,)]


def by_effect(ledger, at):
    """Balances of what has taken effect by then, debits less credits, without the zeros."""
    return {
        family: net
        for family, net in ledger.rows(
            "SELECT a.family, sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END)::bigint"
            " FROM journals j JOIN entries e ON e.journal_position = j.position JOIN accounts a USING (account_id)"
            f" WHERE j.effective_at <= '{at.isoformat()}' GROUP BY 1"
        )
        if net
    }


@pytest.mark.parametrize("days", [2, -2], ids=["still to come", "long ago"])
def test_what_is_taken_back_never_made_anything_available_by_effect(ledger, days):
    """Also not twice where it settles again: at no time do both stand, and at no time less than nothing."""
    payment, available_on = Payment(1), report.NOW + timedelta(days=days)
    first = replace(report.settled(payment, 10_000, 300), available_on=available_on)
    ledger.tell(payment.captured(10_000, 300), first)
    ledger.tell(report.unsettled(payment, 10_000, 300))
    moments = [available_on + timedelta(hours=hours) for hours in (-1, 0, 1)] + [report.NOW, DISTANT]
    for at in moments:
        assert "merchant_available" not in by_effect(ledger, at)
    second = replace(report.settled(payment, 10_000, 300, number=2), available_on=available_on)
    ledger.tell(second)
    for at in moments:
        assert by_effect(ledger, at).get("merchant_available", 0) == (-9_700 if at >= available_on else 0)


def test_a_stray_that_was_accepted_is_never_claimed_twice_by_effect(ledger):
    """Taken today, found astray tomorrow, accepted in three days: it was the merchant's from the day it was taken."""
    payment, found, accepted = Payment(1), report.NOW + timedelta(1), report.NOW + timedelta(3)
    ledger.tell(payment.stray_found(10_000), time=found)
    ledger.tell(payment.stray_accepted(10_000), time=accepted)
    ledger.tell(payment.captured(10_000, 300))
    for at in (report.NOW, found, found + timedelta(1), accepted, DISTANT):
        owed = by_effect(ledger, at)
        assert (owed["processor_receivable"], owed.get("suspense", 0)) == (10_000, 0)


@pytest.mark.parametrize("days", [3, -3], ids=["later", "earlier"])
def test_by_effect_a_line_that_was_amended_stands_once_and_from_the_day_it_says_now(ledger, days):
    first, then = report.NOW, report.NOW + timedelta(days=days)
    ledger.tell(report.accepted("1", "charge", 10_000, effective_at=first))
    ledger.tell(report.amended("1", "charge", 9_000, revision=2, amends=1, effective_at=then))
    for at in (first, then, min(first, then) - timedelta(1), first + (then - first) / 2, DISTANT):
        assert by_effect(ledger, at).get("bank_clearing", 0) == (9_000 if at >= then else 0)


def test_a_failure_takes_effect_when_it_came_but_never_before_what_it_takes_back(ledger):
    payment, later = Payment(1), report.NOW + timedelta(days=1)
    ledger.tell(payment.captured(10_000, 300), payment.refund_requested(4_000))
    ledger.tell(payment.refund_succeeded(4_000), time=later)
    ledger.tell(payment.refund_failed(4_000, was_succeeded=True))
    rows = dict(ledger.rows("SELECT rule, effective_at FROM journals WHERE rule LIKE 'refund%'"))
    assert rows["refund_requested_reversed"] == report.NOW
    assert rows["refund_succeeded"] == rows["refund_succeeded_reversed"] == later
