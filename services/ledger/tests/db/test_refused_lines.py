"""What reconciliation may not say: parked with a stable code, nothing booked, and the consumer goes on."""

from __future__ import annotations

import pytest

from services.ledger.tests import report
from services.ledger.tests.db.test_refused_events import bent, parked
from services.ledger.tests.payloads import Payment

REPORTED = "reconciliation.events"
WRONG_LINES = {
    "accepted in a later revision": (
        "revision_not_first",
        report.accepted("l", "charge", 500),
        {"revision": 2},
    ),
    "amends nothing": (
        "revision_out_of_order",
        report.amended("l", "charge", 500, revision=2, amends=1),
        {"revision": 1},
    ),
    "amends what comes later": (
        "revision_out_of_order",
        report.amended("l", "charge", 500, revision=2, amends=1),
        {"amended_revision": 3},
    ),
    "category of nobody": ("value_unknown", report.accepted("l", "charge", 500), {"category": "gift"}),
    "currency of nobody": ("currency_unknown", report.accepted("l", "charge", 500), {"net_currency": "EUX"}),
    "more than can be counted": (
        "amount_too_large",
        report.accepted("l", "charge", 500),
        {"gross_minor": -(2**53)},
    ),
    **{
        f"rate {rate}": (
            "exchange_rate_invalid",
            report.accepted("l", "charge", 500),
            {"net_currency": "USD", "fee_currency": "USD", "exchange_rate": rate},
        )
        for rate in ("one", "1/0", "-1", "1e9", "1e999999999", "nan", "", "١")
    },
    "payout of nothing": ("amount_not_positive", report.payout_returned(500), {"amount_minor": 0}),
    "adjustment of nothing": ("amount_not_positive", report.adjustment_asked(1, 500), {"amount_minor": 0}),
    "one person alone": ("four_eyes", report.adjustment_asked(1, 500), {"approved_by": "ada"}),
}


@pytest.mark.parametrize("what", WRONG_LINES)
def test_what_reconciliation_may_not_say_is_parked_and_books_nothing(ledger, stream, what):
    code, said, otherwise = WRONG_LINES[what]
    key = report.on_stream(said).key
    stream.publish_bytes(REPORTED, key, bent(said, **otherwise, topic=REPORTED))
    stream.publish(report.on_stream(report.accepted("even", "charge", 70)))
    stream.drain()
    assert parked(ledger) == [(key, "poison", code)]
    assert ledger.rows("SELECT rule, amount_minor FROM journals") == [("settlement_line", 70)]


def test_a_match_that_was_told_of_another_object_is_parked_and_counts_as_it_was_told(ledger, stream):
    first, second = Payment(1), Payment(2)
    stream.publish(*(report.on_stream(report.matched("l", each, "cap", 500)) for each in (first, second)))
    stream.drain()
    assert parked(ledger) == [(f"{report.SOURCE}:l", "poison", "matched_otherwise")]
    assert ledger.rows("SELECT payment_id FROM line_matches") == [(first.payment_id,)]
