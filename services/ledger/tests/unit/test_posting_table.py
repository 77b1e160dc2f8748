"""The posting table as a whole: it speaks of every event type and no other, and says nothing that does not exist."""

from __future__ import annotations

import pytest

from schemas.catalogue import consumer_declaration, split_event_type
from services.ledger.domain.chart import CHART, FAMILIES, Owner
from services.ledger.domain.posting import row_for
from services.ledger.domain.posting_rules import EVENT_TYPES, PAYMENT_RULES, POSTING_RULES
from services.ledger.domain.rules import NoPosting, Posting, Reversal
from services.ledger.domain.settlement_rules import SETTLEMENT_RULES
from services.ledger.tests.memory_books import MemoryBooks
from shared.kernel.errors import Poison

PAYMENT = {"payment_id": "pay_1", "merchant_id": "mer_1", "currency": "EUR"}
NOTHING = [row for row in POSTING_RULES if isinstance(row, NoPosting)]


@pytest.mark.parametrize(
    "row", NOTHING, ids=lambda row: f"{row.on}-{row.when.value if row.when else 'always'}"
)
def test_events_that_move_no_money_book_nothing(row):
    fields = {row.when.field: row.when.value} if row.when else {}
    assert MemoryBooks().post(row.on, {**PAYMENT, **fields, "amount_minor": 5}) == ()


def test_an_event_without_a_row_is_poison():
    with pytest.raises(Poison):
        MemoryBooks().post("PaymentTeleported", PAYMENT)
    with pytest.raises(Poison):
        row_for("StrayFound", {"kind": "neither"})


@pytest.mark.parametrize(
    ("topic", "rules"), [("payment.events", PAYMENT_RULES), ("reconciliation.events", SETTLEMENT_RULES)]
)
def test_the_table_speaks_of_every_event_type_of_the_topic_and_of_no_other(topic, rules):
    declared = consumer_declaration(topic, "ledger")
    audited = {"OperatorActed"}
    names = {split_event_type(name)[0] for name in declared.handled | declared.ignored}
    assert names - audited == {row.on for row in rules} - audited
    # They are kept as proposals, which people approve, or end one: they book nothing themselves.
    wishes = {"AdjustmentProposed", "AdjustmentWithdrawn"}
    handled = {split_event_type(name)[0] for name in declared.handled} - wishes
    assert handled == {row.on for row in rules if not isinstance(row, NoPosting)}
    assert names <= EVENT_TYPES


def test_reversals_name_rules_that_exist():
    rules = {row.rule for row in POSTING_RULES if isinstance(row, Posting)}
    assert {rule for row in POSTING_RULES if isinstance(row, Reversal) for rule in row.reverses} <= rules


def test_transitional_legs_have_a_clearing_key_and_others_have_none():
    for row in POSTING_RULES:
        for leg in row.legs if isinstance(row, Posting) else ():
            assert leg.family.transitional is bool(leg.key), (row.rule, leg.family.name)


def test_the_chart_has_no_two_families_of_one_name_and_every_owner_kind():
    assert len(FAMILIES) == len(CHART)
    assert {family.owner for family in CHART} == set(Owner)
